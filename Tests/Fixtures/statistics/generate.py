"""Reference values for the Statistics module, computed by scipy and numpy: inputs and outputs both.

    python3 -m venv env && env/bin/pip install numpy scipy
    env/bin/python Tests/Fixtures/statistics/generate.py [--coverage]

With --coverage it also repeats the simulation behind Bootstrap.coverage, for a minute or two.
"""

import itertools
import json
import math
import pathlib
import statistics
import sys

import numpy as np
import scipy
from scipy import special, stats

FOLDER = pathlib.Path(__file__).parent


def write(name, content):
    content = {"made by": f"generate.py, scipy {scipy.__version__}", **content}
    text = json.dumps(content, allow_nan=False, default=lambda value: value.item())
    (FOLDER / f"{name}.json").write_text(text.replace("}, {", "},\n{") + "\n")


def random(name):
    return np.random.default_rng(int.from_bytes(name.encode(), "little"))


def interval(low, high, confidence):
    return {"low": float(low), "high": float(high), "confidence": confidence}


def student(mean, error, df, confidence):
    return interval(*stats.t.interval(confidence, df, loc=mean, scale=error), confidence)


def mean_interval(values, confidence):
    return student(np.mean(values), stats.sem(values), len(values) - 1, confidence)


# Distributions


def law(df):
    """scipy's t has 8 digits only at 1 degree of freedom near 0; Cauchy's law is the same one."""
    return stats.cauchy() if df == 1 else stats.t(df)


def distributions():
    frees = [1, 1.5, 2, 3, 4.37, 10, 29, 100, 1234.5, 1e4, 1e6]
    ts = [-60, -12.5, -4.3, -1.96, -0.7, -1e-3, 0, 1e-8, 0.01, 0.5, 1, 2.57, 3.2, 8, 40, 1e3]
    shares = [1e-12, 1e-5, 0.005, 0.025, 0.1, 0.26, 0.4999, 0.5001, 0.7, 0.74, 0.76, 0.95, 0.975]
    shares += [0.995, 0.9999]
    quantiles = []
    for df, p in itertools.product(frees, shares):
        quantile = stats.t.ppf(p, df)
        found = stats.t.cdf(quantile, df)
        assert abs(found / p - 1) < 1e-11, (df, p, found)
        quantiles.append({"df": df, "p": p, "quantile": quantile})
    xs = [-37, -8.2, -3, -1.64, -0.3, -1e-9, 0, 1e-6, 0.2, 1, 1.96, 5, 12, 38]
    shapes = [(1, 1), (0.5, 0.5), (1, 20), (3, 8), (8, 3), (17, 4.5), (150, 351), (5e4, 12.25)]
    shapes += [(5e5, 0.5), (400, 400)]
    places = [1e-9, 1e-3, 0.03, 0.2, 0.3, 0.5, 0.7, 0.99, 0.99999]
    tails = [1e-10, 0.005, 0.025, 0.3, 0.5, 0.8, 0.975]
    betas = [
        {
            "a": a, "b": b, "x": x, "cumulative": stats.beta.cdf(x, a, b),
            "survival": stats.beta.sf(x, a, b),
        }
        for (a, b), x in itertools.product(shapes, places)
    ]
    write("distributions", {
        "student": [
            {
                "df": df, "t": t, "density": stats.t.pdf(t, df), "cumulative": law(df).cdf(t),
                "survival": law(df).sf(t), "outside": 2 * law(df).sf(abs(t)),
            }
            for df, t in itertools.product(frees, ts)
        ],
        "studentQuantiles": quantiles,
        "normal": [
            {
                "x": x, "density": stats.norm.pdf(x), "cumulative": stats.norm.cdf(x),
                "survival": stats.norm.sf(x),
            }
            for x in xs
        ],
        "normalQuantiles": [{"p": p, "quantile": stats.norm.ppf(p)} for p in [1e-100] + shares],
        "logGamma": [
            {"x": x, "value": special.gammaln(x)}
            for x in [1e-5, 0.5, 1, 1.3, 2, 3.7, 12, 100.25, 1e6]
        ],
        # Where one shape is small, ln B is known from sums of logarithms or from Γ(1/2) too.
        "logBeta": [
            {"a": a, "b": b, "value": special.betaln(a, b)}
            for a, b in shapes + [(0.1, 9), (9.5, 2), (10, 10), (12, 1e5), (2e5, 3)]
        ],
        # Below 1e-250 references differ.
        "beta": [row for row in betas if min(row["cumulative"], row["survival"]) > 1e-250],
        "betaQuantiles": [
            {
                "a": a, "b": b, "p": p, "lower": stats.beta.ppf(p, a, b),
                "upper": stats.beta.isf(p, a, b),
            }
            for (a, b), p in itertools.product(shapes, tails)
        ],
    })


