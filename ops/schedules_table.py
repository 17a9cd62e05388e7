"""Reads `jobctl report GRID --format json` and prints, in Markdown, the final test accuracy of each
schedule over seeds with its 95 % Student-t interval, and the paired differences of schedules."""

import itertools
import json
import math
import statistics
import sys

# 97.5 % quantiles of Student's t for 1 to 10 degrees of freedom.
QUANTILES = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281]


def interval(values):
    """Mean and half the width of its 95 % interval."""
    half = QUANTILES[len(values) - 2] * statistics.stdev(values) / math.sqrt(len(values))
    return statistics.mean(values), half


def main():
    runs = json.load(sys.stdin)["runs"]
    over = [run for run in runs if run["state"] == "finished"]
    print(f"{len(over)} of {len(runs)} runs finished.\n")
    accuracy, updates = {}, {}
    for run in over:
        accuracy.setdefault(run["schedule"], {})[run["seed"]] = 100 * run["test_accuracy"]
        updates[run["schedule"]] = run["updates"]
    print("| schedule | updates | seeds | final test accuracy, % | 95 % interval |\n| --- | ---: | ---: | ---: | --- |")
    for schedule, by_seed in accuracy.items():
        mean, half = interval(list(by_seed.values()))
        print(f"| {schedule} | {updates[schedule]:,} | {len(by_seed)} | {mean:.2f} | {mean - half:.2f} to {mean + half:.2f} |")
    print("\n| paired difference over seeds | mean, points | 95 % interval |\n| --- | ---: | --- |")
    for a, b in itertools.combinations(accuracy, 2):
        shared = sorted(accuracy[a].keys() & accuracy[b].keys())
        mean, half = interval([accuracy[b][seed] - accuracy[a][seed] for seed in shared])
        print(f"| {b} - {a} | {mean:+.2f} | {mean - half:+.2f} to {mean + half:+.2f} |")


if __name__ == "__main__":
    main()
