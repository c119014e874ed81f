"""What every family of the study shares: the lines of the table, and noise with known correlation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, optimize

from imgtech.qc import Measurement


@dataclass(frozen=True)
class Setting:
    """One line of the table: what is measured, the truth, and how to measure it once.

    Where one simulated image gives several measurements, ``truth`` and the result of ``measure`` are
    mappings from their names, and each of them has a line. ``of`` names the public functions, methods
    and attributes of ``imgtech.qc.metrics`` (or its ``ultrasound``) whose uncertainty is at stake, such as
    ``"wire_mtf"``, ``"MTF.at"`` or ``"Distortion.shear"``.
    """

    metric: str
    about: str
    truth: float | Mapping[str, float]
    measure: Callable[[np.random.Generator], Measurement | Mapping[str, Measurement]]
    of: tuple[str, ...] = ()

    @property
    def truths(self) -> Mapping[str, float]:
        """Truth of every line, by its name in the table."""
        if isinstance(self.truth, Mapping):
            return {f"{self.metric}, {name}" if self.metric else name: t for name, t in self.truth.items()}
        return {self.metric: self.truth}

    def once(self, rng: np.random.Generator) -> Mapping[str, Measurement]:
        """Measure once, by the names of the lines."""
        found = self.measure(rng)
        if isinstance(found, Mapping):
            return {f"{self.metric}, {name}" if self.metric else name: m for name, m in found.items()}
        return {self.metric: found}


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


def frequency_at(curve: Callable[[np.ndarray], np.ndarray], level: float, highest: float = 4.0) -> float:
    """Frequency at which a closed-form transfer function has fallen to a level."""
    return float(optimize.brentq(lambda f: float(curve(np.array([f]))[0]) - level, 1e-3, highest))
