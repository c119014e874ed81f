"""What is measured on the ACR CT phantom, item by item."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from imgtech.phantoms.twins import AcrCtDrawing, BarGroup, Insert
from imgtech.phantoms.twins.acr_ct import BEADS_APART_MM
from imgtech.qc.limit import Source
from imgtech.qc.measurement import Measurement
from imgtech.qc.metrics import MTF, bar_modulation, cnr, disk_mtf, droege_morin_mtf
from imgtech.qc.pose import Pose
from imgtech.qc.protocols._acr_ct_scan import AcrCtScan
from imgtech.qc.protocols._ct_inserts import check_top, insert_mean
from imgtech.qc.protocols._ct_pose_items import pose_items
from imgtech.qc.protocols._ct_rods import patch_grid, window
from imgtech.qc.protocols._ct_uniform import UniformField, scatter_of_slices, uniform_items
from imgtech.qc.protocols._items import Item
from imgtech.qc.roi import disk_region, region_mean

Floats = npt.NDArray[np.float64]

INSERT_ROI_MM = math.sqrt(200.0 / math.pi)
CNR_ROI_MM = math.sqrt(100.0 / math.pi)
UNIFORM_ROI_MM = math.sqrt(400.0 / math.pi)
BAR_ROI_MM = 6.0
CENTRAL_MM = 7.5
_SEARCH_MM = 6.0
_BEAD_MM = 3.0
_OVER_NOISE = 6.0
_MTF_REACH_MM = 7.0
BARS_HALF_MM = 12.0
_CORRELATED = 1.5
_LEAST_PX = 0.01
_MOST_PHASE = 0.95
_LEAST_MTF = 0.0002  # how far the value without noise may lie from the truth on twins
_USUAL_BLUR_MM = 0.7
_BARS_ALGORITHM = "bars-tapered-disk-1, droege-morin-harmonics-3"
_ACR = Source(document="ACR Computed Tomography Quality Control Manual", edition="2017")
_CALIBRATION = dataclasses.replace(_ACR, clause="CT number calibration")
_CONTRAST = dataclasses.replace(_ACR, clause="low contrast performance", verified=False)
_DISTANCE = dataclasses.replace(_ACR, clause="in-plane distance accuracy, module 3", verified=False)
_TG233 = Source(document="AAPM Report 233", edition="2019", clause="task transfer function", verified=False)
_DROEGE = Source(
    document="Droege and Morin, Med Phys 9 (1982) 758", edition="1982", clause="equation 4", verified=False
)


def acr_ct_items(scan: AcrCtScan) -> Iterator[Item]:
    """Everything that is measured, in the order of the modules."""
    for insert in scan.drawing.inserts:
        yield Item(
            name=f"CT number {insert.name}",
            unit="HU",
            algorithm="rod-mean-3",
            definition=_CALIBRATION,
            measure=lambda insert=insert: _insert(scan, insert),  # type: ignore[misc]
        )
    yield from pose_items(scan, scan.rods)
    for level in (0.5, 0.1):
        yield Item(
            name=f"MTF{100 * level:g} bone rod",
            unit="1/mm",
            algorithm="disk-laguerre-1",
            definition=_TG233,
            measure=lambda level=level: _level_of_mtf(scan, level),  # type: ignore[misc]
        )
    yield Item(name="CNR", unit="1", algorithm="cnr-2", definition=_CONTRAST, measure=lambda: _cnr(scan))
    yield from uniform_items(scan, uniform_field(scan.drawing))
    yield Item(
        name="distance of the beads",
        unit="mm",
        algorithm="bead-centroids-1",
        definition=_DISTANCE,
        measure=lambda: _distance(scan),
    )
    for i, group in enumerate(scan.drawing.bars):
        yield Item(
            name=f"MTF {group.per_cm} lp/cm bars",
            unit="1",
            algorithm=_BARS_ALGORITHM,
            definition=_DROEGE,
            measure=lambda i=i: _bars(scan, i),  # type: ignore[misc]
        )


def uniform_field(drawing: AcrCtDrawing) -> UniformField:
    """Module 3 and its regions: 400 mm2, at the edge one diameter from the rim."""
    return UniformField(
        module=drawing.uniformity,
        radius_mm=88.0,
        roi_mm=UNIFORM_ROI_MM,
        distance_mm=66.0,
        noise_mm=UNIFORM_ROI_MM,
        square_mm=54.0,
        half_mm=CENTRAL_MM,
        beads_mm=drawing.uniformity.middle_mm,
    )


def _insert(scan: AcrCtScan, insert: Insert) -> Measurement:
    return insert_mean(
        scan,
        insert,
        scan.inside(scan.drawing.numbers, CENTRAL_MM),
        uniform_field(scan.drawing),
        region_mm=INSERT_ROI_MM,
        blur_mm=0.0,
        definition=_CALIBRATION,
    )


def _level_of_mtf(scan: AcrCtScan, level: float) -> Measurement:
    rod = next(insert for insert in scan.drawing.inserts if insert.name == "bone")
    check_top(scan, scan.inside(scan.drawing.numbers, scan.sharp_mm(CENTRAL_MM)), rod)
    return _rod_mtf(scan).at(level)


@lru_cache(maxsize=8)
def _rod_mtf(scan: AcrCtScan) -> MTF:
    rod = next(insert for insert in scan.drawing.inserts if insert.name == "bone")
    indices = scan.inside(scan.drawing.numbers, scan.sharp_mm(CENTRAL_MM))
    center = scan.place(indices, rod.center_mm)
    box, grid = patch_grid(scan.grid, center, rod.radius_mm + _MTF_REACH_MM)
    return disk_mtf(scan.image(indices)[box], grid, center_mm=center, radius_mm=rod.radius_mm)


def _cnr(scan: AcrCtScan) -> Measurement:
    """On the slice in the middle of module 2."""
    indices = scan.inside(scan.drawing.low_contrast)
    middle = indices[[int(np.argmin(np.abs(scan.z_mm[indices] - scan.drawing.low_contrast.middle_mm)))]]
    rod, around = (
        disk_region(scan.grid, center_mm=scan.place(middle, point), radius_mm=CNR_ROI_MM)
        for point in (scan.drawing.large_rod.center_mm, scan.drawing.background_mm)
    )
    found = cnr(scan.image(middle), rod, around)
    try:
        scatter = scatter_of_slices(scan, uniform_field(scan.drawing), CNR_ROI_MM)
    except ValueError:  # no uniform module in the scan
        return found
    means = math.sqrt(2) * scatter.deviation_hu / max(scatter.pixel_hu, 1e-9)
    noise = (found.value or 0.0) / math.sqrt(2 * found.degrees_of_freedom)
    return dataclasses.replace(found, uncertainty=math.hypot(means, noise))


def _distance(scan: AcrCtScan) -> Measurement:
    """Of the beads in the slices in which both stand out."""
    found, doubts = [], []
    indices = scan.inside(scan.drawing.uniformity)
    strongest = [_bead(scan, indices, bead) for bead in scan.drawing.beads]
    for index in indices:
        places = [_bead_in(scan, int(index), place) for place in strongest]
        if all(p is not None for p in places):
            (a, b) = (p for p in places if p is not None)
            found.append(math.hypot(a[0] - b[0], a[1] - b[1]))
            doubts.append(math.hypot(a[2], b[2]))
    if not found:
        raise ValueError("the two beads of module 3 do not stand out of the noise in one slice")
    n = len(found)
    weight = 1 / np.array(doubts) ** 2
    return Measurement(
        name="distance of the beads",
        value=float(np.average(found, weights=weight)),
        unit="mm",
        uncertainty=1 / math.sqrt(float(weight.sum())),
        definition=_DISTANCE,
        algorithm="bead-centroids-1",
        details={"nominal (mm)": BEADS_APART_MM, "images": n},
    )


def _bead(scan: AcrCtScan, indices: npt.NDArray[np.intp], bead: tuple[float, float]) -> tuple[float, float]:
    """The brightest point near where the drawing has a bead, over all slices of the module."""
    top = scan.pixels[indices].max(axis=0).astype(np.float64)
    center = scan.place(indices, bead)
    box, y, x = window(scan.grid, center, _SEARCH_MM)
    patch = np.where(np.hypot(y - center[0], x - center[1]) <= _SEARCH_MM, top[box], -np.inf)
    row, column = np.unravel_index(int(np.argmax(patch)), patch.shape)
    return float(y[row, 0]), float(x[0, column])


def _bead_in(scan: AcrCtScan, index: int, place: tuple[float, float]) -> tuple[float, float, float] | None:
    """Centroid of a bead in one slice and its uncertainty; None where it does not stand out.

    Noise n moves the centroid by ``n sqrt(sum(w^2 d^2)) / mass`` along one direction, for white noise;
    half as much again is taken, as neighbouring pixels are correlated.
    """
    doubt = 0.0
    image, (cy, cx) = scan.pixels[index].astype(np.float64), place
    for _ in range(4):
        box, y, x = window(scan.grid, (cy, cx), 3 * _BEAD_MM)
        r = np.hypot(y - cy, x - cx)
        ring = image[box][(r > _BEAD_MM) & (r < 3 * _BEAD_MM)]
        around, noise = float(np.median(ring)), float(ring.std(ddof=1))
        weight = np.clip(_BEAD_MM - r, 0.0, 1.0) * (image[box] - around)
        mass = float(weight.sum())
        if float(weight.max()) < _OVER_NOISE * noise or mass <= 0:
            return None
        cy, cx = float((weight * y).sum()) / mass, float((weight * x).sum()) / mass
        spread = np.clip(_BEAD_MM - r, 0.0, 1.0) ** 2 * r**2 / 2
        doubt = _CORRELATED * noise * math.sqrt(float(spread.sum())) / mass
    return cy, cx, max(doubt, _LEAST_PX * max(scan.grid.spacing_mm))


@lru_cache(maxsize=8)
def _bar_mtf(scan: AcrCtScan) -> MTF:
    """From the patterns that stand out; the contrast of bar and gap is twice that of their mean."""
    indices = _bar_slices(scan)
    image, center = scan.image(indices), scan.place(indices, (0.0, 0.0))
    plain = disk_region(scan.grid, center_mm=center, radius_mm=35.0)
    around = region_mean(image, plain)
    regions = {g.per_cm: _bar_region(scan, indices, g) for g in scan.drawing.bars}
    found = {k: bar_modulation(image, region, plain) for k, region in regions.items()}
    means = np.array([region_mean(image, region) - around for region in regions.values()])
    contrast = dataclasses.replace(
        next(iter(found.values())),
        name="bar contrast",
        value=2 * float(means.mean()),
        uncertainty=2 * float(means.std(ddof=1)) / math.sqrt(len(means)),
    )
    return droege_morin_mtf([k / 10 for k in regions], list(found.values()), contrast)


def _bars(scan: AcrCtScan, i: int) -> Measurement:
    mtf = _bar_mtf(scan)  # its first value is that at frequency 0
    phase, smear = _phase_and_smear(scan, scan.drawing.bars[i])
    spill = _spill(scan, scan.drawing.bars[i])
    raw, own = float(mtf.values[i + 1]), float(mtf.uncertainties[i + 1])
    value = smear * math.sqrt(max(raw**2 - spill**2, 0.0))
    return Measurement(
        name="MTF",
        value=value,
        uncertainty=math.hypot(smear * own, max((smear * raw - value) / 2, _LEAST_MTF), phase * value),
        definition=_DROEGE,
        algorithm=_BARS_ALGORITHM,
        details={
            "relative uncertainty by the phase of the bars": phase,
            "factor for the tilt": smear,
            "edge of the pattern, taken off in squares": spill,
        },
    )


def _bar_slices(scan: AcrCtScan) -> npt.NDArray[np.intp]:
    return scan.inside(scan.drawing.resolution, scan.sharp_mm(BARS_HALF_MM))


def _bar_region(scan: AcrCtScan, indices: npt.NDArray[np.intp], group: BarGroup) -> Floats:
    """A disk within the pattern whose weight falls to 0 like a squared cosine.

    A sharp disk ends within a period and sees the blurred edge of the pattern.
    """
    cy, cx = scan.place(indices, group.center_mm)
    box, y, x = window(scan.grid, (cy, cx), BAR_ROI_MM)
    region = np.zeros(scan.grid.shape)
    turn = np.minimum(np.hypot(y - cy, x - cx) / BAR_ROI_MM, 1.0) * math.pi / 2
    region[box] = np.cos(turn) ** 2
    return region


@lru_cache(maxsize=8)
def _blur_mm(scan: AcrCtScan) -> float:
    """Standard deviation of the blur of the rim of the bone rod."""
    try:
        half = _rod_mtf(scan).at(0.5).value
    except ValueError:
        half = None
    return math.sqrt(math.log(2) / 2) / math.pi / half if half else _USUAL_BLUR_MM


def _spill(scan: AcrCtScan, group: BarGroup) -> float:
    """MTF that the blurred edges of a pattern alone would show: those of a box of half the contrast."""
    indices, blur = _bar_slices(scan), _blur_mm(scan)
    region, pose = _bar_region(scan, indices, group), scan.pose(indices)
    row, column = np.nonzero(region)
    y, x = scan.grid.coordinates_mm
    cy, cx = scan.place(indices, group.center_mm)
    turn = math.atan2(*_across(pose, group))
    dy, dx = y[row] - cy, x[column] - cx
    share = np.ones(len(row))
    across, along = dx * math.cos(turn) + dy * math.sin(turn), dy * math.cos(turn) - dx * math.sin(turn)
    for away, half in ((across, 5.0 * group.n_bars / group.per_cm), (along, group.height_mm / 2)):
        share *= ndtr((half - away) / blur) - ndtr((-half - away) / blur)
    weight = region[row, column]
    mean = float(np.average(share, weights=weight))
    return math.pi / math.sqrt(8) * math.sqrt(float(np.average((share - mean) ** 2, weights=weight)))


def _across(pose: Pose, group: BarGroup) -> tuple[float, float]:
    """Direction ``(y, x)`` across the bars in the image."""
    (ay, ax), (by, bx) = (
        pose.to_image_mm(s * math.sin(group.angle_rad), s * math.cos(group.angle_rad)) for s in (0.0, 1.0)
    )
    return float(by - ay), float(bx - ax)


def _phase_and_smear(scan: AcrCtScan, group: BarGroup) -> tuple[float, float]:
    r"""Relative uncertainty by the phase of the bars on the pixels, and the factor for the tilt.

    The mean of :math:`\cos^2` over the weighted pixels is half of :math:`1 + |W(2f)| \cos 2\phi`, with W the
    Fourier transform of the weights on the pixels: not 0 where a period is near two pixels. Of the standard
    deviation over all phases and half of how far the truth may lie above, the larger counts. In the mean of
    slices a tilted pattern is smeared: with the variance v of its places across the bars by
    :math:`e^{-2 \pi^2 f^2 v}`.
    """
    indices, f = _bar_slices(scan), group.per_cm / 10
    region, pose = _bar_region(scan, indices, group), scan.pose(indices)
    ey, ex = _across(pose, group)
    y, x = scan.grid.coordinates_mm
    turn = 4 * math.pi * f
    wave = np.exp(1j * turn * ey * y)[:, None] * np.exp(1j * turn * ex * x)
    across = np.array(scan.places(indices, group.center_mm)) @ (ey, ex)
    share = min(float(abs(np.vdot(region, wave)) / region.sum()), _MOST_PHASE)
    return max(share / math.sqrt(8), (1 / math.sqrt(1 - share) - 1) / 2), math.exp(
        2 * (math.pi * f) ** 2 * float(across.var())
    )
