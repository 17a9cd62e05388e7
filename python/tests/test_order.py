"""The order of samples, against the engine's."""

import importlib.util
import unittest

import worker  # noqa: F401  (finds the package)

from jobctl import order, permutation


class OrderTests(unittest.TestCase):
    def test_the_order_is_the_engines(self):
        self.assertEqual(permutation(10, seed=1, epoch=0), [1, 9, 8, 3, 4, 0, 5, 7, 6, 2])

    def test_every_epoch_and_seed_has_a_permutation_of_its_own(self):
        found = [permutation(100, seed, epoch) for seed in (1, 2) for epoch in (0, 1)]
        for one in found:
            self.assertEqual(sorted(one), list(range(100)))
        self.assertEqual(len({tuple(one) for one in found}), 4)

    def test_seeds_differ_in_their_upper_half_too(self):
        self.assertNotEqual(permutation(50, 1, 0), permutation(50, 1 + (1 << 32), 0))

    def test_one_sample_has_one_order_and_none_is_refused(self):
        self.assertEqual(permutation(1, 5, 7), [0])
        with self.assertRaisesRegex(ValueError, "samples is 0"):
            permutation(0, 1, 0)

    @unittest.skipUnless(importlib.util.find_spec("numpy"), "numpy is not installed")
    def test_numpy_draws_the_same_numbers(self):
        import numpy

        for samples, seed, epoch in [(1, 1, 0), (10, 1, 0), (3001, 2**40 + 7, 123), (50, 0, 2**32)]:
            pure = [order._below(i + 1, i, seed, epoch) for i in range(samples)]
            self.assertEqual(order._draws_by_numpy(numpy, samples, seed, epoch), pure)
            self.assertTrue(all(0 <= draw <= i for i, draw in enumerate(pure)))


if __name__ == "__main__":
    unittest.main()