# Samples


def samples():
    draw = random("samples")
    cases = [
        [0.9312, 0.9287, 0.9344], [1.5, -2.25], draw.normal(size=10).tolist(),
        draw.exponential(size=37).tolist(),
        # Means far above the scatter; fractions keep the reference exact.
        (1e9 + draw.normal(size=12)).tolist(), [0.1, 0.1, 0.1], [-4.0, 4.0, 0.0],
        (1e-7 * draw.normal(size=1000)).tolist(),
    ]
    rows = []
    for values in cases:
        mean, deviation = statistics.mean(values), statistics.stdev(values)
        error = deviation / math.sqrt(len(values))
        intervals = [
            interval(mean, mean, confidence) if error == 0
            else student(mean, error, len(values) - 1, confidence)
            for confidence in [0.9, 0.95, 0.99]
        ]
        rows.append({
            "values": values, "mean": mean, "deviation": deviation, "standardError": error,
            "intervals": intervals,
        })
    write("samples", {"cases": rows})


# Bootstrap


def resampled(values, indices, confidence):
    """Percentile and BCa as scipy.stats.bootstrap defines them, on these indices."""
    means = values[indices].mean(axis=-1)
    tail = (1 - confidence) / 2
    percentile = np.quantile(means, [tail, 1 - tail])
    below = np.mean(means < values.mean()) / 2 + np.mean(means <= values.mean()) / 2
    bias = stats.norm.ppf(below)
    others = np.array([np.delete(values, i).mean() for i in range(len(values))])
    influence = (len(values) - 1) * (others.mean() - others)
    acceleration = (influence**3).sum() / (6 * (influence**2).sum() ** 1.5)
    z = bias + stats.norm.ppf([tail, 1 - tail])
    bca = np.quantile(means, stats.norm.cdf(bias + z / (1 - acceleration * z)))
    return percentile, bca


def mixed(bits):
    mask = (1 << 64) - 1
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & mask
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & mask
    return bits ^ (bits >> 31)


def split_mix(seed, count, bound):
    mask = (1 << 64) - 1
    key = mixed(seed & mask)
    words = (mixed((key + i * 0x9E3779B97F4A7C15) & mask) for i in range(1, count + 1))
    return [word * bound >> 64 for word in words]


def bootstrap():
    draw = random("bootstrap")
    rows = []
    for place, values in enumerate([
        0.93 + 0.004 * draw.normal(size=20), draw.exponential(size=20),
        draw.lognormal(sigma=1.2, size=27),
    ]):
        n, resamples, seed = len(values), 200, 11 + place
        indices = np.random.default_rng(seed).integers(0, n, (resamples, n))
        for confidence in [0.9, 0.95]:
            percentile, bca = resampled(values, indices, confidence)
            for method, ours in [("percentile", percentile), ("BCa", bca)]:
                theirs = stats.bootstrap(
                    (values,), np.mean, n_resamples=resamples, confidence_level=confidence,
                    method=method, rng=np.random.default_rng(seed))
                assert np.allclose(theirs.bootstrap_distribution, values[indices].mean(axis=-1))
                assert np.allclose(theirs.confidence_interval, ours, rtol=1e-12), method
            rows.append({
                "values": values.tolist(), "indices": indices.tolist(),
                "percentile": interval(*percentile, confidence), "bca": interval(*bca, confidence),
            })
    values, resamples = draw.exponential(size=23), 300
    seeded = []
    for seed in [0, 7, -1]:
        indices = np.reshape(split_mix(seed, resamples * 23, 23), (resamples, 23))
        percentile, bca = resampled(values, indices, 0.95)
        seeded.append({
            "seed": seed, "values": values.tolist(), "resamples": resamples,
            "percentile": interval(*percentile, 0.95), "bca": interval(*bca, 0.95),
        })
    write("bootstrap", {"cases": rows, "seeded": seeded})


