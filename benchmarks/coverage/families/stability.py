"""Stability in time: drift, a fluctuation of the whole image, and noise of the pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import ndimage
from simulate import Setting

from imgtech.qc import Measurement
from imgtech.qc.metrics import temporal_stability

LEVEL = 1000.0


def settings() -> Iterator[Setting]:
    """The square covers an odd number of pixels in images that are a little larger."""
    for n, width, sigma, common, slope, blur in (
        (60, 11, 10.0, 2.0, 0.010, 0.0),
        (100, 15, 6.0, 1.0, 0.004, 0.6),
        (200, 9, 15.0, 1.5, 0.020, 0.0),
    ):
        t = np.linspace(-1, 1, n)
        drift = LEVEL * (slope * t + 0.4 * slope * t**2)
        gain = 1.0
        square = np.pad(np.full((width, width), 1 / width**2), 12)
        if blur:
            point = np.zeros((41, 41))
            point[20, 20] = 1
            gain = math.sqrt(float((ndimage.gaussian_filter(point, blur) ** 2).sum()))
            square = ndimage.gaussian_filter(square, blur) / gain

        def once(
            rng: np.random.Generator,
            width: int = width,
            sigma: float = sigma,
            common: float = common,
            drift: np.ndarray = drift,
            blur: float = blur,
            gain: float = gain,
        ) -> dict[str, Measurement]:
            size = width + 8
            field = rng.standard_normal((len(drift), size, size + 3))
            if blur:
                field = ndimage.gaussian_filter(field, (0, blur, blur), mode="wrap") / gain
            course = drift + common * rng.standard_normal(len(drift))
            found = temporal_stability(LEVEL + sigma * field + course[:, None, None], width_px=width)
            return {
                "signal": found.signal,
                "SNR": found.snr,
                "SFNR": found.sfnr,
                "fluctuation": found.fluctuation,
                "drift": found.drift,
                "radius of decorrelation": found.decorrelation,
            }

        level = LEVEL + float(drift.mean())
        of_mean = math.hypot(sigma * math.sqrt(float((square**2).sum())), common)
        of_pixel = math.hypot(sigma, common)
        truth = {
            "signal": level,
            "SNR": level / sigma,
            "SFNR": level / of_pixel,
            "fluctuation": 100 * of_mean / level,
            "drift": 100 * float(np.ptp(drift)) / level,
            "radius of decorrelation": of_pixel / of_mean,
        }
        yield Setting(
            "stability",
            f"{n} images, {width} px, noise {sigma:g}, common {common:g}, blur {blur:g} px",
            truth,
            once,
            of=(
                "temporal_stability", "Stability.signal", "Stability.snr", "Stability.sfnr",
                "Stability.fluctuation", "Stability.drift", "Stability.decorrelation",
            ),
        )  # fmt: skip
