"""Coverage of the MR protocols at random poses.

``python benchmarks/protocols/poses_mr.py [--only ...]``: any rotation, up to 20 mm off the middle, both
mirror images and slice orders, slices up to 2 mm off and 4.5 to 5.6 mm thick, a drawn shading and ghost, at
two noise levels. The images are magnitudes of the closed-form k-space of one coil, or the root sum of squares
that the reconstruction makes of the k-space of six coils. Truth: the closed form of the twins. Resolution is
left out (it is one size out of three or four), and the low-contrast score, whose truth depends on the noise:
the contrasts stand for it.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests")]

from study import Case, Truth, main  # noqa: E402

from imgtech.io import Series  # noqa: E402
from imgtech.phantoms.twins import acr_mri  # noqa: E402
from imgtech.qc import Report, protocols  # noqa: E402
from reference import mr_twins  # noqa: E402


def _acr(model: str, sigma: float, coils: bool, rng: np.random.Generator) -> tuple[Series, Truth]:
    twin = acr_mri(model, ellipticity_mm=rng.uniform(-0.4, 0.4), tilt=rng.uniform(-0.006, 0.006))
    scan = mr_twins.drawn_scan(rng, sigma=sigma)
    if coils:
        scan = dataclasses.replace(scan, coils=mr_twins.head_coil())
    return scan.series(twin, rng), mr_twins.acr_truth(scan, twin)


def cases() -> Iterator[Case]:
    """Every protocol at two noise levels."""
    measure: dict[str, Callable[[Series], Report]] = {
        "large": protocols.acr_mri_large,
        "medium": protocols.acr_mri_medium,
    }
    for model, coils in (("large", False), ("medium", False), ("large", True)):
        for snr in (60, 200):
            yield Case(
                protocol=f"acr-mri-{model}",
                about=f"SNR {snr}" + (", raw data" if coils else ""),
                draw=partial(_acr, model, 1000.0 / snr, coils),
                measure=measure[model],
            )


if __name__ == "__main__":
    main(tuple(cases()), "poses_mr")