def coverage():
    """The share of 95 % intervals of n = 20 that hold the true mean."""
    n, resamples, chunk, chunks = 20, 2000, 100, 200
    rows = []
    for population, truth in [("normal", 0.0), ("exponential", 1.0)]:
        draw = random("coverage " + population)
        sample = draw.normal if population == "normal" else draw.exponential
        held = {"percentile": 0, "bca": 0, "student": 0}
        for _ in range(chunks):
            values = sample(size=(chunk, n))
            indices = draw.integers(0, n, (chunk, resamples * n))
            drawn = np.take_along_axis(values, indices, axis=1)
            means = np.sort(drawn.reshape(chunk, resamples, n).mean(axis=-1), axis=1)
            centre = values.mean(axis=1, keepdims=True)
            deviations = values - centre
            bias = stats.norm.ppf((means < centre).mean(axis=1, keepdims=True))
            acceleration = (deviations**3).sum(1, keepdims=True) / (
                6 * (deviations**2).sum(1, keepdims=True) ** 1.5)
            z = bias + stats.norm.ppf([[0.025, 0.975]])
            moved = stats.norm.cdf(bias + z / (1 - acceleration * z))
            reach = stats.t.ppf(0.975, n - 1) * values.std(axis=1, ddof=1) / math.sqrt(n)
            ends = {
                "percentile": np.quantile(means, [0.025, 0.975], axis=1).T,
                "bca": np.array([np.quantile(row, share) for row, share in zip(means, moved)]),
                "student": np.stack([centre[:, 0] - reach, centre[:, 0] + reach], axis=1),
            }
            for method, (low, high) in ((key, value.T) for key, value in ends.items()):
                held[method] += int(((low <= truth) & (truth <= high)).sum())
        rows += [
            {"population": population, "method": method, "coverage": count / (chunk * chunks)}
            for method, count in held.items()
        ]
    write("coverage", {"samples": chunk * chunks, "resamples": resamples, "n": n, "rows": rows})


# Comparisons


def tost(differences, margin, alpha):
    lower = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
    upper = stats.ttest_1samp(differences, margin, alternative="less").pvalue
    ends = mean_interval(differences, 1 - 2 * alpha)
    equivalence = (
        "equivalent" if max(lower, upper) < alpha
        else "notEquivalent" if ends["low"] > margin or ends["high"] < -margin
        else "undecided")
    non_inferiority = (
        "nonInferior" if lower < alpha else "inferior" if ends["high"] < -margin else "undecided")
    return {
        "margin": margin, "alpha": alpha, "lowerP": lower, "upperP": upper, "p": max(lower, upper),
        "interval": ends, "equivalence": equivalence, "nonInferiority": non_inferiority,
    }


def comparisons():
    draw = random("comparisons")
    paired, unpaired = [], []
    for count, effect, only_first, only_second in [
        (2, 0.001, [], []), (3, 0.0, [9], []), (5, -0.02, [], [40, 31]), (5, 0.0004, [7], [8]),
        (10, 0.003, [], []), (25, -0.001, [99], [-3, 98]),
    ]:
        noise = 0.004 * draw.normal(size=count)
        first = {s: 0.93 + noise[s] + effect + 0.001 * draw.normal() for s in range(count)}
        second = {s: 0.93 + noise[s] + 0.001 * draw.normal() for s in range(count)}
        a, b = (np.array([side[s] for s in range(count)]) for side in (first, second))
        test = stats.ttest_rel(a, b)
        ends = test.confidence_interval(0.95)
        paired.append({
            "subject": first | {s: 0.5 for s in only_first},
            "reference": second | {s: 0.4 for s in only_second},
            "seeds": list(range(count)), "onlySubject": sorted(only_first),
            "onlyReference": sorted(only_second), "mean": np.mean(a - b), "t": test.statistic,
            "df": test.df, "p": test.pvalue, "interval": interval(*ends, 0.95),
            "tests": [
                tost(a - b, margin, alpha)
                for margin in [0.0005, 0.002, 0.01] for alpha in [0.05, 0.025]
            ],
        })
    for sizes, scales in [
        ((2, 2), (1, 1)), ((3, 5), (1, 4)), ((10, 4), (0.2, 2)), ((30, 31), (1, 1)),
    ]:
        a, b = (
            scale * draw.normal(loc=0.3 * scale, size=size) for size, scale in zip(sizes, scales))
        test = stats.ttest_ind(a, b, equal_var=False)
        unpaired.append({
            "subject": dict(enumerate(a.tolist())), "reference": dict(enumerate(b.tolist(), 1000)),
            "difference": np.mean(a) - np.mean(b), "t": test.statistic, "df": test.df,
            "p": test.pvalue, "interval": interval(*test.confidence_interval(0.95), 0.95),
        })
    write("comparisons", {"paired": paired, "unpaired": unpaired})


def closed(p_values):
    """Holm's adjusted p by closing Bonferroni's test: the worst over all sets that hold it."""
    places = range(len(p_values))
    subsets = [s for size in places for s in itertools.combinations(places, size + 1)]
    return [
        max(min(1, len(s) * min(p_values[j] for j in s)) for s in subsets if i in s) for i in places
    ]


