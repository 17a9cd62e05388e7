#!/usr/bin/env python3
"""Makes the pictures of this folder, and reference.json: what Pillow makes of boxes of them.

Needs Pillow, numpy and jpegtran (Debian's libjpeg-turbo-progs). The pictures are made up: waves, edges and noise from a fixed seed."""
import json
import pathlib
import subprocess

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).parent
WIDTH, HEIGHT = 150, 110


def picture() -> Image.Image:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    noise = np.random.default_rng(1).normal(0, 18, (HEIGHT, WIDTH, 3))
    waves = np.stack(
        [np.sin(x / 7 + y / 23), np.cos(x / 31 - y / 9), np.sin((x + 2 * y) / 17)], axis=2
    )
    pixels = 128 + 70 * waves + noise
    pixels[30:70, 40:90] = (200, 40, 90)
    pixels[55:60, :] = 20
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def write(image: Image.Image) -> list[str]:
    files = []

    def save(name: str, other: Image.Image, **options) -> None:
        other.save(HERE / name, **options)
        files.append(name)

    save("colour.jpg", image, quality=88, subsampling=2)
    save("full-colour.jpg", image, quality=80, subsampling=0)
    save("half-colour.jpg", image, quality=80, subsampling=1)
    save("progressive.jpg", image, quality=85, progressive=True)
    save("grey.jpg", image.convert("L"), quality=85)
    save("cmyk.jpg", image.convert("CMYK"), quality=90)
    save("colour.png", image)
    save("palette.png", image.quantize(32))
    save("grey.png", image.convert("L"))
    with_alpha = image.convert("RGBA")
    with_alpha.putalpha(Image.fromarray(np.tile(np.arange(WIDTH, dtype=np.uint8), (HEIGHT, 1))))
    save("alpha.png", with_alpha)
    # A name says nothing of a type.
    save("is-a-png.jpg", image, format="PNG")
    return files


def main() -> None:
    files = write(picture())
    subprocess.run(
        ["jpegtran", "-progressive", "-copy", "none", "-outfile", HERE / "colour-in-passes.jpg",
         HERE / "colour.jpg"], check=True)
    references = []
    for number, name in enumerate(files):
        x, y, width, height = 3 + 2 * number, number, 100 - 3 * number, 90 - 2 * number
        for side in (16, 40):
            with Image.open(HERE / name) as image:
                box = (x, y, x + width, y + height)
                small = image.convert("RGB").resize((side, side), Image.BILINEAR, box=box)
            references.append(
                {"file": name, "box": [x, y, width, height], "side": side,
                 "pixels": small.tobytes().hex()}
            )
    (HERE / "reference.json").write_text(json.dumps(references, indent=0) + "\n")


if __name__ == "__main__":
    main()
