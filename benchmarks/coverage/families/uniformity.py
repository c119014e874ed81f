"""Integral uniformity: flat, sloping and bowl-shaped disks."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from simulate import Setting, noise

from imgtech.geometry import ImageGrid
from imgtech.qc import Measurement
from imgtech.qc.metrics import percent_integral_uniformity
from imgtech.qc.roi import disk_region


def settings() -> Iterator[Setting]:
    grid = ImageGrid(shape=(118, 126), spacing_mm=(1.6, 1.5), center_mm=(3.0, -7.0))
    center, radius = (5.3, -4.1), 80.0
    region = disk_region(grid, center_mm=center, radius_mm=radius)
    y, x = grid.coordinates_mm[0][:, None] - center[0], grid.coordinates_mm[1] - center[1]
    small = math.sqrt(100 / math.pi)
    along = np.linspace(small - radius, radius - small, 20001)
    cases = ((20.0, 0.0, 0.0, 0.0), (80.0, 0.0, 0.0, 0.0), (40.0, 0.0015, 0.0, 0.0), (50.0, 8e-4, 1e-5, 0.7))
    for snr, slope, bowl, blur in cases:
        profile = 1 + slope * along - bowl * (along**2 + small**2 / 2)
        high, low = float(profile.max()), float(profile.min())
        image = 1 + slope * (x * math.cos(0.4) + y * math.sin(0.4)) - bowl * (x**2 + y**2)

        def once(
            rng: np.random.Generator, image: np.ndarray = image, snr: float = snr, blur: float = blur
        ) -> Measurement:
            noisy = image + noise(rng, grid.shape, blur) / snr
            return percent_integral_uniformity(noisy, grid, region, n_trials=100, rng=rng)

        truth = 100 * (1 - (high - low) / (high + low))
        yield Setting("PIU", f"SNR {snr:g}, truth {truth:.1f} %, blur {blur:g} px", truth, once,
                      of=("percent_integral_uniformity",))  # fmt: skip
