"""Means over windows of pixels, as motion estimates take them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import uniform_filter

from imgtech._core.validate import Array, count


def odd_window(window: tuple[int, int]) -> tuple[int, int]:
    """Return a window of two odd numbers of pixels, or say that it is none."""
    size = [count("window", n) for n in window] if isinstance(window, Sequence) else []
    if len(size) != 2 or any(n % 2 == 0 for n in size):
        raise ValueError(f"window must be two odd numbers, got {window!r}")
    return size[0], size[1]


def window_mean(values: Array, size: tuple[int, int]) -> Array:
    """Mean over a window; at the edges the values there are repeated."""
    if size == (1, 1):
        return values
    if np.iscomplexobj(values):
        return np.asarray(window_mean(values.real, size) + 1j * window_mean(values.imag, size))
    return np.asarray(uniform_filter(values, size, mode="nearest"))
