"""Bands, rings and streaks of known strength on a shaded object in noise."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from simulate import Setting, noise

from imgtech.geometry import ImageGrid
from imgtech.qc import Measurement
from imgtech.qc.metrics import line_artefact, ring_artefact, streak_artefact


def settings() -> Iterator[Setting]:
    grid = ImageGrid(shape=(150, 160), spacing_mm=(0.8, 0.8), center_mm=(3.0, -5.0))
    y, x = grid.coordinates_mm
    center = (4.0, -6.0)
    dy, dx = y[:, None] - center[0], x - center[1]
    r, turn = np.hypot(dy, dx), np.arctan2(dy, dx)
    shading = 100 + 0.03 * x + 4e-4 * r**2
    for height, blur in ((0.6, 0.0), (0.5, 0.7), (0.25, 0.0)):
        about = f"{height:g} of noise, blur {blur:g} px"

        # a wave of whole periods over 150 columns: the trend takes nothing of it
        columns = height * math.sqrt(2) * np.cos(2 * np.pi * np.arange(160) / 10)
        region = np.zeros(grid.shape)
        region[5:145, 5:155] = 1

        def bands(
            rng: np.random.Generator,
            columns: np.ndarray = columns,
            region: np.ndarray = region,
            blur: float = blur,
        ) -> Measurement:
            return line_artefact(shading + columns + noise(rng, grid.shape, blur), region)

        # rings as wide as a pixel see the mean of the wave over it
        period = 4.8
        wave = height * math.sqrt(2) / np.sinc(0.8 / period) * np.cos(2 * np.pi * r / period)

        def rings(rng: np.random.Generator, wave: np.ndarray = wave, blur: float = blur) -> Measurement:
            image = shading + wave + noise(rng, grid.shape, blur)
            return ring_artefact(image, grid, center_mm=center, radii_mm=(8.0, 51.2), trend_order=3)

        # sectors a pixel wide half way between the radii
        sectors = int(math.pi * (20.0 + 53.0) / 0.8)
        rays = height * math.sqrt(2) / np.sinc(24 / sectors) * np.cos(24 * turn)

        def streaks(rng: np.random.Generator, rays: np.ndarray = rays, blur: float = blur) -> Measurement:
            image = shading + rays + noise(rng, grid.shape, blur)
            return streak_artefact(image, grid, center_mm=center, radii_mm=(20.0, 53.0))

        yield Setting("line artefact", about, height, bands, of=("line_artefact",))
        yield Setting("ring artefact", about, height, rings, of=("ring_artefact",))
        yield Setting("streak artefact", about, height, streaks, of=("streak_artefact",))
