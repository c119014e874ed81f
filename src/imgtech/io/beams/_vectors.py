"""Vectors of every view in the order (x, y, z) of other programs, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import count
from imgtech.geometry import ConeVectors

Floats = npt.NDArray[np.float64]


def cone_from_steps(
    source: Floats, middle: Floats, along_channels: Floats, along_rows: Floats, n_rows: int, n_channels: int
) -> ConeVectors:
    """A flat detector from its middle and its steps from element to element, ``(view, 3)`` in (x, y, z)."""
    spacing: dict[str, Any] = {}
    directions: dict[str, Any] = {}
    for name, step in (("channel", along_channels), ("row", along_rows)):
        length = np.linalg.norm(step, axis=1)
        spacing[f"{name}_spacing_mm"] = same_in_all_views(f"{name} spacing", length)
        directions[f"{name}_directions"] = (step / length[:, None])[:, ::-1]
    return ConeVectors(
        sources_mm=source[:, ::-1],
        detectors_mm=middle[:, ::-1],
        n_rows=n_rows,
        n_channels=n_channels,
        **spacing,
        **directions,
    )


def cone_to_steps(vectors: ConeVectors) -> tuple[Floats, Floats, Floats, Floats]:
    """Source, middle of the detector and steps along channels and rows, ``(view, 3)`` in (x, y, z)."""
    middle = (
        vectors.detectors_mm
        + vectors.detector_offset_mm * vectors.channel_directions
        + vectors.row_offset_mm * vectors.row_directions
    )
    steps = (
        vectors.channel_directions * vectors.channel_spacing_mm,
        vectors.row_directions * vectors.row_spacing_mm,
    )
    source, middle, channels, rows = (v[:, ::-1] for v in (vectors.sources_mm, middle, *steps))
    return source, middle, channels, rows


def whole(name: str, value: Any) -> int:
    """A number of elements: other programs also keep it as a float."""
    is_whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return count(name, int(value) if is_whole else value)


def same_in_all_views(name: str, values: npt.ArrayLike, within: float = 1e-6) -> float:
    """The one value of all views, or an error that says it changes."""
    array = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if np.ptp(array) > within * max(1.0, float(np.abs(array).max())):
        raise ValueError(f"{name} must be the same in all views, got {array.min():.6g} to {array.max():.6g}")
    return float(array.mean())


def turns(axis: int, angles_rad: npt.ArrayLike) -> Floats:
    """Right-handed turns about an axis of (x, y, z), one 3 x 3 matrix a view."""
    angle = np.atleast_1d(np.asarray(angles_rad, dtype=np.float64))
    turn = np.zeros((len(angle), 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn[:, axis, axis] = 1.0
    turn[:, i, i] = turn[:, j, j] = np.cos(angle)
    turn[:, i, j], turn[:, j, i] = -np.sin(angle), np.sin(angle)
    return turn
