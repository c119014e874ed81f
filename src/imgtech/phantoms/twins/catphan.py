"""The CatPhan family: drawings of the 504, 600 and 604, and their twins.

Sources of the drawings. [M] Catphan 503 manual (The Phantom Laboratory, 2017) and the maker's help pages on
spatial linearity: CTP404 with wire ramps at 23 degrees from its base to its top, holes of 3 mm, 50 mm apart,
CT number ranges (p. 15). [P] Module offsets, radii and angles of the inserts and of the largest
low-contrast rods as published in the open program pylinac 3.49. [S] Read off two open scans of a
CatPhan 504 (the test data of that program): angles of the bar groups, radius and length of bars, places of
the ramps and the direction in which each rises, order of the low-contrast sets, the small rods.
From memory and not checked: wire, bead and insert diameters, CT numbers of the bodies. Of the 600 and 604
only [P] is known: where no drawing was read, a part is left out, but for the bars, which are put where they
are in the 504, as only their module matters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from imgtech._core.validate import one_of
from imgtech.phantoms.twins.drawings import BarGroup, ContrastRod, Insert, Module, Point, at
from imgtech.phantoms.twins.solids import Bead, Block, Rod, Solid, Wire
from imgtech.phantoms.twins.twin import AIR_HU, Twin

RAMP_DEGREES = 23.0
HOLE_SPACING_MM = 50.0
HOLE_RADIUS_MM = 1.5
HOUSING_RADIUS_MM = 100.0
MODULE_RADIUS_MM = 75.0
BAR_LENGTH_MM = 4.7
BAR_DEPTH_MM = 2.0
_INSERT_MM = 58.7
_INSERT_RADIUS_MM = 6.1
_BAR_MM = 47.0
_WIRE_MM = 0.28
_HU = {
    "Air": -1000.0,
    "PMP": -196.0,
    "LDPE": -104.0,
    "Polystyrene": -47.0,
    "Acrylic": 115.0,
    "20 % bone": 237.0,
    "Delrin": 365.0,
    "50 % bone": 725.0,
    "Teflon": 1000.0,
}
_BAR_DEGREES = (
    153.0, 129.0, 105.1, 86.1, 68.1, 49.15, 32.2, 15.25, 0.0, 345.2, 330.2, 316.2, 302.25, 289.2, 275.1,
    262.1, 249.1, 236.05, 224.0, 211.0, 199.05,
)  # fmt: skip
_BARS = (2, 3, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5)
_RODS = (
    (15.0, -87.4), (9.0, -69.1), (8.0, -52.7), (7.0, -38.5), (6.0, -25.1), (5.0, -12.9), (4.0, -3.0),
    (3.0, 4.5), (2.0, 10.5),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CatPhanDrawing:
    """What is known of one model of CatPhan.

    Parameters
    ----------
    model : str
        ``"504"``, ``"600"`` or ``"604"``.
    sensitometry, uniformity, resolution, low_contrast : Module
        Its pieces: CTP404 (in the 604 CTP682), CTP486, CTP528 and CTP515.
    inserts : tuple of Insert
        Rods of known materials in the sensitometry module.
    holes : tuple of (float, float)
        ``(v, u)`` of the four small holes; the one that holds a Teflon pin comes first.
    ramps : tuple of tuple
        Middle ``(v, u)`` and direction ``(v, u)`` of each wire as z rises.
    bars : tuple of BarGroup
        Line pairs; empty where their places are not known.
    bar_z_mm : float
        Middle of the bars along the axis.
    bead_mm : tuple of float or None
        ``(z, v, u)`` of the bead.
    rods : tuple of ContrastRod
        Supra-slice rods of the low-contrast module.
    """

    model: str
    sensitometry: Module
    uniformity: Module
    resolution: Module
    low_contrast: Module
    inserts: tuple[Insert, ...]
    holes: tuple[Point, ...]
    ramps: tuple[tuple[Point, Point], ...]
    bars: tuple[BarGroup, ...]
    bar_z_mm: float
    bead_mm: tuple[float, float, float] | None
    rods: tuple[ContrastRod, ...]


def _inserts(places: Mapping[str, float]) -> tuple[Insert, ...]:
    return tuple(
        Insert(
            name=name,
            center_mm=at(_INSERT_MM, degrees),
            radius_mm=_INSERT_RADIUS_MM,
            nominal_hu=_HU["Air" if name.startswith("Air") else name],
        )
        for name, degrees in places.items()
    )


def _bars(places: tuple[float, ...]) -> tuple[BarGroup, ...]:
    return tuple(
        BarGroup(
            per_cm=i + 1,
            n_bars=_BARS[i],
            center_mm=at(_BAR_MM, degrees),
            angle_rad=math.radians(degrees + 90.0),
            height_mm=BAR_LENGTH_MM,
        )
        for i, degrees in enumerate(places)
    )


def _rods(turn: float) -> tuple[ContrastRod, ...]:
    return tuple(
        ContrastRod(percent=percent, diameter_mm=diameter, center_mm=at(50.0, degrees + start + turn))
        for percent, start in ((1.0, 0.0), (0.5, -120.0), (0.3, 120.0))
        for diameter, degrees in _RODS
    )


_HOLES = ((-25.0, 25.0), (-25.0, -25.0), (25.0, -25.0), (25.0, 25.0))
_RAMPS = (
    ((-38.0, 0.0), (0.0, 1.0)),
    ((38.0, 0.0), (0.0, -1.0)),
    ((0.0, -38.0), (-1.0, 0.0)),
    ((0.0, 38.0), (1.0, 0.0)),
)
_504 = {
    "Air top": -90.0,
    "PMP": -120.0,
    "LDPE": 180.0,
    "Polystyrene": 120.0,
    "Air bottom": 90.0,
    "Acrylic": 60.0,
    "Delrin": 0.0,
    "Teflon": -60.0,
}
_604 = {
    "Air": -90.0,
    "PMP": -120.0,
    "50 % bone": -150.0,
    "LDPE": 180.0,
    "Polystyrene": 120.0,
    "Acrylic": 60.0,
    "20 % bone": 30.0,
    "Delrin": 0.0,
    "Teflon": -60.0,
}
_600 = {
    "Air": 90.0,
    "PMP": 60.0,
    "LDPE": 0.0,
    "Polystyrene": -60.0,
    "Acrylic": -120.0,
    "Delrin": 180.0,
    "Teflon": 120.0,
}
_DRAWINGS = {
    "504": CatPhanDrawing(
        model="504",
        sensitometry=Module(name="CTP404", z_mm=(-12.5, 12.5), body_hu=90.0),
        uniformity=Module(name="CTP486", z_mm=(-90.0, -52.5), body_hu=10.0),
        resolution=Module(name="CTP528", z_mm=(12.5, 52.5), body_hu=85.0),
        low_contrast=Module(name="CTP515", z_mm=(-52.5, -12.5), body_hu=55.0),
        inserts=_inserts(_504),
        holes=_HOLES,
        ramps=_RAMPS,
        bars=_bars(_BAR_DEGREES),
        bar_z_mm=30.0,
        bead_mm=(40.0, 20.0, 0.0),
        rods=_rods(0.0),
    ),
    "600": CatPhanDrawing(
        model="600",
        sensitometry=Module(name="CTP404", z_mm=(-12.5, 12.5), body_hu=90.0),
        uniformity=Module(name="CTP486", z_mm=(-185.0, -135.0), body_hu=10.0),
        resolution=Module(name="CTP528", z_mm=(-90.0, -50.0), body_hu=85.0),
        low_contrast=Module(name="CTP515", z_mm=(-130.0, -90.0), body_hu=55.0),
        inserts=_inserts(_600),
        holes=(),
        ramps=(),
        bars=_bars(_BAR_DEGREES),
        bar_z_mm=-70.0,
        bead_mm=None,
        rods=tuple(rod for rod in _rods(180.0) if rod.percent == 1.0 and rod.diameter_mm >= 5.0),
    ),
    "604": CatPhanDrawing(
        model="604",
        sensitometry=Module(name="CTP682", z_mm=(-20.0, 20.0), body_hu=90.0),
        uniformity=Module(name="CTP486", z_mm=(-100.0, -60.0), body_hu=10.0),
        resolution=Module(name="CTP528", z_mm=(20.0, 60.0), body_hu=85.0),
        low_contrast=Module(name="CTP515", z_mm=(-60.0, -20.0), body_hu=55.0),
        inserts=_inserts(_604),
        holes=(),
        ramps=(),
        bars=_bars(_BAR_DEGREES),
        bar_z_mm=40.0,
        bead_mm=None,
        rods=tuple(rod for rod in _rods(0.0) if rod.percent == 1.0 and rod.diameter_mm >= 5.0),
    ),
}
MODELS = tuple(_DRAWINGS)


def catphan_drawing(model: str) -> CatPhanDrawing:
    """The drawing of a CatPhan.

    Parameters
    ----------
    model : {"504", "600", "604"}
        Which one.

    Returns
    -------
    CatPhanDrawing
        Where everything is.

    Raises
    ------
    ValueError
        If the model is another.

    Examples
    --------
    >>> from imgtech.phantoms.twins import catphan_drawing
    >>> [insert.name for insert in catphan_drawing("504").inserts][:3]
    ['Air top', 'PMP', 'LDPE']
    """
    return _DRAWINGS[one_of("model", model, MODELS)]


def catphan(model: str = "504", *, hu: Mapping[str, float] | None = None) -> Twin:
    """A digital CatPhan.

    Parameters
    ----------
    model : {"504", "600", "604"}, optional
        Which one. What is not known of a drawing is left out: see :func:`catphan_drawing`.
    hu : mapping of str to float, optional
        Other CT numbers than the nominal ones, by the name of an insert or module.

    Returns
    -------
    Twin
        ``facts`` holds the CT number of every insert and module by its name.

    Raises
    ------
    ValueError
        If the model is another, or ``hu`` names something that is not there.

    Examples
    --------
    >>> from imgtech.phantoms.twins import catphan
    >>> catphan("504", hu={"Teflon": 950.0}).facts["Teflon"]
    950.0
    """
    drawing = catphan_drawing(model)
    modules = (drawing.sensitometry, drawing.uniformity, drawing.resolution, drawing.low_contrast)
    facts = {insert.name: insert.nominal_hu for insert in drawing.inserts}
    facts |= {module.name: module.body_hu for module in modules}
    for name, value in (hu or {}).items():
        facts[one_of("hu", name, tuple(facts))] = float(value)
    low = min(m.z_mm[0] for m in modules) - 6.0
    high = max(m.z_mm[1] for m in modules) + 10.0
    housing = 60.0
    solids: dict[str, Solid] = {
        "housing": Rod(
            value_hu=housing - AIR_HU, center_mm=(0, 0), radius_mm=HOUSING_RADIUS_MM, z_mm=(low, high)
        )
    }
    for module in modules:
        solids[module.name] = Rod(
            value_hu=facts[module.name] - housing,
            center_mm=(0, 0),
            radius_mm=MODULE_RADIUS_MM,
            z_mm=module.z_mm,
        )
    solids |= _sensitometry(drawing, facts)
    z_bar = (drawing.bar_z_mm - BAR_DEPTH_MM / 2, drawing.bar_z_mm + BAR_DEPTH_MM / 2)
    for group in drawing.bars:
        width = 5.0 / group.per_cm
        for i in range(group.n_bars):
            step = (2 * i - group.n_bars + 1) * width
            middle = (
                group.center_mm[0] + step * math.sin(group.angle_rad),
                group.center_mm[1] + step * math.cos(group.angle_rad),
            )
            solids[f"{group.per_cm} lp/cm bar {i + 1}"] = Block(
                value_hu=1500.0,
                center_mm=middle,
                size_mm=(group.height_mm, width),
                angle_rad=group.angle_rad,
                z_mm=z_bar,
            )
    if drawing.bead_mm is not None:
        solids["bead"] = Bead(value_hu=20000.0, center_mm=drawing.bead_mm, diameter_mm=_WIRE_MM)
    for rod in drawing.rods:
        solids[f"{rod.percent:g} % rod {rod.diameter_mm:g} mm"] = Rod(
            value_hu=10.0 * rod.percent,
            center_mm=rod.center_mm,
            radius_mm=rod.diameter_mm / 2,
            z_mm=drawing.low_contrast.z_mm,
        )
    return Twin(name=f"CatPhan {model}", solids=solids, facts=facts)


def _sensitometry(drawing: CatPhanDrawing, facts: Mapping[str, float]) -> dict[str, Solid]:
    module, solids = drawing.sensitometry, dict[str, Solid]()
    body = facts[module.name]
    for insert in drawing.inserts:
        solids[insert.name] = Rod(
            value_hu=facts[insert.name] - body,
            center_mm=insert.center_mm,
            radius_mm=insert.radius_mm,
            z_mm=module.z_mm,
        )
    for i, center in enumerate(drawing.holes):
        pin = _HU["Teflon"] if i == 0 else AIR_HU
        solids[f"hole {i + 1}"] = Rod(
            value_hu=pin - body, center_mm=center, radius_mm=HOLE_RADIUS_MM, z_mm=module.z_mm
        )
    low, high = module.z_mm
    for i, ((v, u), (dv, du)) in enumerate(drawing.ramps):
        half = (high - low) / 2 / math.tan(math.radians(RAMP_DEGREES))
        solids[f"ramp {i + 1}"] = Wire(
            value_hu=12000.0,
            start_mm=(low, v - half * dv, u - half * du),
            end_mm=(high, v + half * dv, u + half * du),
            diameter_mm=_WIRE_MM,
        )
    return solids
