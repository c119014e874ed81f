"""Items of the pose of a CT phantom: roll and tilt."""

from __future__ import annotations

import math
from collections.abc import Iterator

from imgtech.qc.limit import Source
from imgtech.qc.measurement import Measurement
from imgtech.qc.protocols._ct_rods import RigidFit
from imgtech.qc.protocols._ct_scan import CTScan
from imgtech.qc.protocols._items import Item

_POSITION = Source(
    document="Catphan manual, The Phantom Laboratory", edition="2017", clause="phantom position verification"
)


def pose_items(scan: CTScan, rods: RigidFit) -> Iterator[Item]:
    """Roll by the rods, tilt by the outline along the scan."""
    yield Item(name="roll", unit="deg", algorithm="rods-rigid-2", definition=_POSITION,
               measure=lambda: _roll(rods))  # fmt: skip
    yield from tilt_items(scan)


def tilt_items(scan: CTScan) -> Iterator[Item]:
    """Tilt by the outline along the scan."""
    for axis, name in enumerate(("tilt up-down", "tilt left-right")):
        yield Item(
            name=name,
            unit="deg",
            algorithm="outline-line-3",
            definition=_POSITION,
            measure=lambda axis=axis: _tilt(scan, axis),  # type: ignore[misc]
        )


def _roll(rods: RigidFit) -> Measurement:
    return Measurement(
        name="roll",
        value=math.degrees(rods.angle_rad),
        unit="deg",
        uncertainty=math.degrees(rods.angle_uncertainty_rad),
        definition=_POSITION,
        algorithm="rods-rigid-2",
        degrees_of_freedom=rods.degrees_of_freedom,
        details={"rods": rods.n, "scatter of the rods (mm)": rods.scatter_mm},
    )


def _tilt(scan: CTScan, axis: int) -> Measurement:
    n, slope = len(scan.axis.positions_mm), scan.axis.slope[axis] + scan.series.drift[axis]
    if n < 4:
        raise ValueError(f"only {n} slices show the outline of the phantom, needed 4")
    return Measurement(
        name="tilt",
        value=math.degrees(math.atan(slope)),
        unit="deg",
        uncertainty=math.degrees(scan.axis.slope_uncertainties[axis]),
        definition=_POSITION,
        algorithm="outline-line-3",
        degrees_of_freedom=n - 2,
        details={"slices": n},
    )