def corrections():
    draw = random("corrections")
    lists = [
        [], [0.03], [0.01, 0.04, 0.03], [0.02, 0.02, 0.02], [0.9, 0.6, 0.0, 1.0],
        (draw.uniform(size=8) ** 3).tolist(), (draw.uniform(size=8) / 20).tolist(),
    ]
    counts = [(0, 1), (1, 1), (0, 5), (3, 5), (5, 5), (1, 30), (17, 20), (250, 1000)]
    counts += [(99_990, 10**5)]
    write("corrections", {
        "holm": [
            {"p": p, "adjusted": closed(p), "rejected": [q <= 0.05 for q in closed(p)]}
            for p in lists
        ],
        "proportions": [
            {
                "k": k, "n": n, "interval": interval(
                    *stats.binomtest(k, n).proportion_ci(confidence, method="exact"), confidence),
            }
            for k, n in counts for confidence in [0.95, 0.99]
        ],
    })


# Sweeps and curves


def swept(rates, selection, margin, alpha):
    def values(row):
        return {int(seed): value for seed, value in row["finished"].items()}

    best = None
    for row in rates:
        finished = values(row)
        if row["collapsed"] or row["diverged"] or len(finished) < 2:
            continue
        choosing = finished if selection == "test" else row["validation"]
        mean = statistics.mean(choosing[seed] for seed in finished)
        if best is None or mean > best[0]:
            best = (mean, row)
    chosen, steps = best[1], []
    for row in rates:
        if row["rate"] <= chosen["rate"]:
            continue
        mine, theirs = values(row), values(chosen)
        both = sorted(mine.keys() & theirs.keys())
        step = {"rate": row["rate"]}
        if row["collapsed"] or row["diverged"]:
            step["finding"] = "broken"
        elif len(both) < 2:
            step["finding"] = "untested"
        else:
            p = stats.ttest_1samp(
                [mine[s] - theirs[s] for s in both], -margin, alternative="greater").pvalue
            step |= {"finding": "nonInferior" if p < alpha else "notShown", "p": p}
        steps.append(step)
        if step["finding"] != "nonInferior":
            break
    passed = [step["rate"] for step in steps if step["finding"] == "nonInferior"]
    return {
        "rates": rates, "selection": selection, "margin": margin, "alpha": alpha,
        "chosen": chosen["rate"], "steps": steps, "largest": max(passed, default=chosen["rate"]),
    }


def sweeps():
    draw = random("sweeps")

    def row(rate, mean, seeds=5, **others):
        noise = draw.normal(size=(2, seeds))
        kinds = {"collapsed": [], "diverged": [], "failed": [], "missing": []}
        return {
            "rate": rate, **kinds, **others,
            "finished": {s: mean + 0.001 * noise[0][s] for s in range(seeds)},
            "validation": {s: mean - 0.01 + 0.001 * noise[1][s] for s in range(seeds)},
        }

    falling = [row(0.1 * 2**i, m) for i, m in enumerate([0.91, 0.93, 0.929, 0.9285, 0.90, 0.93])]
    rising = [row(0.1 * 2**i, m) for i, m in enumerate([0.90, 0.91, 0.92])]
    diverging = [
        row(0.1, 0.93), row(0.2, 0.9305), row(0.4, 0.93), row(0.8, 0.95, 4, diverged=[4]),
        row(1.6, 0.93),
    ]
    collapsing = [row(0.1, 0.93), row(0.2, 0.93, 4, collapsed=[4]), row(0.4, 0.93)]
    gaps = [
        row(0.1, 0.92), row(0.2, 0.93, 4, failed=[4]), row(0.4, 0.9295, 3, missing=[3, 4]),
        row(0.8, 0.9299, 1, failed=[1, 2], missing=[3, 4]), row(1.6, 0.93),
    ]
    write("sweeps", {
        "cases": [
            swept(rates, selection, margin, alpha)
            for rates in [falling, rising, diverging, collapsing, gaps]
            for selection in ["validation", "test"]
            for margin, alpha in [(0.003, 0.05), (0.01, 0.025)]
        ],
    })


def fronts():
    draw = random("fronts")
    lists = [
        [], [(1, 1)], [(1, 1), (1, 1)], [(1, 2), (1, 1), (2, 2), (2, 3), (3, 3)],
        draw.integers(0, 6, (30, 2)).tolist(), draw.normal(size=(25, 2)).tolist(),
    ]
    rows = []
    for points in lists:
        best, front = -math.inf, []
        for cost, group in itertools.groupby(sorted(points, key=lambda p: p[0]), lambda p: p[0]):
            value = max(p[1] for p in group)
            if value > best:
                best = value
                front += [i for i, p in enumerate(points) if p[0] == cost and p[1] == value]
        rows.append({"points": points, "places": sorted(front)})
    write("fronts", {"cases": rows})


distributions()
samples()
bootstrap()
comparisons()
corrections()
sweeps()
fronts()
if "--coverage" in sys.argv:
    coverage()
