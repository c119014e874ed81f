"""Modulation transfer: edges at unknown angles with closed-form blur."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import optimize
from simulate import Setting, noise

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredEdge
from imgtech.qc import Measurement
from imgtech.qc.metrics import slanted_edge_mtf


def settings() -> Iterator[Setting]:
    spacing = (0.21, 0.19)
    for sigma_px, degrees, contrast_noise, blur in (
        (0.6, 3.0, 20.0, 0.0),
        (1.0, 95.7, 50.0, 0.0),
        (1.4, -6.0, 30.0, 0.7),
    ):
        edge = BlurredEdge(
            angle_rad=math.radians(degrees), position_mm=0.37, low=80.0, high=180.0, sigma_mm=0.2 * sigma_px
        )
        grid = ImageGrid(shape=(128, 120), spacing_mm=spacing)
        clean = edge.image(grid, dtype=np.float64)

        def excess(f: float, edge: BlurredEdge = edge) -> float:
            return float(edge.mtf([f], spacing_mm=spacing)[0]) - 0.5

        def once(
            rng: np.random.Generator,
            clean: np.ndarray = clean,
            cnr: float = contrast_noise,
            blur: float = blur,
        ) -> Measurement:
            image = clean + noise(rng, clean.shape, blur) * 100 / cnr
            return slanted_edge_mtf(image, spacing).at(0.5)

        about = f"sigma {sigma_px:g} px, {degrees:g} deg, CNR {contrast_noise:g}, blur {blur:g} px"
        yield Setting("MTF50", about, float(optimize.brentq(excess, 1e-3, 4.0)), once,
                      of=("slanted_edge_mtf", "MTF.at"))  # fmt: skip
