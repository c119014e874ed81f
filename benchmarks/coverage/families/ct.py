"""CT numbers: noise, contrast-to-noise ratio and edge against centre."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from simulate import Setting, noise

from imgtech.geometry import ImageGrid
from imgtech.qc.metrics import cnr, ct_noise, edge_centre_uniformity
from imgtech.qc.roi import disk_region


def settings() -> Iterator[Setting]:
    """A rod of 12 HU in water that is 3 HU higher at the left edge than at the centre."""
    grid = ImageGrid(shape=(118, 126), spacing_mm=(0.8, 0.7), center_mm=(3.0, -7.0))
    centre, rod, left, right = (
        disk_region(grid, center_mm=(5.0, x), radius_mm=radius)
        for x, radius in ((-8.0, 14.0), (13.0, 5.0), (-38.0, 8.0), (27.0, 7.0))
    )
    object_ = 12 * (rod > 0) + 3 * (left > 0)
    for sigma, blur in ((6.0, 0.0), (10.0, 0.7), (8.0, 1.1)):

        def scan(rng: np.random.Generator, sigma: float = sigma, blur: float = blur) -> np.ndarray:
            return 4 + object_ + sigma * noise(rng, grid.shape, blur)

        about = f"SD {sigma:g} HU, blur {blur:g} px"
        yield Setting(
            "CT noise", about, sigma, lambda rng, scan=scan: ct_noise(scan(rng), centre), of=("ct_noise",)
        )
        yield Setting(
            "CNR", about, 12 / sigma, lambda rng, scan=scan: cnr(scan(rng), rod, centre), of=("cnr",)
        )
        yield Setting(
            "edge minus centre",
            about,
            3.0,
            lambda rng, scan=scan: edge_centre_uniformity(scan(rng), centre, np.stack([left, right]))[0],
            of=("edge_centre_uniformity",),
        )
