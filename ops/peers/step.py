#!/usr/bin/env python3
"""Training steps of PyTorch on random pictures: forward, cross-entropy, backward, momentum SGD.

Takes a line of standard input for each round, runs it, and answers with the images a second of its
median step; so that rounds can be run in turn with those of another program."""

import argparse
import statistics
import sys
import time

from allocator import tune

if __name__ == "__main__":
    tune()

import torch
from torch.nn import functional as F

from networks import build


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--network", required=True)
    options.add_argument("--batch", type=int, default=128)
    options.add_argument("--size", type=int, default=32)
    options.add_argument("--channels", type=int, default=3)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--mode", choices=["eager", "channels_last", "bf16"], default="channels_last")
    options.add_argument("--steps", type=int, default=5)
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(1)
    network, classes = build(chosen.network, chosen.channels)
    images = torch.randn(chosen.batch, chosen.channels, chosen.size, chosen.size)
    labels = torch.randint(classes, (chosen.batch,))
    if chosen.mode != "eager":
        network, images = (x.to(memory_format=torch.channels_last) for x in (network, images))
    optimizer = torch.optim.SGD(network.parameters(), 0.1, 0.9, weight_decay=5e-4, fused=True)

    def step():
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=chosen.mode == "bf16"):
            loss = F.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        return time.perf_counter() - start

    step(), step()
    print(sum(p.numel() for p in network.parameters()), flush=True)
    for _ in sys.stdin:
        print(chosen.batch / statistics.median(step() for _ in range(chosen.steps)), flush=True)


if __name__ == "__main__":
    main()
