#!/usr/bin/env python3
"""The demo's sweep as one would write it in PyTorch: a pool of processes, one a core, one thread each;
data in memory, no augmentation. Prints a line a run and, last, the seconds of the whole."""

import argparse
import gzip
import itertools
import json
import multiprocessing
import os
import time

import numpy

from allocator import tune

FOLDER = "/usr/share/datasets/fashion-mnist"
GHOST, MAXIMUM, FACTOR = 128, 5120, 5


def load(name):
    with gzip.open(f"{FOLDER}/{name}-images-idx3-ubyte.gz") as file:
        images = numpy.frombuffer(file.read(), numpy.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(f"{FOLDER}/{name}-labels-idx1-ubyte.gz") as file:
        labels = numpy.frombuffer(file.read(), numpy.uint8, offset=8)
    return (images.astype(numpy.float32) - 72.94) / 90.02, labels.astype(numpy.int64)


def phases(schedule, rate, epochs):
    """(end in epochs, learning rate, batch) of each third."""
    batch, out = GHOST, []
    for third in range(3):
        if third:
            grows = schedule == "increase" or (schedule == "hybrid" and third == 1)
            grown = min(FACTOR * batch, MAXIMUM) if grows else batch
            rate, batch = rate / (FACTOR * batch / grown), grown
        out.append(((third + 1) * epochs / 3, rate, batch))
    return out


def train(job):
    import torch
    from torch.nn import functional as F
    from networks import build
    schedule, rate, seed, epochs = job
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    start = time.perf_counter()
    (x, y), (test_x, test_y) = (tuple(map(torch.from_numpy, load(name))) for name in ("train", "t10k"))
    network = build("cnn", 1)[0].to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), rate, 0.9, weight_decay=5e-4, fused=True)
    order, clock, updates = torch.randperm(len(x)), 0, 0
    for end, rate, batch in phases(schedule, rate, epochs):
        optimizer.param_groups[0]["lr"] = rate
        while clock < round(end * len(x)):
            optimizer.zero_grad(set_to_none=True)
            for _ in range(batch // GHOST):
                chosen = order[torch.arange(clock, clock + GHOST) % len(x)]
                if (clock + GHOST) // len(x) > clock // len(x):
                    order = torch.randperm(len(x))
                images = x[chosen].contiguous(memory_format=torch.channels_last)
                (F.cross_entropy(network(images), y[chosen]) * (GHOST / batch)).backward()
                clock += GHOST
            optimizer.step()
            updates += 1
    network.eval()
    with torch.no_grad():
        right = sum(int((network(a).argmax(1) == b).sum())
                    for a, b in zip(test_x.split(1000), test_y.split(1000)))
    return {"schedule": schedule, "learning_rate": job[1], "seed": seed, "updates": updates,
            "test_accuracy": right / len(test_x), "seconds": time.perf_counter() - start}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--epochs", type=int, default=6)
    options.add_argument("--rates", type=float, nargs="+", default=[0.1, 0.2, 0.4, 0.8, 1.6, 3.2])
    chosen = options.parse_args()
    jobs = [(schedule, rate, 1, chosen.epochs) for rate, schedule
            in itertools.product(chosen.rates, ("decay", "hybrid", "increase"))]
    start = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for row in pool.imap_unordered(train, jobs):
            print(json.dumps(row), flush=True)
    print(json.dumps({"runs": len(jobs), "seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    tune()
    main()
