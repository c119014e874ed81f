"""What is measured on a CatPhan, item by item."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from imgtech.phantoms.twins import CatPhanDrawing, ContrastRod, Insert
from imgtech.phantoms.twins.catphan import HOLE_RADIUS_MM, HOLE_SPACING_MM
from imgtech.qc.limit import Source
from imgtech.qc.measurement import Measurement
from imgtech.qc.metrics import MTF, disk_mtf
from imgtech.qc.protocols._catphan_ramps import RISE
from imgtech.qc.protocols._catphan_scan import CatPhanScan
from imgtech.qc.protocols._ct_disks import disk_scatter
from imgtech.qc.protocols._ct_inserts import SPILL_DOUBT, check_top, insert_mean, lost_share
from imgtech.qc.protocols._ct_pose_items import pose_items
from imgtech.qc.protocols._ct_rods import find_rod, patch_grid, window
from imgtech.qc.protocols._ct_uniform import CHAO, ONE_SIDED_95, UniformField, uniform_items
from imgtech.qc.protocols._items import Item
from imgtech.qc.roi import disk_region, region_mean

Floats = npt.NDArray[np.float64]

INSERT_ROI_MM = 4.2
MTF_REACH_MM = 7.0
CENTRAL_MM = 7.5
BACKGROUND_GAP_MM = 2.0
BACKGROUND_RING_MM = 5.0
LINES = {"top": (0, 1), "left": (1, 2), "bottom": (2, 3), "right": (3, 0)}
_ROD_PART = 0.7

MANUAL = Source(document="Catphan manual, The Phantom Laboratory", edition="2017", clause="CTP404 module")
_SECTION = dataclasses.replace(MANUAL, clause="scan slice geometry", verified=False)
_LINEARITY = dataclasses.replace(MANUAL, clause="spatial linearity of pixel size verification")
_TG233 = Source(document="AAPM Report 233", edition="2019", clause="task transfer function", verified=False)


def catphan_items(scan: CatPhanScan) -> Iterator[Item]:
    """Everything that can be measured, in the order of the modules."""
    for insert in scan.drawing.inserts:
        yield Item(
            name=f"CT number {insert.name}",
            unit="HU",
            algorithm="rod-mean-3",
            definition=MANUAL,
            measure=lambda insert=insert: _insert(scan, insert),  # type: ignore[misc]
        )
    yield Item(
        name="CT number scale",
        unit="1",
        algorithm="ct-number-slope-1",
        definition=MANUAL,
        measure=lambda: _scale(scan),
    )
    if scan.drawing.ramps:
        yield Item(
            name="slice thickness",
            unit="mm",
            algorithm="wire-ramps-box-fit-1",
            definition=_SECTION,
            measure=lambda: _thickness(scan),
        )
        yield Item(
            name="slice increment",
            unit="mm",
            algorithm="wire-ramps-shift-1",
            definition=_SECTION,
            measure=lambda: _increment(scan),
        )
    if scan.drawing.holes:
        for name in LINES:
            yield Item(
                name=f"line {name}",
                unit="mm",
                algorithm="hole-centroids-1",
                definition=_LINEARITY,
                measure=lambda name=name: _line(scan, name),  # type: ignore[misc]
            )
    yield from pose_items(scan, scan.rods)
    yield from uniform_items(scan, uniform_field(scan))
    for level in (0.5, 0.1):
        yield Item(
            name=f"MTF{100 * level:g} Teflon rod",
            unit="1/mm",
            algorithm="disk-laguerre-1",
            definition=_TG233,
            measure=lambda level=level: _level_of_mtf(scan, level),  # type: ignore[misc]
        )
    for rod in scan.drawing.rods:
        if rod.percent == 1.0 and rod.diameter_mm >= 5.0:
            yield Item(
                name=f"contrast 1 % rod {rod.diameter_mm:g} mm",
                unit="HU",
                algorithm="rod-contrast-2",
                definition=CHAO,
                measure=lambda rod=rod: _contrast(scan, rod),  # type: ignore[misc]
            )


def sensitometry_slices(scan: CatPhanScan) -> npt.NDArray[np.intp]:
    """Slices whose mean shows the inserts."""
    return scan.inside(scan.drawing.sensitometry, CENTRAL_MM)


def uniform_field(scan: CatPhanScan) -> UniformField:
    """The uniform module of a scan and its regions."""
    return uniform_field_of(scan.drawing)


def uniform_field_of(drawing: CatPhanDrawing) -> UniformField:
    """The uniform module of a drawing and its regions."""
    return UniformField(
        module=drawing.uniformity,
        radius_mm=66.0,
        roi_mm=8.0,
        distance_mm=53.0,
        noise_mm=25.0,
        square_mm=44.0,
        half_mm=CENTRAL_MM,
    )


@lru_cache(maxsize=32)
def _insert(scan: CatPhanScan, insert: Insert) -> Measurement:
    return insert_mean(
        scan,
        insert,
        sensitometry_slices(scan),
        uniform_field(scan),
        region_mm=INSERT_ROI_MM,
        blur_mm=_blur_mm(scan),
        definition=MANUAL,
    )


def _scale(scan: CatPhanScan) -> Measurement:
    """Slope of the measured CT numbers against the nominal ones."""
    found = [(insert.nominal_hu, _insert(scan, insert)) for insert in scan.drawing.inserts]
    x = np.array([nominal for nominal, _ in found])
    y = np.array([m.value for _, m in found], dtype=np.float64)
    slope, offset = (float(c) for c in np.polyfit(x, y, 1))
    left = y - slope * x - offset
    spread = math.sqrt(float(left @ left) / (len(x) - 2) / float(((x - x.mean()) ** 2).sum()))
    own = float(np.sqrt(np.mean([float(m.uncertainty or 0.0) ** 2 for _, m in found])))
    least = own / math.sqrt(float(((x - x.mean()) ** 2).sum()))
    return Measurement(
        name="CT number scale",
        value=slope,
        uncertainty=max(spread, least),
        definition=MANUAL,
        algorithm="ct-number-slope-1",
        degrees_of_freedom=len(x) - 2,
        details={"offset (HU)": offset, "correlation": float(np.corrcoef(x, y)[0, 1])},
    )


def _thickness(scan: CatPhanScan) -> Measurement:
    inner = set(scan.inside(scan.drawing.sensitometry, CENTRAL_MM).tolist())
    used = [part for part in scan.lit if part.slice_index in inner]
    if len(used) < 4:
        raise ValueError(f"only {len(used)} wires stand out of the noise in the central slices, needed 4")
    values = RISE * np.array([part.corrected_mm for part in used])
    middle = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - middle)))
    values = values[np.abs(values - middle) <= max(4 * spread, 0.05)]
    blur = float(np.median([part.blur_mm for part in used]))
    raw = RISE * float(np.mean([part.fwhm_mm for part in used]))
    value = float(values.mean())
    doubt = 0.25 * abs(raw - value)
    return Measurement(
        name="slice thickness",
        value=value,
        unit="mm",
        uncertainty=math.hypot(float(values.std(ddof=1)) / math.sqrt(len(values)), doubt),
        definition=_SECTION,
        algorithm="wire-ramps-box-fit-1",
        degrees_of_freedom=len(values) - 1,
        details={
            "nominal (mm)": scan.thickness_mm,
            "blur included (mm)": raw,
            "blur, standard deviation (mm)": blur,
            "wires": len(values),
        },
    )


def _increment(scan: CatPhanScan) -> Measurement:
    if scan.increment is None:
        raise ValueError("the wire ramps do not show in enough slices to follow them")
    scale, spread, freedom = scan.increment
    nominal = float(np.median(np.diff(scan.series.positions_mm)))
    return Measurement(
        name="slice increment",
        value=scale * nominal,
        unit="mm",
        uncertainty=spread * nominal,
        definition=_SECTION,
        algorithm="wire-ramps-shift-1",
        degrees_of_freedom=freedom,
        details={"nominal (mm)": nominal},
    )


@lru_cache(maxsize=8)
def _holes(scan: CatPhanScan) -> Floats:
    """Centres of the holes in every slice of the module, ``(slice, hole, 2)``."""
    indices = scan.inside(scan.drawing.sensitometry)
    found = []
    for index in indices:
        image, only = scan.pixels[index].astype(np.float64), np.array([index])
        row = []
        for hole in scan.drawing.holes:
            place = find_rod(image, scan.grid, scan.place(only, hole), HOLE_RADIUS_MM)
            if place.clear:
                row.append(place.center_mm)
        if len(row) == len(scan.drawing.holes):
            found.append(row)
    if not found:
        raise ValueError("in no slice all four holes of the 50 mm square stand out of the noise")
    return np.array(found)


def _line(scan: CatPhanScan, name: str) -> Measurement:
    a, b = LINES[name]
    holes = _holes(scan)
    lengths = np.hypot(*(holes[:, a] - holes[:, b]).T)
    n = len(lengths)
    # the scatter of all four lines: few slices show that of one badly
    every = np.stack([np.hypot(*(holes[:, i] - holes[:, j]).T) for i, j in LINES.values()])
    if n >= 3:
        freedom = 4.0 * (n - 1)
        spread = math.sqrt(float(every.var(axis=1).sum()) * n / freedom / n)
    else:
        spread = float(np.sqrt(np.mean((every - HOLE_SPACING_MM) ** 2) / n))
        freedom = 4.0 * n
    return Measurement(
        name=f"line {name}",
        value=float(lengths.mean()),
        unit="mm",
        uncertainty=spread,
        definition=_LINEARITY,
        algorithm="hole-centroids-1",
        degrees_of_freedom=freedom,
        details={"nominal (mm)": HOLE_SPACING_MM, "images": n},
    )


def _level_of_mtf(scan: CatPhanScan, level: float) -> Measurement:
    rod = next(insert for insert in scan.drawing.inserts if insert.name == "Teflon")
    indices = scan.inside(scan.drawing.sensitometry, scan.sharp_mm(CENTRAL_MM))
    check_top(scan, indices, rod)
    return _mtf(scan).at(level)


@lru_cache(maxsize=8)
def _mtf(scan: CatPhanScan) -> MTF:
    """From the rim of the Teflon rod, which is the brightest."""
    rod = next(insert for insert in scan.drawing.inserts if insert.name == "Teflon")
    indices = scan.inside(scan.drawing.sensitometry, scan.sharp_mm(CENTRAL_MM))
    center = scan.place(indices, rod.center_mm)
    box, grid = patch_grid(scan.grid, center, rod.radius_mm + MTF_REACH_MM)
    return disk_mtf(scan.image(indices)[box], grid, center_mm=center, radius_mm=rod.radius_mm)


@lru_cache(maxsize=8)
def _blur_mm(scan: CatPhanScan) -> float:
    """Standard deviation of the blur: of the rim of the Teflon rod; where that fails, across the wires."""
    try:
        half = _mtf(scan).at(0.5).value
    except ValueError:
        half = None
    return scan.blur_mm if not half else math.sqrt(math.log(2) / 2) / math.pi / half


def _contrast(scan: CatPhanScan, rod: ContrastRod) -> Measurement:
    """Mean well inside a rod minus that of the ring around, over the whole module."""
    indices = scan.inside(scan.drawing.low_contrast)
    image, center = scan.image(indices), scan.place(indices, rod.center_mm)
    radius = rod.diameter_mm / 2
    box, y, x = window(scan.grid, center, radius + BACKGROUND_GAP_MM + BACKGROUND_RING_MM)
    r = np.hypot(y - center[0], x - center[1])
    own = _neighbours(scan, rod, indices, y, x)
    inside = r <= _ROD_PART * radius
    around = (r >= radius + BACKGROUND_GAP_MM) & ~own
    if inside.sum() < 3 or around.sum() < 30:
        raise ValueError(f"the rod of {rod.diameter_mm:g} mm holds {int(inside.sum())} pixels, needed 3")
    patch = image[box]
    region = disk_region(scan.grid, center_mm=center, radius_mm=_ROD_PART * radius)
    lost = lost_share(scan.grid, region, scan.places(indices, rod.center_mm), radius, _blur_mm(scan))
    value = (region_mean(image, region) - float(patch[around].mean())) / (1 - lost)
    alike = disk_scatter(image, scan.grid, scan.place(indices, (0.0, 0.0)), 40.0, _ROD_PART * radius)
    spread = math.hypot(alike.deviation_hu, SPILL_DOUBT * lost * value) / (1 - lost)
    return Measurement(
        name="contrast",
        value=value,
        unit="HU",
        uncertainty=spread * math.sqrt(1 + inside.sum() / around.sum()),
        definition=CHAO,
        algorithm="rod-contrast-2",
        degrees_of_freedom=alike.degrees_of_freedom,
        details={
            "images": len(indices),
            "seen": "yes" if value > 2 * ONE_SIDED_95 * spread else "no",
            "contrast to noise of a slice": value / max(_noise_of_a_slice(scan, indices), 1e-9),
        },
    )


def _noise_of_a_slice(scan: CatPhanScan, indices: npt.NDArray[np.intp]) -> float:
    index = indices[len(indices) // 2]
    center = scan.place(np.array([index]), (0.0, 0.0))
    box, y, x = window(scan.grid, center, 15.0)
    values = scan.pixels[index][box][np.hypot(y - center[0], x - center[1]) <= 15.0]
    return float(values.std(ddof=1))


def _neighbours(
    scan: CatPhanScan, rod: ContrastRod, indices: npt.NDArray[np.intp], y: Floats, x: Floats
) -> npt.NDArray[np.bool_]:
    """Pixels in or near other rods."""
    near = np.zeros(np.broadcast_shapes(y.shape, x.shape), dtype=bool)
    for other in scan.drawing.rods:
        if other is not rod:
            cy, cx = scan.place(indices, other.center_mm)
            near |= np.hypot(y - cy, x - cx) <= other.diameter_mm / 2 + BACKGROUND_GAP_MM
    return near
