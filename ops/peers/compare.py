#!/usr/bin/env python3
"""jobctl's engine beside PyTorch on the same cores: rounds in turn, medians, ratios.

    ops/peers/compare.py [--rounds 5] [--only TEXT]     training steps
    ops/peers/compare.py --sweep                        the demo's sweep as a whole, 30 minutes

Rounds of the two sides take turns, so that other load on the machine slows both sides alike. Prints a
table in Markdown."""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BENCH = ROOT / ".build/release/bench"
JOBCTL = ROOT / ".build/release/jobctl"

# name, network, batch, size, channels, threads, modes of which the best counts, steps, least ratio, aim;
# steps of many seconds need no more than three rounds.
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
    for _ in range(rounds if steps > 3 else min(rounds, 3) if steps > 1 else 1):
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


def sweep_seconds(folder, shares):
    """From the submission of the demo's grid, to an empty queue, until it is trained."""
    grid = json.loads((ROOT / "examples/lr-sweep.json").read_text())
    grid["name"] += "" if shares else "-unshared"
    grid["share_stages"] = shares
    file = pathlib.Path(folder) / "grid.json"
    file.write_text(json.dumps(grid))
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PG") and k != "JOBCTL_DATABASE_URL"}
    environment = clean | {"JOBCTL_HOME": f"{folder}/home-{shares}"}
    start = time.perf_counter()
    for words in (["submit", str(file)], ["worker", "--grid", grid["name"], "--until-empty"]):
        subprocess.run([JOBCTL, *words], check=True, env=environment, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    subprocess.run([JOBCTL, "local", "stop"], check=True, env=environment, stdout=subprocess.DEVNULL)
    return seconds


def sweep():
    print("| work | seconds | the other's | ratio | at least | aim |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        shared = sweep_seconds(folder, True)
        out = subprocess.run(
            [sys.executable, HERE / "sweep.py"], check=True, capture_output=True, text=True).stdout
        peer = json.loads(out.splitlines()[-1])["seconds"]
        alone = sweep_seconds(folder, False)
    for name, seconds, least, aim in [("the demo's sweep", shared, 3.5, 5.0),
                                      ("the same, nothing shared", alone, 2.3, 3.5)]:
        print(f"| {name} | {seconds:,.0f} | {peer:,.0f} | {peer / seconds:.2f} | {least} | {aim} |", flush=True)


def processor():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":")[1].strip() for line in file if line.startswith("model name")),
                    platform.machine())


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--only", default="", help="rows whose name contains this, or the one that is called so")
    options.add_argument("--sweep", action="store_true", help="the demo's sweep instead")
    chosen = options.parse_args()
    import torch
    kernels = json.loads(subprocess.run(
        [str(BENCH), "train", "--network", "mlp", "--json", "--steps", "1"], check=True,
        capture_output=True, text=True).stdout.splitlines()[0])["kernels"]
    print(f"{processor()}, {os.cpu_count()} cores; jobctl: {kernels}; PyTorch {torch.__version__}; "
          f"{'in turn' if chosen.sweep else f'medians of up to {chosen.rounds} interleaved rounds'}\n")
    if chosen.sweep:
        sweep()
        return
    print("| work | images/s | the other's | ratio | lowest to highest | at least | aim |")
    print("| --- | ---: | ---: | ---: | --- | ---: | ---: |")
    names = [row[0] for row in ROWS]
    for row in ROWS:
        if chosen.only == row[0] or chosen.only in row[0] and chosen.only not in names:
            compare(row, chosen.rounds)
    if chosen.only.lower() in "scaling":
        scaling(chosen.rounds)


if __name__ == "__main__":
    main()
