"""What every family of the study shares: the line of the table, and noise with known correlation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from imgtech.qc import Measurement


@dataclass(frozen=True)
class Setting:
    """One line of the table: what is measured, the truth, and how to measure it once."""

    metric: str
    about: str
    truth: float
    measure: Callable[[np.random.Generator], Measurement]


def noise(rng: np.random.Generator, shape: tuple[int, ...], blur_px: float) -> np.ndarray:
    """Noise of variance 1, white or blurred by a Gaussian."""
    white = rng.standard_normal(shape)
    if blur_px == 0:
        return white
    point = np.zeros((41, 41))
    point[20, 20] = 1
    gain = math.sqrt(float((ndimage.gaussian_filter(point, blur_px) ** 2).sum()))
    return ndimage.gaussian_filter(white, blur_px, mode="wrap") / gain


def zero_filled(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Complex noise of variance 1 a part, interpolated to twice the size by zero filling."""
    half = tuple(n // 2 for n in shape)
    small = rng.standard_normal(half) + 1j * rng.standard_normal(half)
    padded = np.zeros(shape, dtype=complex)
    start = tuple((n - h) // 2 for n, h in zip(shape, half, strict=True))
    padded[start[0] : start[0] + half[0], start[1] : start[1] + half[1]] = small
    return np.fft.ifft2(np.fft.ifftshift(padded)) * shape[0] * shape[1] / math.sqrt(half[0] * half[1])
