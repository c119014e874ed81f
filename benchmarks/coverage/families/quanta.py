"""NEQ and DQE of a detector that counts quanta, each shifted by a Gaussian before it is counted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from simulate import Setting

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredEdge
from imgtech.qc import Measurement
from imgtech.qc.metrics import dqe, neq, noise_power_spectrum, slanted_edge_mtf


def settings() -> Iterator[Setting]:
    """Quanta stay independent: NPS = mean, so DQE = share counted times MTF^2.

    The fluence is known to a few percent, and in every run it is off by a draw of that size.
    """
    spacing, grid = (0.25, 0.22), ImageGrid(shape=(110, 96), spacing_mm=(0.25, 0.22))
    for quanta, share, sigma, n_regions, known in (
        (3000.0, 1.0, 0.10, 16, 0.03),
        (6000.0, 0.6, 0.16, 32, 0.01),
        (1500.0, 0.8, 0.12, 24, 0.0),
    ):
        edge = BlurredEdge(angle_rad=0.05, position_mm=0.1, low=20.0, high=320.0, sigma_mm=sigma)
        clean = edge.image(grid, dtype=np.float64)
        mean = quanta * share * spacing[0] * spacing[1]

        def once(
            rng: np.random.Generator,
            clean: np.ndarray = clean,
            mean: float = mean,
            quanta: float = quanta,
            n_regions: int = n_regions,
            known: float = known,
        ) -> dict[str, Measurement]:
            counts = rng.poisson(mean, (n_regions, 56, 64)).astype(float)
            nps = noise_power_spectrum(counts, spacing)
            mtf = slanted_edge_mtf(clean + 2 * rng.standard_normal(clean.shape), spacing)
            said = quanta * (1 + known * rng.standard_normal())
            curve = dqe(mtf, nps, quanta_per_mm2=said, quanta_relative_uncertainty=known)
            return {
                "NEQ at 0.8 per mm": neq(mtf, nps).at(0.8),
                "DQE at 0.8 per mm": curve.at(0.8),
                "DQE at 0": curve.at_zero(up_to_per_mm=1.0),
            }

        square = float(edge.mtf([0.8], spacing_mm=spacing)[0]) ** 2
        truth = {
            "NEQ at 0.8 per mm": quanta * share * square,
            "DQE at 0.8 per mm": share * square,
            "DQE at 0": share,
        }
        yield Setting(
            "",
            f"{quanta:g} quanta per mm2 known to {100 * known:g} %, {100 * share:g} % counted, "
            f"{n_regions} regions",
            truth,
            once,
            of=("neq", "dqe", "SpectralCurve.at", "SpectralCurve.at_zero"),
        )
