"""Objects wider than the detector: said, and made up for."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ParallelBeam

FloatArray = npt.NDArray[np.floating[Any]]
_CUT_OFF = 0.1  # of the largest value, at the edge of the detector


def warn_if_cut_off(stack: FloatArray) -> None:
    """Warn where projections end well above zero at the edge of the detector in most views."""
    edges = np.median(stack[:, :, [0, -1]], axis=1).max(axis=1)
    largest = stack.max(axis=(1, 2))
    worst = int(np.argmax(edges - _CUT_OFF * largest))
    if edges[worst] > _CUT_OFF * largest[worst] > 0:
        part = edges[worst] / largest[worst]
        warnings.warn(
            f"the projections end at {part:.0%} of their largest value at an edge of the detector: the "
            "object is wider, and values rise towards the edge of what is seen; extrapolate=True makes up "
            "for most of that",
            UserWarning,
            stacklevel=3,
        )


def extrapolated(stack: FloatArray, beam: ParallelBeam) -> tuple[FloatArray, ParallelBeam]:
    """Continue every projection to both sides by half the detector, as a cosine from the edge to zero."""
    n = beam.n_channels // 2 + 1
    fall = (0.5 + 0.5 * np.cos(np.pi * np.arange(1, n + 1) / (n + 1))).astype(stack.dtype)
    before, behind = stack[..., :1] * fall[::-1], stack[..., -1:] * fall
    wider = replace(beam, n_channels=beam.n_channels + 2 * n)
    return np.concatenate([before, stack, behind], axis=-1), wider
