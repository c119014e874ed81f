"""Contrast and signal difference to noise: a patch in front of a flat background."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from simulate import Setting, noise

from imgtech.geometry import ImageGrid
from imgtech.qc.metrics import contrast, sdnr
from imgtech.qc.roi import disk_region, rectangle_region


def settings() -> Iterator[Setting]:
    grid = ImageGrid(shape=(96, 110), spacing_mm=(0.7, 0.6), center_mm=(3.0, -7.0))
    around = rectangle_region(grid, center_mm=(3.0, 10.0), size_mm=(50.0, 18.0))
    for radius, level, step, sigma, blur in (
        (6.0, 100.0, 8.0, 4.0, 0.0),
        (9.0, 50.0, -12.0, 5.0, 0.7),
        (12.0, 300.0, 9.0, 6.0, 1.2),
    ):
        inside = disk_region(grid, center_mm=(2.0, -22.0), radius_mm=radius)
        seen = level + step * (grid.coordinates_mm[1] < -4.0) * np.ones(grid.shape)

        def scan(
            rng: np.random.Generator, seen: np.ndarray = seen, sigma: float = sigma, blur: float = blur
        ) -> np.ndarray:
            return seen + sigma * noise(rng, grid.shape, blur)

        about = f"radius {radius / 0.65:.0f} px, {step:+g} on {level:g}, SD {sigma:g}, blur {blur:g} px"
        for form, truth in (("weber", step / level), ("michelson", step / (2 * level + step))):
            yield Setting(
                f"contrast, {form}",
                about,
                truth,
                lambda rng, scan=scan, a=inside, form=form: contrast(scan(rng), a, around, form=form),
                of=("contrast",),
            )
        for noise_from in ("background", "both"):
            yield Setting(
                f"SDNR, noise of {noise_from}",
                about,
                step / sigma,
                lambda rng, scan=scan, a=inside, source=noise_from: sdnr(
                    scan(rng), a, around, noise_from=source
                ),
                of=("sdnr",),
            )
