"""What is measured on a CatPhan, item by item."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from imgtech.phantoms.twins import ContrastRod, Insert, blurred_disk
from imgtech.phantoms.twins.catphan import HOLE_RADIUS_MM, HOLE_SPACING_MM
from imgtech.qc.limit import Source
from imgtech.qc.measurement import Measurement
from imgtech.qc.metrics import NPS, ct_noise, edge_centre_uniformity, noise_power_spectrum
from imgtech.qc.protocols._catphan_ramps import RISE
from imgtech.qc.protocols._catphan_scan import CatPhanScan
from imgtech.qc.protocols._ct_disks import DiskScatter, disk_scatter, pooled_scatter
from imgtech.qc.protocols._ct_rods import find_rod, window
from imgtech.qc.protocols._items import Item
from imgtech.qc.roi import disk_region, region_mean

Floats = npt.NDArray[np.float64]

INSERT_ROI_MM = 4.2
UNIFORM_FIELD_MM = 66.0
UNIFORM_ROI_MM = 8.0
UNIFORM_DISTANCE_MM = 53.0
NOISE_ROI_MM = 25.0
NPS_SIDE_MM = 44.0
DETECT_MM = 5.0
CENTRAL_MM = 7.5
BACKGROUND_GAP_MM = 2.0
BACKGROUND_RING_MM = 5.0
SIDES = {"top": -90.0, "right": 0.0, "bottom": 90.0, "left": 180.0}
LINES = {"top": (0, 1), "left": (1, 2), "bottom": (2, 3), "right": (3, 0)}
ONE_SIDED_95 = 1.645
_SPILL_DOUBT = 0.3
_ROD_PART = 0.7

MANUAL = Source(document="Catphan manual, The Phantom Laboratory", edition="2017", clause="CTP404 module")
_SECTION = dataclasses.replace(MANUAL, clause="scan slice geometry", verified=False)
_LINEARITY = dataclasses.replace(MANUAL, clause="spatial linearity of pixel size verification")
_POSITION = dataclasses.replace(MANUAL, clause="phantom position verification")
_CTP486 = dataclasses.replace(MANUAL, clause="CTP486 image uniformity module", verified=False)
_ICRU = Source(document="ICRU Report 87", edition="2012", clause="equation 11", verified=False)
_CHAO = Source(
    document="E. H. Chao et al., A statistical method of defining low contrast detectability",
    edition="RSNA 2000",
    verified=False,
)


def catphan_items(scan: CatPhanScan) -> Iterator[Item]:
    """Everything that can be measured, in the order of the modules."""
    for insert in scan.drawing.inserts:
        yield Item(
            name=f"CT number {insert.name}",
            unit="HU",
            algorithm="rod-mean-1",
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
    yield Item(name="roll", unit="deg", algorithm="rods-rigid-1", definition=_POSITION,
               measure=lambda: _roll(scan))  # fmt: skip
    for axis, name in enumerate(("tilt up-down", "tilt left-right")):
        yield Item(
            name=name,
            unit="deg",
            algorithm="outline-line-1",
            definition=_POSITION,
            measure=lambda axis=axis: _tilt(scan, axis),  # type: ignore[misc]
        )
    yield Item(name="CT number centre", unit="HU", algorithm="disk-mean-1", definition=_CTP486,
               measure=lambda: _centre(scan))  # fmt: skip
    for side in SIDES:
        yield Item(
            name=f"{side} minus centre",
            unit="HU",
            algorithm="edge-centre-uniformity-1",
            definition=_CTP486,
            measure=lambda side=side: _uniformity(scan, side),  # type: ignore[misc]
        )
    yield Item(name="noise", unit="HU", algorithm="ct-noise-1", definition=_CTP486,
               measure=lambda: _noise(scan))  # fmt: skip
    yield Item(name="NPS peak frequency", unit="1/mm", algorithm="nps-finite-region-corrected-1",
               definition=_ICRU, measure=lambda: _nps(scan).peak_frequency())  # fmt: skip
    yield Item(name="NPS mean frequency", unit="1/mm", algorithm="nps-finite-region-corrected-1",
               definition=_ICRU, measure=lambda: _nps(scan).mean_frequency())  # fmt: skip
    yield Item(
        name=f"lowest detectable contrast {DETECT_MM:g} mm",
        unit="HU",
        algorithm="disk-means-95-1",
        definition=_CHAO,
        measure=lambda: _detectable(scan),
    )
    for rod in scan.drawing.rods:
        if rod.percent == 1.0 and rod.diameter_mm >= 5.0:
            yield Item(
                name=f"contrast 1 % rod {rod.diameter_mm:g} mm",
                unit="HU",
                algorithm="rod-contrast-1",
                definition=_CHAO,
                measure=lambda rod=rod: _contrast(scan, rod),  # type: ignore[misc]
            )


def place_of(scan: CatPhanScan, indices: npt.NDArray[np.intp], point: tuple[float, float]) -> tuple[float, float]:
    """Image position of a point of the drawing in the mean of slices."""
    y, x = scan.pose(indices).to_image_mm(*point)
    return float(y), float(x)


def sensitometry_slices(scan: CatPhanScan) -> npt.NDArray[np.intp]:
    """Slices whose mean shows the inserts."""
    return scan.inside(scan.drawing.sensitometry, CENTRAL_MM)


def uniform_slices(scan: CatPhanScan) -> npt.NDArray[np.intp]:
    """Slices whose mean shows the uniform module, as many as of the inserts where there are."""
    near = scan.inside(scan.drawing.uniformity)
    wanted = len(scan.inside(scan.drawing.sensitometry, CENTRAL_MM))
    order = np.argsort(np.abs(scan.z_mm[near] - scan.drawing.uniformity.middle_mm))
    return np.sort(near[order[:wanted]])


@lru_cache(maxsize=8)
def _scatter(scan: CatPhanScan, radius_mm: float) -> DiskScatter:
    """Of disks in the mean of slices of the uniform module."""
    indices = uniform_slices(scan)
    return disk_scatter(
        scan.image(indices), scan.grid, place_of(scan, indices, (0.0, 0.0)), UNIFORM_FIELD_MM, radius_mm
    )


def _insert(scan: CatPhanScan, insert: Insert) -> Measurement:
    indices = sensitometry_slices(scan)
    image, center = scan.image(indices), place_of(scan, indices, insert.center_mm)
    region = disk_region(scan.grid, center_mm=center, radius_mm=INSERT_ROI_MM)
    box, y, x = window(scan.grid, center, INSERT_ROI_MM)
    values = image[box][np.hypot(y - center[0], x - center[1]) <= INSERT_ROI_MM]
    pixel = float(values.std(ddof=1))
    try:
        scatter = _scatter(scan, INSERT_ROI_MM)
        share = scatter.deviation_hu / max(scatter.pixel_hu, 1e-9)
        freedom = min(scatter.degrees_of_freedom, len(values) / 3)
    except ValueError:  # no uniform module in the scan: as if neighbouring pixels were one
        share, freedom = 2.0 / math.sqrt(len(values)), max(len(values) / 4 - 1, 2.0)
    mean, lost = region_mean(image, region), _lost(scan, insert.radius_mm, INSERT_ROI_MM)
    spill = (mean - find_rod(image, scan.grid, center, insert.radius_mm).around_hu) * lost / (1 - lost)
    return Measurement(
        name=insert.name,
        value=mean + spill,
        unit="HU",
        uncertainty=math.hypot(share * pixel, _SPILL_DOUBT * spill),
        definition=MANUAL,
        algorithm="rod-mean-1",
        degrees_of_freedom=freedom,
        details={
            "nominal (HU)": insert.nominal_hu,
            "standard deviation (HU)": pixel,
            "added for the blurred edge (HU)": spill,
            "images": len(indices),
        },
    )


def _lost(scan: CatPhanScan, radius_mm: float, region_mm: float) -> float:
    """Share of the contrast of a rod that its blurred edge takes from the mean of a region inside."""
    if not scan.lit:
        return 0.0
    blur = float(np.median([part.blur_mm for part in scan.lit]))
    r = (np.arange(200) + 0.5) / 200 * region_mm
    return max(1 - float(np.average(blurred_disk(r, radius_mm, blur), weights=r)), 0.0)


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
            place = find_rod(image, scan.grid, place_of(scan, only, hole), HOLE_RADIUS_MM)
            if not place.clear:
                raise ValueError("a hole of the 50 mm square does not stand out of the noise")
            row.append(place.center_mm)
        found.append(row)
    return np.array(found)


def _line(scan: CatPhanScan, name: str) -> Measurement:
    a, b = LINES[name]
    holes = _holes(scan)
    lengths = np.hypot(*(holes[:, a] - holes[:, b]).T)
    n = len(lengths)
    if n >= 3:
        spread, freedom = float(lengths.std(ddof=1)) / math.sqrt(n), float(n - 1)
    else:  # too few slices to see the scatter of one line: that of all four
        every = np.stack([np.hypot(*(holes[:, i] - holes[:, j]).T) for i, j in LINES.values()])
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


def _roll(scan: CatPhanScan) -> Measurement:
    return Measurement(
        name="roll",
        value=math.degrees(scan.rods.angle_rad),
        unit="deg",
        uncertainty=math.degrees(scan.rods.angle_uncertainty_rad),
        definition=_POSITION,
        algorithm="rods-rigid-1",
        degrees_of_freedom=max(2 * scan.rods.n - 3, 1),
        details={"rods": scan.rods.n, "scatter of the rods (mm)": scan.rods.scatter_mm},
    )


def _tilt(scan: CatPhanScan, axis: int) -> Measurement:
    n = len(scan.axis.positions_mm)
    if n < 4:
        raise ValueError(f"only {n} slices show the outline of the phantom, needed 4")
    return Measurement(
        name="tilt",
        value=math.degrees(math.atan(scan.axis.slope[axis])),
        unit="deg",
        uncertainty=math.degrees(scan.axis.slope_uncertainty),
        definition=_POSITION,
        algorithm="outline-line-1",
        degrees_of_freedom=n - 2,
        details={"slices": n},
    )


def _centre(scan: CatPhanScan) -> Measurement:
    indices = uniform_slices(scan)
    image, center = scan.image(indices), place_of(scan, indices, (0.0, 0.0))
    region = disk_region(scan.grid, center_mm=center, radius_mm=UNIFORM_ROI_MM)
    scatter = _scatter(scan, UNIFORM_ROI_MM)
    return Measurement(
        name="CT number centre",
        value=region_mean(image, region),
        unit="HU",
        uncertainty=scatter.deviation_hu,
        definition=_CTP486,
        algorithm="disk-mean-1",
        degrees_of_freedom=scatter.degrees_of_freedom,
        details={"images": len(indices)},
    )


def _uniformity(scan: CatPhanScan, side: str) -> Measurement:
    indices = uniform_slices(scan)
    image, center = scan.image(indices), place_of(scan, indices, (0.0, 0.0))
    turn = math.radians(SIDES[side])
    edge = (
        center[0] + UNIFORM_DISTANCE_MM * math.sin(turn),
        center[1] + UNIFORM_DISTANCE_MM * math.cos(turn),
    )
    regions = [
        disk_region(scan.grid, center_mm=place, radius_mm=UNIFORM_ROI_MM) for place in (center, edge)
    ]
    found = edge_centre_uniformity(image, regions[0], np.stack(regions[1:]))[0]
    scatter = _scatter(scan, UNIFORM_ROI_MM)
    return dataclasses.replace(
        found,
        uncertainty=math.sqrt(2) * scatter.deviation_hu,
        degrees_of_freedom=scatter.degrees_of_freedom,
    )


def _noise(scan: CatPhanScan) -> Measurement:
    """In every slice of the uniform module; the mean of the variances."""
    found = []
    for index in scan.inside(scan.drawing.uniformity):
        center = place_of(scan, np.array([index]), (0.0, 0.0))
        region = disk_region(scan.grid, center_mm=center, radius_mm=NOISE_ROI_MM)
        found.append(ct_noise(scan.pixels[index].astype(np.float64), region))
    values = np.array([m.value for m in found], dtype=np.float64)
    value = math.sqrt(float((values**2).mean()))
    own = math.sqrt(sum(float(m.uncertainty or 0.0) ** 2 for m in found)) / len(found)
    seen = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 4 else 0.0
    return dataclasses.replace(
        found[0],
        value=value,
        uncertainty=max(own, seen),
        degrees_of_freedom=sum(m.degrees_of_freedom for m in found),
        details={"images": len(found), "lowest (HU)": float(values.min()), "highest (HU)": float(values.max())},
    )


@lru_cache(maxsize=8)
def _nps(scan: CatPhanScan) -> NPS:
    """Of differences of neighbouring slices over the root of 2, in four squares around the axis each.

    What both slices show alike, cupping and rings, is not noise and falls out.
    """
    dy, dx = scan.grid.spacing_mm
    rows, columns = round(NPS_SIDE_MM / dy), round(NPS_SIDE_MM / dx)
    y, x = scan.grid.coordinates_mm
    indices = scan.inside(scan.drawing.uniformity)
    if len(indices) < 2:
        raise ValueError("only one slice lies in the uniform module, two are needed for a difference")
    patches = []
    for one, two in zip(indices[0::2], indices[1::2], strict=False):
        difference = (scan.pixels[one].astype(np.float64) - scan.pixels[two]) / math.sqrt(2)
        cy, cx = place_of(scan, np.array([one]), (0.0, 0.0))
        middle, side = int(np.searchsorted(y, cy)), int(np.searchsorted(x, cx))
        for top in (middle - rows, middle):
            for left in (side - columns, side):
                patch = difference[max(top, 0) : top + rows, max(left, 0) : left + columns]
                if patch.shape == (rows, columns):
                    patches.append(patch)
    if not patches:
        raise ValueError(f"no square of {NPS_SIDE_MM:g} mm of the uniform module lies in the image")
    return noise_power_spectrum(np.stack(patches), (dy, dx), detrend="quadratic")


def _detectable(scan: CatPhanScan) -> Measurement:
    """2 x 1.645 standard deviations of the means of disks in single slices."""
    indices = scan.inside(scan.drawing.uniformity)
    scatter = pooled_scatter(
        [scan.pixels[i].astype(np.float64) for i in indices],
        scan.grid,
        [place_of(scan, np.array([i]), (0.0, 0.0)) for i in indices],
        UNIFORM_FIELD_MM,
        DETECT_MM / 2,
    )
    value = 2 * ONE_SIDED_95 * scatter.deviation_hu
    return Measurement(
        name="lowest detectable contrast",
        value=value,
        unit="HU",
        uncertainty=value / math.sqrt(2 * scatter.degrees_of_freedom),
        definition=_CHAO,
        algorithm="disk-means-95-1",
        degrees_of_freedom=scatter.degrees_of_freedom,
        details={"images": len(indices), "disks": scatter.degrees_of_freedom},
    )


def _contrast(scan: CatPhanScan, rod: ContrastRod) -> Measurement:
    """Mean well inside a rod minus that of the ring around, over the whole module."""
    indices = scan.inside(scan.drawing.low_contrast)
    image, center = scan.image(indices), place_of(scan, indices, rod.center_mm)
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
    lost = _lost(scan, radius, _ROD_PART * radius)
    value = (region_mean(image, region) - float(patch[around].mean())) / (1 - lost)
    alike = disk_scatter(image, scan.grid, place_of(scan, indices, (0.0, 0.0)), 40.0, _ROD_PART * radius)
    spread = math.hypot(alike.deviation_hu, _SPILL_DOUBT * lost * value) / (1 - lost)
    return Measurement(
        name="contrast",
        value=value,
        unit="HU",
        uncertainty=spread * math.sqrt(1 + inside.sum() / around.sum()),
        definition=_CHAO,
        algorithm="rod-contrast-1",
        degrees_of_freedom=alike.degrees_of_freedom,
        details={
            "images": len(indices),
            "seen": "yes" if value > 2 * ONE_SIDED_95 * spread else "no",
            "contrast to noise of a slice": value / max(_noise_of_a_slice(scan, indices), 1e-9),
        },
    )


def _noise_of_a_slice(scan: CatPhanScan, indices: npt.NDArray[np.intp]) -> float:
    index = indices[len(indices) // 2]
    center = place_of(scan, np.array([index]), (0.0, 0.0))
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
            cy, cx = place_of(scan, indices, other.center_mm)
            near |= np.hypot(y - cy, x - cx) <= other.diameter_mm / 2 + BACKGROUND_GAP_MM
    return near
