"""What the protocols of the large and the medium ACR MRI phantom share: the tests and their order."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from imgtech.io import Series
from imgtech.qc.measurement import Limit, Measurement, Source
from imgtech.qc.metrics import (
    diameter,
    percent_integral_uniformity,
    percent_signal_ghosting,
    slice_thickness,
    snr_single_image,
    snr_smoothing,
    snr_two_images,
)
from imgtech.qc.protocols._acr_mri_drawing import GHOST_SMALLEST_MM2, RAMP_LENGTH_MM
from imgtech.qc.protocols._acr_mri_holes import (
    DIRECTIONS,
    RESOLUTION_ALGORITHM,
    find_arrays,
    smallest_resolved,
)
from imgtech.qc.protocols._acr_mri_limits import acr_mri_limits
from imgtech.qc.protocols._acr_mri_pictures import pictures
from imgtech.qc.protocols._acr_mri_ramps import ramps
from imgtech.qc.protocols._acr_mri_regions import air_region, uniform_region
from imgtech.qc.protocols._acr_mri_scan import Scan, find_phantom
from imgtech.qc.protocols._acr_mri_sheets import (
    SHEET_ALGORITHM,
    SHEETS,
    find_sheets,
    sheet_contrast,
    sheet_score,
    total_score,
)
from imgtech.qc.protocols._acr_mri_wedges import POSITION_ALGORITHM, bar_length_difference
from imgtech.qc.report import Report

Floats = npt.NDArray[np.float64]

_GUIDE = "ACR Phantom Test Guidance for the MRI Accreditation Program"
_CLAUSES = {
    "geometry": "1",
    "resolution": "2",
    "thickness": "3",
    "position": "4",
    "uniformity": "5",
    "ghosting": "6",
    "low contrast": "7",
}
_DIAMETERS = (
    (1, "vertical", 90.0),
    (1, "horizontal", 0.0),
    (5, "vertical", 90.0),
    (5, "horizontal", 0.0),
    (5, "falling diagonal", 45.0),
    (5, "rising diagonal", -45.0),
)
_ONE_CHANNEL, _MANY_CHANNELS = math.sqrt(2 - math.pi / 2), math.sqrt(0.5)  # SD of air over that of a channel
_MIDDLE = (_ONE_CHANNEL + _MANY_CHANNELS) / 2 / _ONE_CHANNEL
_CHANNEL_FACTOR = (_MANY_CHANNELS - _ONE_CHANNEL) / (_MANY_CHANNELS + _ONE_CHANNEL) / math.sqrt(2)


def measure_acr_mri(series: Series, *, model: str, repeat: Series | None, edition: str) -> Report:
    """Run the tests of the large or the medium phantom on an axial series."""
    if series.modality != "MR":
        raise ValueError(f"series must be MR, got modality {series.modality!r}")
    scan = find_phantom(series, model)
    limits = acr_mri_limits(model, edition, series.tags)
    sheets = find_sheets(scan)
    tests: list[tuple[str, _Test, Callable[[], Measurement]]] = [
        (
            f"diameter slice {role} {name}",
            _Test("geometry", "mm", "diameter-half-height-2"),
            lambda role=role, degrees=degrees: _diameter(scan, role, degrees),  # type: ignore[misc]
        )
        for role, name, degrees in _DIAMETERS
    ]
    tests += [
        (
            f"resolution {way}",
            _Test("resolution", "mm", RESOLUTION_ALGORITHM),
            lambda upper=upper: _resolution(scan, upper),  # type: ignore[misc]
        )
        for way, upper in DIRECTIONS.items()
    ]
    thickness = _Test("thickness", "mm", "crossed-ramps-half-height-2")
    tests.append(("slice thickness", thickness, lambda: _thickness(scan)))
    tests += [
        (
            f"bar length difference slice {role}",
            _Test("position", "mm", POSITION_ALGORITHM),
            lambda role=role: _bars(scan, role),  # type: ignore[misc]
        )
        for role in (1, 11)
    ]
    sheet = _Test("low contrast", "1", SHEET_ALGORITHM)
    tests += [
        (
            "percent integral uniformity",
            _Test("uniformity", "%", "piu-sliding-disk-2"),
            lambda: _uniformity(scan),
        ),
        ("percent signal ghosting", _Test("ghosting", "%", "psg-ellipses-2"), lambda: _ghosting(scan)),
        (
            "ghosting without the noise floor",
            _Test("ghosting", "%", "psg-ellipses-noise-corrected-1"),
            lambda: _ghosting(scan, noise_corrected=True),
        ),
        ("low-contrast score", sheet, lambda: total_score(sheets)),
    ]
    for role in SHEETS:
        found = sheets[role]
        tests += [
            (f"low-contrast score slice {role}", sheet, lambda found=found: sheet_score(found)),  # type: ignore[misc]
            (
                f"contrast slice {role}",
                dataclasses.replace(sheet, unit="%"),
                lambda found=found: sheet_contrast(found),  # type: ignore[misc]
            ),
        ]
    noise = _Test("", "1", "snr-two-images-2" if repeat else "snr-air-sd-any-channels-1")
    tests.append(("signal-to-noise ratio", noise, lambda: _snr(scan, repeat)))
    measurements = tuple(_attempt(name, test, limits.get(name), measure) for name, test, measure in tests)
    return Report(
        protocol=f"acr-mri-{model}",
        edition=edition,
        measurements=measurements,
        subject={name.replace("_", " "): str(value) for name, value in series.tags.known().items()},
        pictures=pictures(scan, {m.name: m for m in measurements}, sheets),
        notes=(*series.notes, *scan.notes, *_notes(scan, repeat)),
    )


@dataclasses.dataclass(frozen=True)
class _Test:
    clause: str
    unit: str
    algorithm: str


def _attempt(name: str, test: _Test, limit: Limit | None, measure: Callable[[], Measurement]) -> Measurement:
    """Run one test; its refusal, or a fault in it, becomes a measurement with an error."""
    try:
        return dataclasses.replace(measure(), name=name, limit=limit)
    except ValueError as error:
        reason = str(error)
    except Exception as error:  # a fault of one test must not cost the others; the report names it
        reason = f"a fault in the program, please report it: {type(error).__name__}: {error}"
    return Measurement(
        name=name,
        unit=test.unit,
        definition=_definition(test.clause),
        algorithm=test.algorithm,
        limit=limit,
        error=reason,
    )


def _definition(test: str) -> Source:
    if not test:
        return Source(document="NEMA MS 1", edition="2008", verified=False)
    return Source(document=_GUIDE, edition="2015", clause=_CLAUSES[test], verified=False)


def _diameter(scan: Scan, role: int, degrees: float) -> Measurement:
    return diameter(scan.disk(role), scan.pose.direction_rad(math.radians(degrees)))


def _resolution(scan: Scan, upper: bool) -> Measurement:
    image = scan.image(1)
    pose = scan.block.pose if scan.block is not None else scan.pose
    arrays = find_arrays(image, scan.grid, pose, scan.drawing)
    return smallest_resolved(image, scan.grid, pose, arrays, upper=upper, noise=_pixel_noise(scan))


def _pixel_noise(scan: Scan) -> float:
    """Standard deviation of a pixel in slice 7."""
    return float(snr_smoothing(scan.image(7), uniform_region(scan)).details["noise"])


def _bars(scan: Scan, role: int) -> Measurement:
    return bar_length_difference(scan.image(role), scan.grid, scan.pose_in(role), scan.drawing)[0]


def _thickness(scan: Scan) -> Measurement:
    if scan.block is None:
        raise ValueError("the edges of the ramp block were not found in slice 1")
    nominal = scan.series.slice_thickness_mm or RAMP_LENGTH_MM / 10
    return slice_thickness(*ramps(scan.image(1), scan.grid, scan.block, 10 * nominal))


def _uniformity(scan: Scan) -> Measurement:
    return percent_integral_uniformity(scan.image(7), scan.grid, uniform_region(scan), noise_corrected=False)


def _ghosting(scan: Scan, *, noise_corrected: bool = False) -> Measurement:
    rim = scan.disk(7)
    return percent_signal_ghosting(
        scan.image(7),
        scan.grid,
        center_mm=rim.center_mm,
        radius_mm=rim.radius_mm,
        large_area_mm2=scan.drawing.uniform_area_mm2,
        smallest_area_mm2=GHOST_SMALLEST_MM2,
        noise_corrected=noise_corrected,
    )


def _snr(scan: Scan, repeat: Series | None) -> Measurement:
    image = scan.image(7)
    if repeat is None:
        return _snr_of_one(image, scan)
    if repeat.pixels.shape != scan.series.pixels.shape:
        raise ValueError(f"repeat must have the shape {scan.series.pixels.shape}, got {repeat.pixels.shape}")
    if not np.allclose(repeat.positions_mm, scan.series.positions_mm, atol=0.5):
        raise ValueError("repeat must hold slices at the same positions")
    second = repeat.pixels[scan.indices[7]].astype(np.float64)
    return snr_two_images(image, second, uniform_region(scan))


def _snr_of_one(image: Floats, scan: Scan) -> Measurement:
    """From the air; where the air is unusable, from the difference to the smoothed image.

    The standard deviation of the air is 0.655 of the noise for one channel and 0.707 for many (root sum of
    squares): the middle is taken, and the half width is part of the uncertainty.
    """
    inside = uniform_region(scan)
    try:
        air, step = air_region(scan)
        m = snr_single_image(image, inside, air, rounding_step=step)
    except ValueError as error:
        m = snr_smoothing(image, inside)
        return dataclasses.replace(m, details={**m.details, "air unusable": str(error)})
    assert m.value is not None
    assert m.uncertainty is not None
    return dataclasses.replace(
        m,
        value=_MIDDLE * m.value,
        uncertainty=_MIDDLE * math.hypot(m.uncertainty, _CHANNEL_FACTOR * m.value),
        algorithm="snr-air-sd-any-channels-1",
        details={**m.details, "for one receive channel": m.value},
    )


def _notes(scan: Scan, repeat: Series | None) -> list[str]:
    notes = []
    field = scan.series.tags.field_strength_t
    if field is None or field > 3.1:
        notes.append("no limit of uniformity: the field strength is unknown or above 3 T")
    nominal = scan.series.slice_thickness_mm
    if nominal is not None and abs(nominal - 5.0) > 0.05:
        notes.append(f"the nominal slice thickness is {nominal:g} mm; the limits are meant for 5 mm")
    if repeat is None:
        notes.append(
            "SNR of one image: coil combination, filtering and intensity correction change the noise; it "
            "compares scans of one protocol, not scanners"
        )
    return notes
