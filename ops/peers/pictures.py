#!/usr/bin/env python3
"""Pictures a second from JPEG files to a network's input, beside Pillow on the same core, in turn.

    ops/peers/pictures.py FOLDER [--rounds 5] [--size 224]

FOLDER is an image folder. Its pictures are enlarged to 500 x 375 pixels of about 110 KB, the size of
ImageNet's, in a scratch folder. Pillow does what torchvision's RandomResizedCrop does with its pictures:
decode, crop, resize with antialiasing; once with the box given to resize (which is faster), and once so that
the JPEG is decoded at a smaller scale where the crop allows it (draft). The fastest counts."""

import argparse
import io
import json
import math
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

from PIL import Image, ImageFile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BENCH = ROOT / ".build/release/bench"


def photographs(source: pathlib.Path, target: pathlib.Path) -> list[pathlib.Path]:
    made = []
    for place, file in enumerate(sorted(source.glob("train/*/*.jpg"))[:64]):
        picture = Image.open(file).convert("RGB").resize((500, 375), Image.LANCZOS)
        quality = 75
        while True:
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=quality)
            if buffer.tell() >= 105_000 or quality >= 99:
                break
            quality += 1
        folder = target / "train" / ("even" if place % 2 == 0 else "odd")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{place:04}.jpg").write_bytes(buffer.getvalue())
        made.append(folder / f"{place:04}.jpg")
    return made


def crop(width: int, height: int) -> tuple[float, float, float, float]:
    for _ in range(10):
        area = width * height * random.uniform(0.08, 1)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            x, y = random.randint(0, width - w), random.randint(0, height - h)
            return x, y, x + w, y + h
    return 0, 0, width, height


def pillow(file: pathlib.Path, size: int, way: str) -> bytes:
    picture = Image.open(file)
    box = crop(*picture.size)
    if way == "crop":
        picture = picture.convert("RGB").crop(tuple(map(int, box))).resize((size, size), Image.BILINEAR)
    else:
        scale = 1.0
        if way == "draft":
            width = picture.size[0]
            least = min(box[2] - box[0], box[3] - box[1]) / size
            picture.draft("RGB", (int(picture.size[0] / max(1, least)), int(picture.size[1] / max(1, least))))
            scale = picture.size[0] / width
        picture = picture.convert("RGB").resize(
            (size, size), Image.BILINEAR, box=tuple(side * scale for side in box))
    if random.random() < 0.5:
        picture = picture.transpose(Image.FLIP_LEFT_RIGHT)
    return picture.tobytes()


def theirs(files: list[pathlib.Path], size: int, way: str, seconds: float) -> float:
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        for file in files:
            pillow(file, size, way)
            count += 1
    return count / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--seconds", type=float, default=3)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as scratch:
        files = photographs(arguments.folder, pathlib.Path(scratch))
        if not files:
            sys.exit(f"{arguments.folder}/train has no JPEG pictures")
        speeds: dict[str, list[float]] = {}
        ratios, bytes_per_picture = [], 0
        for _ in range(arguments.rounds):
            out = subprocess.run(
                [BENCH, "data", scratch, "--size", str(arguments.size), "--seconds", str(arguments.seconds),
                 "--json"], check=True, capture_output=True, text=True).stdout
            ours = json.loads(out)
            bytes_per_picture = ours["bytes_per_picture"]
            speeds.setdefault("jobctl", []).append(ours["pictures_per_second"])
            speeds.setdefault("jobctl without scaled decoding", []).append(ours["without_scaling"])
            best = 0.0
            for way in ("crop", "box", "draft"):
                speed = theirs(files, arguments.size, way, arguments.seconds)
                speeds.setdefault(f"Pillow, {way}", []).append(speed)
                best = max(best, speed)
            ratios.append(ours["pictures_per_second"] / best)
    print(f"{len(files)} photographs of 500 x 375 pixels, {bytes_per_picture} bytes each, to "
          f"{arguments.size} pixels on one core; medians of {arguments.rounds} rounds in turn\n")
    print("| | pictures/s |\n| --- | ---: |")
    for name, values in speeds.items():
        print(f"| {name} | {statistics.median(values):.0f} |")
    print(f"\nratio to the fastest of Pillow's: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    main()
