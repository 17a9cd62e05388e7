#!/usr/bin/env python3
"""jobctl's engine beside PyTorch on the same cores: rounds in turn, medians, ratios.

    ops/peers/compare.py [--rounds 5] [--only TEXT]

Both sides stay as they are between rounds; what one round of a side meets, the next of the other one
does. Prints a table in Markdown."""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BENCH = ROOT / ".build/release/bench"

# name, network, batch, size, channels, threads, modes of which the best counts, steps, least ratio, aim
ROWS = [
    ("WRN-16-4, 2 threads", "wrn-16-4", 128, 32, 3, 2, ["channels_last"], 3, 2.0, 2.5),
    ("WRN-16-4, 2 threads, over bfloat16", "wrn-16-4", 128, 32, 3, 2, ["bf16"], 1, 1.1, 1.4),
    ("WRN-16-4, 1 thread", "wrn-16-4", 128, 32, 3, 1, ["channels_last"], 3, 2.1, 2.5),
    ("WRN-10-1, 1 thread", "wrn-10-1", 128, 28, 1, 1, ["eager", "channels_last"], 15, 1.75, 2.5),
    ("cnn, 1 thread", "cnn", 128, 28, 1, 1, ["eager", "channels_last"], 200, 2.5, 4.0),
    ("ResNet-50, batch 32, 2 threads", "resnet-50", 32, 224, 3, 2, ["eager", "channels_last"], 2, 1.15, 1.4),
    ("Inception-ResNet-V2, batch 8, 2 threads", "inception-resnet-v2", 8, 299, 3, 2,
     ["eager", "channels_last"], 2, 1.1, 1.3),
]


def ours(network, batch, size, channels, threads, steps):
    """(images a second of the median step, parameters)."""
    words = [BENCH, "train", "--json", "--network", network, "--batch", batch, "--size", size,
             "--channels", channels, "--threads", threads, "--steps", steps]
    out = subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True).stdout
    row = json.loads(out.splitlines()[0])
    return row["images_per_second"], row["parameters"]


class Peer:
    """A PyTorch process that waits for its rounds."""

    def __init__(self, network, batch, size, channels, threads, mode, steps):
        words = [sys.executable, HERE / "step.py", "--network", network, "--batch", batch, "--size", size,
                 "--channels", channels, "--threads", threads, "--mode", mode, "--steps", steps]
        self.process = subprocess.Popen(
            [str(w) for w in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.parameters = int(self.process.stdout.readline())

    def round(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def compare(row, rounds):
    name, network, batch, size, channels, threads, modes, steps, least, aim = row
    peers = [Peer(network, batch, size, channels, threads, mode, steps) for mode in modes]
    mine, theirs, ratios = [], [], []
    for _ in range(rounds):
        speed, parameters = ours(network, batch, size, channels, threads, steps)
        best = max(peer.round() for peer in peers)
        assert all(peer.parameters == parameters for peer in peers), "different networks"
        mine.append(speed)
        theirs.append(best)
        ratios.append(speed / best)
    for peer in peers:
        peer.close()
    middle = statistics.median
    print(f"| {name} | {middle(mine):,.1f} | {middle(theirs):,.1f} | {middle(ratios):.2f} | "
          f"{min(ratios):.2f} to {max(ratios):.2f} | {least} | {aim} |", flush=True)


def scaling(rounds):
    ratios, one, two = [], [], []
    for _ in range(rounds):
        one.append(ours("wrn-16-4", 128, 32, 3, 1, 3)[0])
        two.append(ours("wrn-16-4", 128, 32, 3, 2, 3)[0])
        ratios.append(two[-1] / one[-1])
    middle = statistics.median
    print(f"| WRN-16-4, 2 threads over 1 | {middle(two):,.1f} | {middle(one):,.1f} | {middle(ratios):.2f} | "
          f"{min(ratios):.2f} to {max(ratios):.2f} | 1.85 | 1.95 |", flush=True)


def processor():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":")[1].strip() for line in file if line.startswith("model name")),
                    platform.machine())


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--only", default="", help="rows whose name contains this")
    chosen = options.parse_args()
    import torch
    kernels = json.loads(subprocess.run(
        [str(BENCH), "train", "--network", "mlp", "--json", "--steps", "1"], check=True,
        capture_output=True, text=True).stdout.splitlines()[0])["kernels"]
    print(f"{processor()}, {os.cpu_count()} cores; jobctl: {kernels}; PyTorch {torch.__version__}; "
          f"medians of {chosen.rounds} interleaved rounds\n")
    print("| work | images/s | the other's | ratio | lowest to highest | at least | aim |")
    print("| --- | ---: | ---: | ---: | --- | ---: | ---: |")
    for row in ROWS:
        if chosen.only in row[0]:
            compare(row, chosen.rounds)
    if chosen.only in "scaling":
        scaling(chosen.rounds)


if __name__ == "__main__":
    main()
