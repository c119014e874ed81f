"""How a repeated number becomes a measurement, and how a region becomes an outline."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from imgtech.qc import Measurement, Outline, Source

GUM = Source(
    document="GUM (JCGM 100)",
    edition="2008",
    clause="4.2 type A evaluation",
)


def type_a(name: str, values: npt.ArrayLike, unit: str, algorithm: str) -> Measurement:
    """Mean of independent repeats with the standard deviation of the mean (GUM 4.2.3)."""
    repeats = np.asarray(values, dtype=np.float64)
    return Measurement(
        name=name,
        value=float(repeats.mean()),
        unit=unit,
        uncertainty=float(repeats.std(ddof=1) / math.sqrt(repeats.size)),
        degrees_of_freedom=repeats.size - 1,
        definition=GUM,
        algorithm=algorithm,
    )


def circle(row: float, column: float, radius: float, label: str) -> Outline:
    """A circle in pixels of a picture."""
    turns = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    points = tuple((row + radius * math.sin(t), column + radius * math.cos(t)) for t in turns)
    return Outline(points=points, label=label)
