#!/usr/bin/env python3
"""Makes the arrays of this folder with NumPy: small.npz and the folder small/ hold the same samples.

The pixel of sample n, row y, column x, channel c is (7 n + 3 y + 5 x + 11 c) mod 251; labels are 3 (n mod 4) - 2."""
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent


def samples(count: int, first: int) -> tuple[np.ndarray, np.ndarray]:
    n, y, x, c = np.ogrid[first : first + count, 0:5, 0:4, 0:3]
    pixels = ((7 * n + 3 * y + 5 * x + 11 * c) % 251).astype(np.uint8)
    return pixels, 3 * (np.arange(first, first + count) % 4) - 2


train, labels = samples(24, 0)
test, test_labels = samples(8, 24)
np.savez_compressed(HERE / "small.npz", x_train=train, y_train=labels, x_test=test, y_test=test_labels)
folder = HERE / "small"
folder.mkdir(exist_ok=True)
for name, array in [
    ("x_train", train), ("y_train", labels.astype(np.int8).reshape(-1, 1)), ("x_test", test),
    ("y_test", test_labels.astype(">i4")),
]:
    np.save(folder / f"{name}.npy", array)
np.savez(
    HERE / "odd.npz", first=train.transpose(0, 3, 1, 2), floats=train.astype(np.float32),
    doubles=train.astype(">f8"), vectors=train.reshape(24, -1).astype(np.float32), labels=labels,
    onehot=np.eye(4, dtype=np.int64)[np.arange(24) % 4], objects=np.array([{"a": 1}] * 24, dtype=object),
    columns=np.asfortranarray(train.reshape(24, -1)), halves=train.astype(np.float16),
    holes=np.where(train == 3, np.nan, train.astype(np.float32)), unsigned=(labels + 2).astype(np.uint64),
    text=np.array(["cat", "dog"] * 12), records=np.zeros(24, dtype=[("a", "f4"), ("b", "i4")]))
