"""The ACR MRI accreditation phantoms, large and medium: their drawings and their twins.

Sources. [A] The published overview of the phantom: three arrays of holes of 1.1, 1.0 and 0.9 mm, as far apart
as they are wide; two counter-descending ramps of 1:10; 45-degree wedges; a 10 by 10 grid of 144 mm; inner
diameter 190 mm; four low-contrast sheets. [P] Distances of the slices, places of the hole arrays, radii,
angles and diameters of the low-contrast spokes, diameter 165 mm and hole arrays of the medium phantom, as
published in the open program pylinac 3.49. [H] Spokes turn by 9 degrees from slice to slice: the open program
hazen 2.0. [S] Read off open scans of a large phantom (the test data of hazen): sizes of block and inserts,
stagger of 0.2 mm between the rows of an array, places of arrays and low-contrast insert; along the axis, off
two sagittal localizers: the ends of the water, 30 mm below slice 1 and 18 mm above slice 11, and how far the
ramp block and the ring around the sheets go.
From memory and not checked: contrasts of the sheets (1.4, 2.5, 3.6 and 5.1 %). No scan of a medium phantom
was seen: what [P] does not tell of it is put where the large phantom has it, scaled to the smaller disk.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass

from imgtech._core.validate import finite, one_of, positive
from imgtech.phantoms.placed import pair
from imgtech.phantoms.twins.mr_solids import Cylinder, MrSolid, RampSlot, Slab, WedgeBar
from imgtech.phantoms.twins.mr_twin import MrTwin

Point = tuple[float, float]

WATER = 1000.0
SPOKE_RADII_MM = (12.75, 25.5, 38.25)
SPOKE_DIAMETERS_MM = tuple(7.0 - i * 5.5 / 9 for i in range(10))
CONTRASTS = {8: 0.014, 9: 0.025, 10: 0.036, 11: 0.051}
STAGGER_MM = 0.2
_NOMINAL_MM = 5.0
_SLOT_MM = 0.8
_BAR_WIDTH_MM = 5.7
_BLOCK_END_MM = 35.0


@dataclass(frozen=True, kw_only=True)
class AcrMriDrawing:
    """What is known of an ACR MRI phantom; v down, u to the right, z from slice 1 towards slice 11.

    Parameters
    ----------
    model : str
        ``"large"`` or ``"medium"``.
    radius_mm, length_mm : float
        Inner radius and length.
    roles_mm : dict of int to float
        z of the slices 1, 5, 7, 8, 9, 10 and 11.
    block_center_mm, block_size_mm : (float, float)
        The block with the ramps in slice 1.
    insert_center_mm, insert_size_mm : (float, float)
        The resolution insert.
    ring_center_mm, ring_radii_mm : (float, float)
        The ring at the upper left of slice 1.
    arrays : tuple of (float, (float, float))
        Diameter of the holes of every pair of arrays, and the hole that both share: the last of the upper
        left array and the first of the lower right one.
    foot_mm : float
        z of the inside of the end near slice 1.
    bars_top_mm, bars_length_mm : float
        v of the fixed end of the wedge bars, and their length where they are equal.
    sheet_center_mm : (float, float)
        Middle of the low-contrast insert.
    sheet_radius_mm, sheet_outer_mm : float
        Inner and outer radius of the ring that holds it.
    uniform_area_mm2 : float
        Area of the large region of the uniformity test.
    """

    model: str
    radius_mm: float
    length_mm: float
    roles_mm: dict[int, float]
    block_center_mm: Point
    block_size_mm: Point
    insert_center_mm: Point
    insert_size_mm: Point
    ring_center_mm: Point
    ring_radii_mm: Point
    arrays: tuple[tuple[float, Point], ...]
    foot_mm: float
    bars_top_mm: float
    bars_length_mm: float
    sheet_center_mm: Point
    sheet_radius_mm: float
    sheet_outer_mm: float
    uniform_area_mm2: float


_ROLES = {1: 0.0, 5: 40.0, 7: 60.0, 8: 70.0, 9: 80.0, 10: 90.0, 11: 100.0}
_DRAWINGS = {
    "large": AcrMriDrawing(
        model="large",
        radius_mm=95.0,
        length_mm=148.0,
        roles_mm=_ROLES,
        block_center_mm=(0.0, 0.0),
        block_size_mm=(11.5, 178.6),
        insert_center_mm=(38.2, -0.5),
        insert_size_mm=(38.0, 113.8),
        ring_center_mm=(-45.1, -45.2),
        ring_radii_mm=(12.5, 19.0),
        arrays=((1.1, (38.1, -13.8)), (1.0, (38.1, 9.15)), (0.9, (38.1, 32.1))),
        foot_mm=-30.0,
        bars_top_mm=-94.0,
        bars_length_mm=31.0,
        sheet_center_mm=(7.2, 0.0),
        sheet_radius_mm=44.5,
        sheet_outer_mm=51.0,
        uniform_area_mm2=20_000.0,
    ),
    "medium": AcrMriDrawing(
        model="medium",
        radius_mm=82.5,
        length_mm=134.0,
        roles_mm=_ROLES,
        block_center_mm=(0.0, 0.0),
        block_size_mm=(11.5, 153.6),
        insert_center_mm=(36.5, 0.0),
        insert_size_mm=(36.0, 112.0),
        ring_center_mm=(-39.2, -39.3),
        ring_radii_mm=(12.5, 19.0),
        arrays=((1.1, (35.8, -16.5)), (1.0, (35.8, 4.2)), (0.9, (35.8, 24.0)), (0.8, (35.8, 42.3))),
        foot_mm=-21.0,
        bars_top_mm=-81.5,
        bars_length_mm=25.0,
        sheet_center_mm=(5.0, 0.0),
        sheet_radius_mm=44.5,
        sheet_outer_mm=51.0,
        uniform_area_mm2=16_000.0,
    ),
}


def acr_mri_drawing(model: str) -> AcrMriDrawing:
    """The drawing of an ACR MRI phantom.

    Parameters
    ----------
    model : {"large", "medium"}
        Which.

    Returns
    -------
    AcrMriDrawing
        Where everything is.

    Raises
    ------
    ValueError
        If there is no such model.

    Examples
    --------
    >>> from imgtech.phantoms.twins import acr_mri_drawing
    >>> [diameter for diameter, _ in acr_mri_drawing("medium").arrays]
    [1.1, 1.0, 0.9, 0.8]
    """
    return _DRAWINGS[one_of("model", model, tuple(_DRAWINGS))]


def array_holes(diameter_mm: float, shared_mm: Point, *, upper: bool) -> tuple[tuple[Point, ...], ...]:
    """Centres ``(v, u)`` of the four rows of the upper left array, or the four columns of the lower right.

    Holes are two diameters apart; each row lies 0.2 mm further right than the one above it, each column
    0.2 mm lower than the one to its left.

    Examples
    --------
    >>> from imgtech.phantoms.twins import array_holes
    >>> rows = array_holes(1.0, (38.0, 9.0), upper=True)
    >>> rows[3][3], tuple(round(c, 3) for c in rows[2][3])
    ((38.0, 9.0), (36.0, 8.8))
    """
    v0, u0 = pair("shared_mm", shared_mm)
    step = 2 * positive("diameter_mm", diameter_mm)
    if upper:
        return tuple(
            tuple((v0 - (3 - r) * step, u0 - (3 - r) * STAGGER_MM - (3 - c) * step) for c in range(4))
            for r in range(4)
        )
    return tuple(tuple((v0 + c * STAGGER_MM + r * step, u0 + c * step) for r in range(4)) for c in range(4))


def spoke_centers(role: int) -> tuple[tuple[Point, ...], ...]:
    """Centres ``(v, u)``, from the middle of the insert, of the three disks of each of the ten spokes.

    Spoke 1 points up in slice 8 and 9 degrees further to the right in every following slice; the spokes
    follow clockwise, 36 degrees apart.

    Parameters
    ----------
    role : int
        Slice 8, 9, 10 or 11.

    Examples
    --------
    >>> from imgtech.phantoms.twins import spoke_centers
    >>> [round(c, 2) for c in spoke_centers(8)[0][2]]
    [-38.25, 0.0]
    """
    if role not in CONTRASTS:
        raise ValueError(f"role must be one of 8, 9, 10, 11, got {role}")
    found = []
    for spoke in range(10):
        angle = math.radians(-90.0 + 9.0 * (role - 8) + 36.0 * spoke)
        found.append(tuple((r * math.sin(angle), r * math.cos(angle)) for r in SPOKE_RADII_MM))
    return tuple(found)


def acr_mri(
    model: str = "large",
    *,
    diameter_mm: float | None = None,
    length_mm: float | None = None,
    ellipticity_mm: float = 0.0,
    tilt: float = 0.0,
    contrast_scale: float = 1.0,
    wedge_error_mm: float = 0.0,
) -> MrTwin:
    """A digital ACR MRI phantom.

    Parameters
    ----------
    model : {"large", "medium"}
        Which.
    diameter_mm : float, optional
        Vertical diameter; that of the drawing by default.
    length_mm : float, optional
        Inside length, end to end; that of the drawing by default. The end near slice 1 stays where it is.
    ellipticity_mm : float, optional
        How much longer the horizontal half axis is than the vertical one.
    tilt : float, optional
        Added to the slope of one ramp and taken off the other: a phantom tilted about its vertical axis.
    contrast_scale : float, optional
        Factor on the contrasts of the four sheets.
    wedge_error_mm : float, optional
        How far the wedges of slice 11 are from where they belong: a gradient along the axis that is off.

    Returns
    -------
    MrTwin
        ``facts`` holds the two diameters, the length and the contrast of every sheet in a slice of 5 mm.

    Raises
    ------
    ValueError
        If there is no such model, or a number is out of range.

    Examples
    --------
    >>> from imgtech.phantoms.twins import acr_mri
    >>> twin = acr_mri("large", ellipticity_mm=0.5)
    >>> twin.facts["horizontal diameter"], twin.facts["contrast of slice 11"]
    (191.0, 0.051)
    """
    drawing = acr_mri_drawing(model)
    half = positive("diameter_mm", 2 * drawing.radius_mm if diameter_mm is None else diameter_mm) / 2
    wide = half + finite("ellipticity_mm", ellipticity_mm)
    if wide <= 0:
        raise ValueError(f"ellipticity_mm must leave a positive half axis, got {ellipticity_mm}")
    finite("wedge_error_mm", wedge_error_mm)
    if not abs(finite("tilt", tilt)) < 0.05:
        raise ValueError(f"tilt must lie between -0.05 and 0.05, got {tilt}")
    scale = positive("contrast_scale", contrast_scale)
    if scale * max(CONTRASTS.values()) > 1:
        raise ValueError(f"contrast_scale must leave every contrast below 1, got {contrast_scale}")
    long = positive("length_mm", drawing.length_mm if length_mm is None else length_mm)
    body_z = (drawing.foot_mm, drawing.foot_mm + long)
    solids: dict[str, MrSolid] = {
        "water": Cylinder(signal=WATER, semi_axes_mm=(half, wide), z_mm=body_z),
        **_first_slice(drawing, tilt),
        **dict(_bars(drawing, wedge_error_mm)),
        **dict(_grid(drawing)),
        **dict(_sheets(drawing, scale, body_z[1])),
        "chimney": Slab(
            signal=-WATER,
            center_mm=(-drawing.radius_mm + 8.0, 0.0),
            size_mm=(15.0, 11.5),
            z_mm=(52.0, 68.0),
        ),
    }
    facts = {"vertical diameter": 2 * half, "horizontal diameter": 2 * wide, "length": long}
    facts |= {f"contrast of slice {role}": scale * c for role, c in CONTRASTS.items()}
    return MrTwin(name=f"ACR MRI {model}", solids=solids, facts=facts)


def _first_slice(drawing: AcrMriDrawing, tilt: float) -> dict[str, MrSolid]:
    z = (-9.0, 9.0)
    v, u = drawing.block_center_mm
    inner, outer = drawing.ring_radii_mm
    found: dict[str, MrSolid] = {
        "ramp block": Slab(
            signal=-WATER,
            center_mm=(v, u),
            size_mm=drawing.block_size_mm,
            z_mm=(drawing.foot_mm, _BLOCK_END_MM),
        ),
        "resolution insert": Slab(
            signal=-WATER, center_mm=drawing.insert_center_mm, size_mm=drawing.insert_size_mm, z_mm=z
        ),
        "ring": Cylinder(
            signal=-WATER, center_mm=drawing.ring_center_mm, semi_axes_mm=(outer, outer), z_mm=z
        ),
        "inside of the ring": Cylinder(
            signal=WATER, center_mm=drawing.ring_center_mm, semi_axes_mm=(inner, inner), z_mm=z
        ),
    }
    for name, side, slope in (("upper ramp", -1, 0.1 + tilt), ("lower ramp", 1, -0.1 + tilt)):
        found[name] = RampSlot(
            signal=WATER, center_mm=(v + 2.8 * side, u), width_mm=5.0, height_mm=_SLOT_MM, slope=slope
        )
    for diameter, shared in drawing.arrays:
        holes = {
            h for upper in (True, False) for row in array_holes(diameter, shared, upper=upper) for h in row
        }
        for i, center in enumerate(sorted(holes)):
            found[f"{diameter} mm hole {i + 1}"] = Cylinder(
                signal=WATER, center_mm=center, semi_axes_mm=(diameter / 2, diameter / 2), z_mm=z
            )
    return found


def _bars(drawing: AcrMriDrawing, error_mm: float) -> Iterator[tuple[str, MrSolid]]:
    for role, off in ((1, 0.0), (11, error_mm)):
        for name, side in (("left", -1.0), ("right", 1.0)):
            yield (
                f"{name} bar of slice {role}",
                WedgeBar(
                    signal=-WATER,
                    start_mm=(drawing.bars_top_mm, side * _BAR_WIDTH_MM / 2),
                    width_mm=_BAR_WIDTH_MM,
                    length_mm=drawing.bars_length_mm,
                    rise=side,
                    middle_mm=drawing.roles_mm[role] + off,
                ),
            )


def _grid(drawing: AcrMriDrawing) -> Iterator[tuple[str, MrSolid]]:
    z = (drawing.roles_mm[5] - 5.0, drawing.roles_mm[5] + 5.0)
    pitch = 14.4
    for i in range(100):
        v, u = ((k - 4.5) * pitch for k in divmod(i, 10))
        if math.hypot(abs(v) + pitch / 2, abs(u) + pitch / 2) > drawing.radius_mm - 3.0:
            continue  # cut off, as the corners of the grid are
        cell = Slab(signal=-WATER, center_mm=(v, u), size_mm=(pitch, pitch), z_mm=z)
        yield f"cell {i + 1}", cell
        inside = (pitch - 1.5, pitch - 1.5)
        yield f"water of cell {i + 1}", dataclasses.replace(cell, signal=WATER, size_mm=inside)


def _sheets(drawing: AcrMriDrawing, scale: float, top_mm: float) -> Iterator[tuple[str, MrSolid]]:
    v0, u0 = drawing.sheet_center_mm
    z = (drawing.roles_mm[8] - 5.0, top_mm)
    inner, outer = drawing.sheet_radius_mm, drawing.sheet_outer_mm
    yield "sheet ring", Cylinder(signal=-WATER, center_mm=(v0, u0), semi_axes_mm=(outer, outer), z_mm=z)
    yield "sheet water", Cylinder(signal=WATER, center_mm=(v0, u0), semi_axes_mm=(inner, inner), z_mm=z)
    for role, contrast in CONTRASTS.items():
        thick = scale * contrast * _NOMINAL_MM
        z = (drawing.roles_mm[role] - thick / 2, drawing.roles_mm[role] + thick / 2)
        sheet = Cylinder(signal=-WATER, center_mm=(v0, u0), semi_axes_mm=(inner, inner), z_mm=z)
        yield f"sheet {role}", sheet
        for i, (spoke, diameter) in enumerate(zip(spoke_centers(role), SPOKE_DIAMETERS_MM, strict=True)):
            for k, (v, u) in enumerate(spoke):
                yield (
                    f"sheet {role}, spoke {i + 1}, disk {k + 1}",
                    dataclasses.replace(
                        sheet,
                        signal=WATER,
                        center_mm=(v0 + v, u0 + u),
                        semi_axes_mm=(diameter / 2, diameter / 2),
                    ),
                )
