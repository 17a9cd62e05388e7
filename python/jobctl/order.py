"""The order of training samples: a pure function of seed and epoch, the same as jobctl's own engine's.

Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) gives the random
numbers, Fisher and Yates the permutation. No generator has a state, so a script that goes on from a
checkpoint has nothing to restore.
"""

from __future__ import annotations

from typing import Any

_SHUFFLE = 2
_WORD = 0xFFFFFFFF


def permutation(samples: int, seed: int, epoch: int) -> list[int]:
    """The order in which epoch `epoch` (from 0) visits the samples 0 ..< `samples`."""
    if samples < 1:
        raise ValueError(f"samples is {samples}; at least 1")
    draws = _draws(samples, seed, epoch)
    order = list(range(samples))
    for i in range(samples - 1, 0, -1):
        j = draws[i]
        order[i], order[j] = order[j], order[i]
    return order


def _draws(samples: int, seed: int, epoch: int) -> list[int]:
    """For each i a number from 0 to i."""
    try:
        import numpy
    except ImportError:
        return [_below(i + 1, i, seed, epoch) for i in range(samples)]
    return _draws_by_numpy(numpy, samples, seed, epoch)


def _below(bound: int, counter: int, seed: int, stream: int) -> int:
    """A number from 0 to `bound` - 1, by Lemire's multiplication."""
    x = [counter & _WORD, counter >> 32, stream & _WORD, _SHUFFLE]
    k0, k1 = seed & _WORD, (seed >> 32) & _WORD
    for _ in range(10):
        low, high = x[0] * 0xD2511F53, x[2] * 0xCD9E8D57
        x = [(high >> 32) ^ x[1] ^ k0, high & _WORD, (low >> 32) ^ x[3] ^ k1, low & _WORD]
        k0, k1 = (k0 + 0x9E3779B9) & _WORD, (k1 + 0xBB67AE85) & _WORD
    return ((x[0] << 32 | x[1]) * bound) >> 64


def _draws_by_numpy(np: Any, samples: int, seed: int, stream: int) -> list[int]:
    """What `_below` gives, for all counters at once."""
    u64 = np.uint64
    word, half = u64(_WORD), u64(32)
    counter = np.arange(samples, dtype=u64)
    x = [counter & word, counter >> half]
    x += [np.full(samples, stream & _WORD, u64), np.full(samples, _SHUFFLE, u64)]
    k0, k1 = seed & _WORD, (seed >> 32) & _WORD
    for _ in range(10):
        low, high = x[0] * u64(0xD2511F53), x[2] * u64(0xCD9E8D57)
        x = [
            (high >> half) ^ x[1] ^ u64(k0),
            high & word,
            (low >> half) ^ x[3] ^ u64(k1),
            low & word,
        ]
        k0, k1 = (k0 + 0x9E3779B9) & _WORD, (k1 + 0xBB67AE85) & _WORD
    # The upper half of a product of 64 and 32 bits; bounds are below 2^32.
    bound = counter + u64(1)
    product = (x[0] * bound) + ((x[1] * bound) >> half)
    draws: list[int] = (product >> half).tolist()
    return draws
