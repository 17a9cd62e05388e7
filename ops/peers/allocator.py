"""glibc's allocator, told to keep large blocks instead of giving them back after every step. Untuned,
PyTorch loses up to a third on networks with large activations, which would flatter whoever compares."""

import os
import sys

SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": str(4 << 30), "MALLOC_TRIM_THRESHOLD_": str(64 << 30),
    "MALLOC_TOP_PAD_": str(100 << 20)}


def tune():
    """Starts the program again where its settings, read once at its start, are others."""
    if any(os.environ.get(key) != value for key, value in SETTINGS.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **SETTINGS})
