"""Tells glibc's allocator to keep large blocks instead of giving them back after every step. Without this,
PyTorch loses up to a third of its speed on networks with large activations, and the comparison would
favour jobctl."""

import os
import sys

SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": str(4 << 30), "MALLOC_TRIM_THRESHOLD_": str(64 << 30),
    "MALLOC_TOP_PAD_": str(100 << 20)}


def tune():
    """Starts the program again where its settings, read once at its start, are others."""
    if any(os.environ.get(key) != value for key, value in SETTINGS.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **SETTINGS})
