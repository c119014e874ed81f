"""Modulation transfer from the rim of a disk (task transfer function)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from simulate import Setting, frequency_at, noise

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredDisk
from imgtech.qc import Measurement
from imgtech.qc.metrics import disk_mtf


def settings() -> Iterator[Setting]:
    spacing = (0.42, 0.38)
    grid = ImageGrid(shape=(64, 70), spacing_mm=spacing, center_mm=(1.0, -2.0))
    for radius, sigma_px, step, blur in (
        (5.0, 0.9, 12.0, 0.0),
        (7.5, 1.4, -10.0, 0.7),
        (3.5, 0.7, 40.0, 0.0),
    ):
        rod = BlurredDisk(
            center_mm=(1.3, -2.4), radius_mm=radius, sigma_mm=0.4 * sigma_px, low=40.0, high=40.0 + step
        )
        clean = rod.image(grid, dtype=np.float64)

        def measure(
            rng: np.random.Generator, clean: np.ndarray = clean, radius: float = radius, blur: float = blur
        ) -> dict[str, Measurement]:
            image = clean + noise(rng, grid.shape, blur)
            m = disk_mtf(image, grid, center_mm=(1.0, -2.0), radius_mm=1.1 * radius)
            return {"MTF50": m.at(0.5), "MTF at 0.3 per mm": m.at_frequency(0.3)}

        def curve(f: np.ndarray, rod: BlurredDisk = rod) -> np.ndarray:
            return rod.mtf(f, spacing_mm=spacing)

        yield Setting(
            "disk",
            f"radius {radius / 0.4:.0f} px, sigma {sigma_px:g} px, CNR {abs(step):g}, blur {blur:g} px",
            {"MTF50": frequency_at(curve, 0.5), "MTF at 0.3 per mm": float(curve(np.array([0.3]))[0])},
            measure,
            of=("disk_mtf", "MTF.at", "MTF.at_frequency"),
        )
