"""The tools behind the metrics: means and other statistics of correlated data, and propagation."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import ndimage, signal
from simulate import Setting

from imgtech.qc import Measurement, Source
from imgtech.qc.uncertainty import Estimate, block_bootstrap, correlated_mean, propagate

_SOURCE = Source(document="JCGM 100", edition="2008", clause="4.2.3")


def measured(estimate: Estimate) -> Measurement:
    """An estimate in the form that the study counts."""
    return Measurement(
        name="estimate",
        value=estimate.value,
        uncertainty=estimate.uncertainty,
        degrees_of_freedom=estimate.degrees_of_freedom,
        definition=_SOURCE,
        algorithm="study-1",
    )


def settings() -> Iterator[Setting]:
    """Gaussian noise with known correlation; the truth is that of its distribution."""
    for shape, sigma in (((60, 70), (0.0, 0.0)), ((90, 110), (0.8, 1.6)), ((140, 160), (1.5, 5.0))):
        about = f"{shape[0]} x {shape[1]}, blur {sigma[0]:g} and {sigma[1]:g} px"
        point = np.zeros((61, 61))
        point[30, 30] = 1
        gain = math.sqrt(float((ndimage.gaussian_filter(point, sigma) ** 2).sum()))

        def field(
            rng: np.random.Generator,
            shape: tuple[int, int] = shape,
            sigma: tuple[float, float] = sigma,
            gain: float = gain,
        ) -> np.ndarray:
            wide = rng.standard_normal((shape[0] + 40, shape[1] + 40))
            return ndimage.gaussian_filter(wide, sigma, mode="wrap")[20:-20, 20:-20] / gain

        yield Setting(
            "mean of correlated pixels",
            about,
            5.0,
            lambda rng, field=field: measured(correlated_mean(5 + field(rng))),
        )
        yield Setting(
            "block bootstrap of a standard deviation",
            about,
            1.0,
            lambda rng, field=field: measured(
                block_bootstrap(field(rng), lambda x: float(x.std()), n_resamples=100, rng=rng)
            ),
        )

    for phi, n in ((0.0, 300), (0.6, 800), (0.9, 3000)):

        def series(rng: np.random.Generator, phi: float = phi, n: int = n) -> Measurement:
            kicks = rng.standard_normal(n + 100)
            values = signal.lfilter([1], [1, -phi], kicks)[100:]
            return measured(block_bootstrap(values, lambda x: float(np.median(x)), n_resamples=100, rng=rng))

        yield Setting("block bootstrap of a median", f"series of {n}, memory {phi:g}", 0.0, series)

    for n, spread in ((5, 0.02), (8, 0.05), (20, 0.08)):

        def ratio(rng: np.random.Generator, n: int = n, spread: float = spread) -> Measurement:
            over, under = (m * (1 + spread * rng.standard_normal(n)) for m in (6.0, 1.5))
            a, b = over.mean(), under.mean()
            u = [over.std(ddof=1) / math.sqrt(n), under.std(ddof=1) / math.sqrt(n)]
            return measured(propagate(a / b, [1 / b, -a / b**2], u, degrees_of_freedom=[n - 1, n - 1]))

        yield Setting("propagated ratio", f"{n} readings each, scatter {100 * spread:g} %", 4.0, ratio)
