"""The ACR CT accreditation phantom (Gammex 464): its drawing and its twin.

Sources. [A] The instructions of the accreditation program: four modules of 20 cm diameter and 4 cm depth,
in the order CT number and slice width, low contrast, uniformity, high contrast. [P] Places of the rods,
regions, beads and bar patterns as published in the open program pylinac 3.49. From memory and not checked:
diameters of the rods (25 mm, water 50 mm), size of the bar patterns and direction of their bars, CT numbers
of bodies, bars and beads, the gaps between bars being of the body's material. The wires of the slice-width
ramps are left out: no drawing of their places was read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from imgtech._core.validate import one_of
from imgtech.phantoms.twins.drawings import BarGroup, ContrastRod, Insert, Module, Point, at
from imgtech.phantoms.twins.solids import Bead, Block, Rod, Solid
from imgtech.phantoms.twins.twin import AIR_HU, Twin

RADIUS_MM = 100.0
PATTERN_MM = 15.0
BEADS_APART_MM = 100.0
_RODS_MM = 63.0
_BARS_MM = 70.0
_BAR_HU = 1600.0
_BEAD_MM = 0.28


@dataclass(frozen=True, kw_only=True)
class AcrCtDrawing:
    """What is known of the ACR CT phantom.

    Parameters
    ----------
    numbers, low_contrast, uniformity, resolution : Module
        Modules 1 to 4; z is 0 in the middle of module 1 and rises towards module 4.
    inserts : tuple of Insert
        Rods of module 1.
    large_rod : ContrastRod
        The 25 mm rod of module 2.
    background_mm : (float, float)
        ``(v, u)`` of the middle of the background region beside it.
    beads : tuple of (float, float)
        ``(v, u)`` of the two beads of module 3, 100 mm apart.
    bars : tuple of BarGroup
        Square patterns of module 4.
    """

    numbers: Module
    low_contrast: Module
    uniformity: Module
    resolution: Module
    inserts: tuple[Insert, ...]
    large_rod: ContrastRod
    background_mm: Point
    beads: tuple[Point, Point]
    bars: tuple[BarGroup, ...]


_MATERIALS = (
    ("air", 45.0, 12.5, -1000.0),
    ("acrylic", 135.0, 12.5, 121.0),
    ("polyethylene", 225.0, 12.5, -95.0),
    ("bone", -45.0, 12.5, 910.0),
    ("water", 180.0, 25.0, 0.0),
)
_PATTERNS = (
    (4, -135.0), (5, -180.0), (6, 135.0), (7, 90.0), (8, 45.0), (9, 0.0), (10, -45.0), (12, -90.0),
)  # fmt: skip
_DRAWING = AcrCtDrawing(
    numbers=Module(name="module 1", z_mm=(-20.0, 20.0), body_hu=2.0),
    low_contrast=Module(name="module 2", z_mm=(20.0, 60.0), body_hu=90.0),
    uniformity=Module(name="module 3", z_mm=(60.0, 100.0), body_hu=2.0),
    resolution=Module(name="module 4", z_mm=(100.0, 140.0), body_hu=90.0),
    inserts=tuple(
        Insert(name=name, center_mm=at(_RODS_MM, degrees), radius_mm=radius, nominal_hu=value)
        for name, degrees, radius, value in _MATERIALS
    ),
    large_rod=ContrastRod(percent=0.6, diameter_mm=25.0, center_mm=at(60.0, -90.0)),
    background_mm=at(60.0, -115.0),
    beads=(at(20.0, -45.0), at(80.0, 135.0)),
    bars=tuple(
        BarGroup(
            per_cm=per_cm,
            n_bars=round(PATTERN_MM * per_cm / 10),
            center_mm=at(_BARS_MM, degrees),
            angle_rad=math.radians(degrees + 90.0),
            height_mm=PATTERN_MM,
        )
        for per_cm, degrees in _PATTERNS
    ),
)


def acr_ct_drawing() -> AcrCtDrawing:
    """The drawing of the ACR CT phantom.

    Returns
    -------
    AcrCtDrawing
        Where everything is.

    Examples
    --------
    >>> from imgtech.phantoms.twins import acr_ct_drawing
    >>> [group.per_cm for group in acr_ct_drawing().bars]
    [4, 5, 6, 7, 8, 9, 10, 12]
    """
    return _DRAWING


def acr_ct(*, hu: Mapping[str, float] | None = None, low_contrast_hu: float = 6.0) -> Twin:
    """A digital ACR CT phantom.

    Parameters
    ----------
    hu : mapping of str to float, optional
        Other CT numbers than the nominal ones, by the name of an insert or module.
    low_contrast_hu : float, optional
        Contrast of the 25 mm rod.

    Returns
    -------
    Twin
        ``facts`` holds the CT number of every insert and module by its name, and the contrast.

    Raises
    ------
    ValueError
        If ``hu`` names something that is not there.

    Examples
    --------
    >>> from imgtech.phantoms.twins import acr_ct
    >>> acr_ct(hu={"bone": 900.0}).facts["bone"]
    900.0
    """
    d = _DRAWING
    modules = (d.numbers, d.low_contrast, d.uniformity, d.resolution)
    facts = {i.name: i.nominal_hu for i in d.inserts} | {m.name: m.body_hu for m in modules}
    for name, value in (hu or {}).items():
        facts[one_of("hu", name, tuple(facts))] = float(value)
    solids: dict[str, Solid] = {
        m.name: Rod(value_hu=facts[m.name] - AIR_HU, center_mm=(0, 0), radius_mm=RADIUS_MM, z_mm=m.z_mm)
        for m in modules
    }
    for insert in d.inserts:
        solids[insert.name] = Rod(
            value_hu=facts[insert.name] - facts[d.numbers.name],
            center_mm=insert.center_mm,
            radius_mm=insert.radius_mm,
            z_mm=d.numbers.z_mm,
        )
    solids["25 mm rod"] = Rod(
        value_hu=low_contrast_hu,
        center_mm=d.large_rod.center_mm,
        radius_mm=d.large_rod.diameter_mm / 2,
        z_mm=d.low_contrast.z_mm,
    )
    for i, (v, u) in enumerate(d.beads):
        solids[f"bead {i + 1}"] = Bead(
            value_hu=150000.0, center_mm=(d.uniformity.middle_mm, v, u), diameter_mm=_BEAD_MM
        )
    z_bars = (d.resolution.z_mm[0] + 1.0, d.resolution.z_mm[1] - 1.0)
    for group in d.bars:
        width = 5.0 / group.per_cm
        for i in range(group.n_bars):
            step = (2 * i - group.n_bars + 1) * width
            solids[f"{group.per_cm} lp/cm bar {i + 1}"] = Block(
                value_hu=_BAR_HU,
                center_mm=(
                    group.center_mm[0] + step * math.sin(group.angle_rad),
                    group.center_mm[1] + step * math.cos(group.angle_rad),
                ),
                size_mm=(group.height_mm, width),
                angle_rad=group.angle_rad,
                z_mm=z_bars,
            )
    return Twin(
        name="ACR CT 464", solids=solids, facts=facts | {"25 mm rod contrast": float(low_contrast_hu)}
    )


def water_phantom(
    *, radius_mm: float = 100.0, length_mm: float = 60.0, water_hu: float = 0.0, wall_mm: float = 5.0
) -> Twin:
    """A cylinder of water with an acrylic wall.

    Parameters
    ----------
    radius_mm, length_mm : float, optional
        Outer radius and length.
    water_hu : float, optional
        CT number of the water.
    wall_mm : float, optional
        Thickness of the wall, of 120 HU.

    Returns
    -------
    Twin
        ``facts`` holds the CT number of the water.

    Raises
    ------
    ValueError
        If the wall leaves no water.

    Examples
    --------
    >>> from imgtech.phantoms.twins import water_phantom
    >>> water_phantom(radius_mm=150.0).facts["water"]
    0.0
    """
    z = (-length_mm / 2, length_mm / 2)
    return Twin(
        name="water phantom",
        solids={
            "wall": Rod(value_hu=120.0 - AIR_HU, center_mm=(0, 0), radius_mm=radius_mm, z_mm=z),
            "water": Rod(value_hu=water_hu - 120.0, center_mm=(0, 0), radius_mm=radius_mm - wall_mm, z_mm=z),
        },
        facts={"water": float(water_hu)},
    )
