"""Flat fields of an X-ray detector: slopes, bowls and waves in noise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from simulate import Setting, noise

from imgtech.qc import Measurement
from imgtech.qc.metrics import flat_field_uniformity


def settings() -> Iterator[Setting]:
    """The truth are the two definitions, written out for the means of tiles without noise."""
    for shape, slope, bowl, spread, blur in (
        ((150, 190), 0.03, 0.0, 20.0, 0.0),
        ((170, 160), 0.02, -0.05, 40.0, 0.7),
        ((160, 210), 0.0, 0.0, 15.0, 0.0),
    ):
        y, x = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])
        clean = 1000 * (1 + slope * (x + 0.6 * y) + bowl * x * x)
        # tiles of 13 by 12 pixels around the middle, ten pixels and more from the edge
        size, counts = (13, 12), ((shape[0] - 26) // 13, (shape[1] - 24) // 12)
        first = [(n - c * s) // 2 for n, c, s in zip(shape, counts, size, strict=True)]
        cut = clean[first[0] : first[0] + 13 * counts[0], first[1] : first[1] + 12 * counts[1]]
        means = cut.reshape(counts[0], 13, counts[1], 12).mean(axis=(1, 3))
        level, worst = means.mean(), 0.0
        for i in range(counts[0]):
            for j in range(counts[1]):
                box = means[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
                others = (box.sum() - means[i, j]) / (box.size - 1)
                worst = max(worst, abs(means[i, j] - others))

        def once(
            rng: np.random.Generator,
            clean: np.ndarray = clean,
            spread: float = spread,
            blur: float = blur,
        ) -> dict[str, Measurement]:
            image = clean + spread * noise(rng, clean.shape, blur)
            whole, local = flat_field_uniformity(image, (0.77, 0.83))
            return {"global": whole, "local": local}

        yield Setting(
            "non-uniformity",
            f"{counts[0]} x {counts[1]} tiles, slope {100 * slope:g} %, bowl {100 * bowl:g} %, "
            f"noise {spread / 10:g} %, blur {blur:g} px",
            {"global": float(100 * np.ptp(means) / level), "local": float(100 * worst / level)},
            once,
            of=("flat_field_uniformity",),
        )
