"""Digital twins of planar X-ray phantoms: Leeds TOR 18, QC-3 and an edge, with the drawings they come from.

The drawings were read off open images of the two phantoms: places are shares of the radius of the Leeds ring
and of the pitch of the QC-3's columns. Levels are those of one image each, relative to open field and lead.
The nominal frequencies of the bars are those printed in the open program pylinac 3.49; they are guides, a
protocol measures them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from imgtech._core.validate import count, finite, not_negative, one_of, positive
from imgtech.phantoms.twins.flat import FlatBar, FlatDisk, FlatTwin

Point = tuple[float, float]

_DISKS = tuple(range(-60, 61, 15)), tuple(range(120, 241, 15))


@dataclass(frozen=True, kw_only=True)
class Patch:
    """A plain piece of a planar phantom: its middle ``(v, u)``, half sizes, and level from 0 to 1 (lead)."""

    center: Point
    half: Point
    level: float


@dataclass(frozen=True, kw_only=True)
class LineGroup:
    """Bars along u: middle ``(v, u)``, half sizes ``(v, u)``, line pairs per unit, number of bars."""

    center: Point
    half: Point
    per_unit: float
    bars: int


@dataclass(frozen=True, kw_only=True)
class PlanarDrawing:
    """What is known of a planar phantom, in units of its own.

    Parameters
    ----------
    name : str
        Which phantom.
    unit_mm : float
        Usual size of the unit at the phantom.
    patches : mapping of str to Patch
        Plain pieces.
    disks : tuple of (float, float)
        Middles ``(v, u)`` of the low-contrast disks.
    disk_radius : float
        Their radius.
    groups : tuple of LineGroup
        Bar patterns, coarsest first.
    """

    name: str
    unit_mm: float
    patches: Mapping[str, Patch]
    disks: tuple[Point, ...]
    disk_radius: float
    groups: tuple[LineGroup, ...]


def _leeds_groups() -> tuple[LineGroup, ...]:
    rows, columns = (-0.178, -0.044, 0.042, 0.112), (0.241, 0.0745, -0.09)
    nominal = (0.5, 0.56, 0.63, 0.71, 0.8, 0.9, 1.0, 1.12, 1.25, 1.4, 1.6, 1.8)
    groups = []
    for k, per_mm in enumerate(nominal):
        per_unit = per_mm * 74.0
        place = rows[k // 3], columns[k % 3]
        groups.append(LineGroup(center=place, half=(2.25 / per_unit, 0.08), per_unit=per_unit, bars=5))
    return tuple(groups)


_LEEDS = PlanarDrawing(
    name="Leeds TOR 18",
    unit_mm=74.0,
    patches=MappingProxyType({
        "lead": Patch(center=(-0.665, -0.014), half=(0.167, 0.167), level=1.0),
        "block": Patch(center=(0.0, -0.005), half=(0.314, 0.378), level=0.9),
        "open square": Patch(center=(-0.002, -0.262), half=(0.066, 0.066), level=0.15),
        "copper": Patch(center=(0.68, 0.0), half=(0.167, 0.167), level=0.4),
    }),
    disks=tuple(
        (0.802 * math.sin(math.radians(d)), 0.802 * math.cos(math.radians(d)))
        for d in (*_DISKS[0], *_DISKS[1])
    ),
    disk_radius=0.054,
    groups=_leeds_groups(),
)  # fmt: skip
_QC3 = PlanarDrawing(
    name="QC-3",
    unit_mm=21.0,
    patches=MappingProxyType({
        "lead 1": Patch(center=(-1.36, -2.0), half=(0.68, 0.46), level=1.0),
        "patch 1": Patch(center=(-1.36, -1.0), half=(0.66, 0.46), level=0.3),
        "lead": Patch(center=(-1.36, 0.0), half=(0.66, 0.46), level=1.0),
        "patch 2": Patch(center=(-1.36, 1.0), half=(0.66, 0.46), level=0.66),
        "lead 2": Patch(center=(-1.3, 2.0), half=(0.72, 0.46), level=1.0),
        "lead 4": Patch(center=(1.32, -2.0), half=(0.68, 0.46), level=1.0),
        "patch 3": Patch(center=(1.38, -1.0), half=(0.62, 0.46), level=0.52),
        "patch 4": Patch(center=(1.38, 0.0), half=(0.64, 0.46), level=0.17),
        "patch 5": Patch(center=(1.34, 1.0), half=(0.64, 0.46), level=0.66),
        "lead 3": Patch(center=(1.32, 2.0), half=(0.66, 0.46), level=1.0),
    }),
    disks=(),
    disk_radius=0.0,
    groups=(
        LineGroup(center=(0.0, 2.0), half=(0.56, 0.45), per_unit=2.05, bars=2),
        LineGroup(center=(0.0, -2.0), half=(0.56, 0.45), per_unit=4.0, bars=4),
        LineGroup(center=(0.0, 1.0), half=(0.62, 0.45), per_unit=5.16, bars=6),
        LineGroup(center=(0.0, -1.0), half=(0.62, 0.45), per_unit=8.65, bars=10),
        LineGroup(center=(0.0, 0.0), half=(0.64, 0.45), per_unit=16.1, bars=20),
    ),
)  # fmt: skip
_DRAWINGS = {"leeds": _LEEDS, "qc3": _QC3}


def planar_drawing(phantom: str) -> PlanarDrawing:
    """Drawing of a planar phantom.

    Parameters
    ----------
    phantom : {"leeds", "qc3"}
        Which.

    Returns
    -------
    PlanarDrawing
        Places in units of the radius of the ring (Leeds) or of the pitch of the columns (QC-3).

    Raises
    ------
    ValueError
        If the phantom is unknown.

    Examples
    --------
    >>> from imgtech.phantoms.twins import planar_drawing
    >>> len(planar_drawing("leeds").disks)
    18
    """
    return _DRAWINGS[one_of("phantom", phantom, tuple(_DRAWINGS))]


def leeds_tor18(
    *, unit_mm: float = 112.0, open_value: float = 2500.0, lead_value: float = 100.0, contrast: float = 1.0
) -> FlatTwin:
    """The Leeds TOR 18 as an image of transmitted signal.

    Parameters
    ----------
    unit_mm : float, optional
        Radius of its ring at the detector.
    open_value, lead_value : float, optional
        Signal of the plate and behind lead.
    contrast : float, optional
        Scale of the contrast of the 18 disks, which fall from 32 to 1.5 % of the signal.

    Returns
    -------
    FlatTwin
        ``facts`` holds the step of every disk and of the bars, frequencies and the unit.

    Raises
    ------
    ValueError
        If a number is out of range or not finite.

    Examples
    --------
    >>> from imgtech.phantoms.twins import leeds_tor18
    >>> round(leeds_tor18().facts["disk 1"])
    -768
    """
    scale, depth = positive("unit_mm", unit_mm), _depth(open_value, lead_value)
    strength = not_negative("contrast", contrast)
    drawing = _LEEDS
    shapes: dict[str, FlatDisk | FlatBar] = {}
    facts: dict[str, float] = {"unit": scale}
    shapes["plate"] = FlatDisk(value=-0.12 * depth, center_mm=(0.0, 0.0), radius_mm=1.22 * scale)
    shapes["ring outside"] = FlatDisk(value=-0.5 * depth, center_mm=(0.0, 0.0), radius_mm=1.004 * scale)
    shapes["ring inside"] = FlatDisk(value=0.53 * depth, center_mm=(0.0, 0.0), radius_mm=0.996 * scale)
    floor = -0.09 * depth
    for name in ("lead", "block", "copper"):
        shapes[name] = _square(drawing.patches[name], scale, -drawing.patches[name].level * depth - floor)
    shapes["hole"] = FlatDisk(
        value=0.31 * depth, center_mm=_times((0.68, 0.01), scale), radius_mm=0.074 * scale
    )
    step = (drawing.patches["block"].level - drawing.patches["open square"].level) * depth
    shapes["open square"] = _square(drawing.patches["open square"], scale, step)
    shapes |= _bars(drawing, scale, step)
    facts |= _bar_facts(drawing, scale, step)
    for k, place in enumerate(drawing.disks, 1):
        facts[f"disk {k}"] = -0.32 * strength * depth * math.exp(-(k - 1) * math.log(20) / 17)
        shapes[f"disk {k}"] = FlatDisk(
            value=facts[f"disk {k}"],
            center_mm=_times(place, scale),
            radius_mm=drawing.disk_radius * scale,
        )
    return FlatTwin(name=drawing.name, background=open_value, shapes=shapes, facts=facts)


def qc3(*, unit_mm: float = 31.4, open_value: float = 4300.0, lead_value: float = 2000.0) -> FlatTwin:
    """The QC-3 as an image of transmitted signal.

    Parameters
    ----------
    unit_mm : float, optional
        Pitch of its columns at the detector.
    open_value, lead_value : float, optional
        Signal of the open field and behind lead.

    Returns
    -------
    FlatTwin
        ``facts`` holds the signal of the patches, the step of the bars and the unit.

    Raises
    ------
    ValueError
        If a number is out of range or not finite.

    Examples
    --------
    >>> from imgtech.phantoms.twins import qc3
    >>> round(qc3().facts["lead"])
    2000
    """
    scale, whole = positive("unit_mm", unit_mm), _depth(open_value, lead_value)
    plate, depth = -0.2 * whole, 0.8 * whole
    step = -0.85 * depth
    facts: dict[str, float] = {"unit": scale, **_bar_facts(_QC3, scale, step)}
    shapes: dict[str, FlatDisk | FlatBar] = {
        "plate": FlatBar(value=plate, center_mm=(0.0, 0.0), size_mm=_times((5.37, 6.12), scale))
    }
    for name, patch in _QC3.patches.items():
        facts[name] = open_value + plate - patch.level * depth
        shapes[name] = _square(patch, scale, -patch.level * depth)
    for v in (-2.15, 2.15):
        shapes[f"frame {v}"] = FlatBar(
            value=-depth, center_mm=_times((v, 0.0), scale), size_mm=_times((0.14, 5.0), scale)
        )
    for u in (-2.6, 2.6):
        shapes[f"frame along {u}"] = FlatBar(
            value=-depth, center_mm=_times((0.0, u), scale), size_mm=_times((4.1, 0.14), scale)
        )
    shapes |= _bars(_QC3, scale, step)
    return FlatTwin(name=_QC3.name, background=open_value, shapes=shapes, facts=facts)


def edge_plate(
    *,
    size_mm: tuple[float, float] = (70.0, 50.0),
    open_value: float = 4000.0,
    plate_value: float = 150.0,
    disks: int = 5,
) -> FlatTwin:
    """An opaque plate for the MTF, and disks of falling contrast beside it.

    Parameters
    ----------
    size_mm : (float, float), optional
        Height and width of the plate.
    open_value, plate_value : float, optional
        Signal of the open field and behind the plate.
    disks : int, optional
        Number of disks of 10 mm, the first of 8 % of the open field, each of half the contrast of the last.

    Returns
    -------
    FlatTwin
        ``facts`` holds the signals and the step of every disk.

    Raises
    ------
    ValueError
        If a number is out of range or not finite.

    Examples
    --------
    >>> from imgtech.phantoms.twins import edge_plate
    >>> round(edge_plate().facts["disk 2"])
    -160
    """
    facts = {"open": finite("open_value", open_value), "plate": finite("plate_value", plate_value)}
    shapes: dict[str, FlatDisk | FlatBar] = {
        "plate": FlatBar(value=facts["plate"] - facts["open"], center_mm=(0.0, 0.0), size_mm=size_mm)
    }
    for k in range(count("disks", disks, minimum=0)):
        facts[f"disk {k + 1}"] = -0.08 * facts["open"] / 2**k
        angle = 2 * math.pi * k / max(disks, 1)
        center = (75.0 * math.sin(angle), 75.0 * math.cos(angle))
        shapes[f"disk {k + 1}"] = FlatDisk(value=facts[f"disk {k + 1}"], center_mm=center, radius_mm=5.0)
    return FlatTwin(name="edge", background=open_value, shapes=shapes, facts=facts)


def _depth(open_value: float, lead_value: float) -> float:
    """Signal of the open field above that behind lead."""
    return finite("open_value", open_value) - finite("lead_value", lead_value)


def _bars(drawing: PlanarDrawing, scale: float, step: float) -> dict[str, FlatBar]:
    """Every bar of every group, by name."""
    bars = {}
    for k, group in enumerate(drawing.groups, 1):
        for i in range(group.bars):
            v = (i - (group.bars - 1) / 2) / group.per_unit
            center = _times((group.center[0] + v, group.center[1]), scale)
            size = scale / (2 * group.per_unit), 2 * group.half[1] * scale
            bars[f"bar {k}.{i}"] = FlatBar(value=step, center_mm=center, size_mm=size)
    return bars


def _bar_facts(drawing: PlanarDrawing, scale: float, step: float) -> dict[str, float]:
    """Step of the bars and the frequency of every group."""
    frequencies = {f"frequency bars {k}": g.per_unit / scale for k, g in enumerate(drawing.groups, 1)}
    return {"bar step": step, **frequencies}


def _times(point: Point, scale: float) -> Point:
    return point[0] * scale, point[1] * scale


def _square(patch: Patch, scale: float, value: float) -> FlatBar:
    size = _times((2 * patch.half[0], 2 * patch.half[1]), scale)
    return FlatBar(value=value, center_mm=_times(patch.center, scale), size_mm=size)
