"""Checks and view angles that beams share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import count, finite, one_of, positive


def detector_row(beam: Any, name: str, width: str) -> dict[str, float]:
    """Number, spacing, offset and width (by default the spacing) of the elements of a detector row."""
    offset = "detector_offset_mm" if name == "channel" else f"{name}_offset_mm"
    spacing = positive(f"{name}_spacing_mm", getattr(beam, f"{name}_spacing_mm"))
    size = spacing if getattr(beam, width) is None else getattr(beam, width)
    return {
        f"n_{name}s": count(f"n_{name}s", getattr(beam, f"n_{name}s")),
        f"{name}_spacing_mm": spacing,
        offset: finite(offset, getattr(beam, offset)),
        width: positive(width, size),
    }


def source_and_detector(beam: Any) -> dict[str, float]:
    """Distances of source, axis and detector, which come in this order, and the form of the detector."""
    near = positive("source_axis_mm", beam.source_axis_mm)
    far = positive("source_detector_mm", beam.source_detector_mm)
    if far < near:
        raise ValueError(f"source_detector_mm must not be below source_axis_mm {near}, got {far}")
    one_of("detector", beam.detector, ("flat", "curved"))
    return {"source_axis_mm": near, "source_detector_mm": far}


def check_fan(half_fan_rad: float) -> None:
    """Raise an error where a curved detector reaches 90 degrees."""
    if half_fan_rad >= np.pi / 2:
        raise ValueError(
            "the fan must stay below 90 degrees to either side, got a curved detector up to "
            f"{np.rad2deg(half_fan_rad):.4g} degrees"
        )


def even_angles(n_views: int, start_rad: float, span_rad: float) -> npt.NDArray[np.float64]:
    """``n_views`` angles from ``start_rad`` on, evenly over ``span_rad``, its end left out."""
    steps = np.arange(count("n_views", n_views)) * (span_rad / n_views)
    return np.asarray(finite("start_rad", start_rad) + steps, dtype=np.float64)


def assign(beam: Any, values: dict[str, Any]) -> None:
    """Set fields of a frozen value while it is made."""
    for name, value in values.items():
        object.__setattr__(beam, name, value)
