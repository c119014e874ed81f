"""Modulation transfer of wires and beads, places of points."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from simulate import Setting, frequency_at, noise

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredPoint
from imgtech.qc import Measurement, Source
from imgtech.qc.metrics import bead_mtf, fit_point, wire_mtf

SPACING = (0.21, 0.19)


def settings() -> Iterator[Setting]:
    grid = ImageGrid(shape=(45, 50), spacing_mm=SPACING, center_mm=(1.0, -2.0))
    for sigma_px, peak, blur, direction in (
        (0.9, 40.0, 0.0, None),
        (1.4, 25.0, 0.8, None),
        (1.1, -60.0, 0.5, None),
        (1.2, 60.0, 0.0, 0.6),
    ):
        sigma = (0.2 * sigma_px * 1.1, 0.2 * sigma_px * 0.95)
        total = peak * 2 * math.pi * (math.prod(sigma) + math.prod(SPACING) / 12)
        wire = BlurredPoint(position_mm=(1.13, -2.28), sigma_mm=sigma, total=total, background=20.0)
        clean = wire.image(grid, dtype=np.float64)

        def curve(
            f: np.ndarray, wire: BlurredPoint = wire, direction: float | None = direction
        ) -> np.ndarray:
            return wire.mtf(f, spacing_mm=SPACING, direction_rad=direction)

        def measure(
            rng: np.random.Generator,
            clean: np.ndarray = clean,
            blur: float = blur,
            direction: float | None = direction,
        ) -> dict[str, Measurement]:
            m = wire_mtf(clean + noise(rng, grid.shape, blur), SPACING, direction_rad=direction)
            return {"MTF50": m.at(0.5), "MTF at 0.6 per mm": m.at_frequency(0.6)}

        way = "all directions" if direction is None else f"along {direction:g} rad"
        yield Setting(
            "wire",
            f"sigma {sigma_px:g} px, peak {peak:g} of noise, blur {blur:g} px, {way}",
            {"MTF50": frequency_at(curve, 0.5), "MTF at 0.6 per mm": float(curve(np.array([0.6]))[0])},
            measure,
            of=("wire_mtf", "MTF.at", "MTF.at_frequency"),
        )

        def place(rng: np.random.Generator, clean: np.ndarray = clean, blur: float = blur) -> Measurement:
            point = fit_point(clean + noise(rng, grid.shape, blur), SPACING)
            return Measurement(
                name="place along x",
                value=point.center_mm[1],
                unit="mm",
                uncertainty=point.position_uncertainty_mm,
                definition=Source(document="JCGM 100", edition="2008", clause="4.2.3"),
                algorithm="study-1",
            )

        if direction is None:
            yield Setting(
                "place of a point",
                f"sigma {sigma_px:g} px, peak {peak:g} of noise, blur {blur:g} px",
                -0.28,
                place,
                of=("fit_point",),
            )
    for slices, sigma_px, peak, blur in ((9, 1.1, 30.0, 0.0), (11, 1.4, 20.0, 0.8), (1, 1.0, 50.0, 0.0)):
        sigma = 0.2 * sigma_px
        if slices == 1:
            bead = BlurredPoint(
                position_mm=(1.13, -2.28), sigma_mm=(sigma, sigma), total=peak * 2 * math.pi * sigma**2
            )
            volume, spacing = grid, SPACING
        else:
            bead = BlurredPoint(
                position_mm=(0.31, 1.13, -2.28),
                sigma_mm=(0.9, sigma, sigma),
                total=peak * 2 * math.pi * sigma**2 * math.sqrt(2 * math.pi) * 0.9,
            )
            volume = ImageGrid(
                shape=(slices, *grid.shape), spacing_mm=(0.8, *SPACING), center_mm=(0.2, 1.0, -2.0)
            )
            spacing = volume.spacing_mm
        clean = bead.image(volume, dtype=np.float64)

        def stack(
            rng: np.random.Generator,
            clean: np.ndarray = clean,
            spacing: tuple[float, ...] = spacing,
            blur: float = blur,
        ) -> Measurement:
            layers = [noise(rng, grid.shape, blur) for _ in range(clean.size // math.prod(grid.shape))]
            return bead_mtf(clean + np.reshape(layers, clean.shape), spacing).at(0.5)

        yield Setting(
            "bead, MTF50",
            f"{slices} slices, sigma {sigma_px:g} px, peak {peak:g} of noise, blur {blur:g} px",
            frequency_at(lambda f, b=bead: b.mtf(f, spacing_mm=SPACING), 0.5),
            stack,
            of=("bead_mtf", "MTF.at"),
        )
