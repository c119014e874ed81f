"""What the protocols of the large and the medium ACR MRI phantom share: the tests and their order."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from imgtech.io import Series
from imgtech.qc.limits import with_limits
from imgtech.qc.measurement import Measurement, Source
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
from imgtech.qc.protocols._acr_mri_length import LENGTH_ALGORITHM
from imgtech.qc.protocols._acr_mri_limits import acr_mri_limits
from imgtech.qc.protocols._acr_mri_localizer import (
    Localized,
    find_in_localizer,
    localizer_picture,
    measure_length,
)
from imgtech.qc.protocols._acr_mri_pictures import pictures
from imgtech.qc.protocols._acr_mri_ramps import ramps
from imgtech.qc.protocols._acr_mri_regions import (
    air_disks,
    air_power,
    air_region,
    uniform_region,
)
from imgtech.qc.protocols._acr_mri_scan import Scan, find_phantom
from imgtech.qc.protocols._acr_mri_sheets import (
    SHEET_ALGORITHM,
    SHEETS,
    Sheet,
    find_sheets,
    sheet_contrast,
    sheet_score,
    total_score,
)
from imgtech.qc.protocols._acr_mri_wedges import POSITION_ALGORITHM, bar_length_difference
from imgtech.qc.protocols._items import Item, measured
from imgtech.qc.protocols._mr_object import refuse_clipped
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
_MASKED = 0.5
_COARSE_MM, _COARSE_PX = 1.6, 0.12
_MIDDLE = (_ONE_CHANNEL + _MANY_CHANNELS) / 2 / _ONE_CHANNEL
_CHANNEL_FACTOR = (_MANY_CHANNELS - _ONE_CHANNEL) / (_MANY_CHANNELS + _ONE_CHANNEL) / math.sqrt(2)


def measure_acr_mri(
    series: Series,
    *,
    model: str,
    repeat: Series | None,
    localizer: Series | Sequence[Series] | None,
    edition: str,
) -> Report:
    """Run the tests of the large or the medium phantom on an axial series."""
    if series.modality != "MR":
        raise ValueError(f"series must be MR, got modality {series.modality!r}")
    scan = find_phantom(series, model)
    if 7 in scan.indices:
        refuse_clipped(scan.image(7)[uniform_region(scan) > 0.5], "the water of slice 7")
    sheets = find_sheets(scan)
    localizers = [localizer] if isinstance(localizer, Series) else list(localizer or ())
    located = find_in_localizer(scan, localizers) if localizers else None
    measurements = measured(_items(scan, sheets, repeat, located))
    drawn = pictures(scan, {m.name: m for m in measurements}, sheets)
    if isinstance(located, Localized):
        drawn = (localizer_picture(located), *drawn)
    report = Report(
        protocol=f"acr-mri-{model}",
        edition=edition,
        measurements=measurements,
        subject={name.replace("_", " "): str(value) for name, value in series.tags.known().items()},
        pictures=drawn,
        notes=(*series.notes, *scan.notes, *_notes(scan, repeat, located)),
    )
    return with_limits(report, acr_mri_limits(model, edition, series.tags))


def _items(
    scan: Scan, sheets: dict[int, Sheet | str], repeat: Series | None, located: Localized | str | None
) -> Iterator[Item]:
    if located is not None:
        length = partial(measure_length, located, _definition("geometry"))
        yield _item("length", "mm", "geometry", LENGTH_ALGORITHM, length)
    for role, name, degrees in _DIAMETERS:
        yield _item(
            f"diameter slice {role} {name}", "mm", "geometry", "diameter-half-height-6",
            partial(_diameter, scan, role, degrees),
        )  # fmt: skip
    for way, upper in DIRECTIONS.items():
        yield _item(
            f"resolution {way}", "mm", "resolution", RESOLUTION_ALGORITHM, partial(_resolution, scan, upper)
        )
    yield _item(
        "slice thickness", "mm", "thickness", "crossed-ramps-half-height-3", partial(_thickness, scan)
    )
    for role in (1, 11):
        yield _item(
            f"bar length difference slice {role}", "mm", "position", POSITION_ALGORITHM,
            partial(_bars, scan, role),
        )  # fmt: skip
    yield _item(
        "percent integral uniformity", "%", "uniformity", "piu-sliding-disk-3", partial(_uniformity, scan)
    )
    yield _item("percent signal ghosting", "%", "ghosting", "psg-ellipses-2", partial(_ghosting, scan))
    yield _item(
        "ghosting without the noise floor", "%", "ghosting", "psg-ellipses-noise-corrected-1",
        partial(_ghosting, scan, noise_corrected=True),
    )  # fmt: skip
    yield _item("low-contrast score", "1", "low contrast", SHEET_ALGORITHM, partial(total_score, sheets))
    for role in SHEETS:
        score, contrast = partial(sheet_score, sheets[role]), partial(sheet_contrast, sheets[role])
        yield _item(f"low-contrast score slice {role}", "1", "low contrast", SHEET_ALGORITHM, score)
        yield _item(f"contrast slice {role}", "%", "low contrast", SHEET_ALGORITHM, contrast)
    yield _item(
        "signal-to-noise ratio", "1", "", "snr-two-images-2" if repeat else "snr-air-sd-any-channels-1",
        partial(_snr, scan, repeat),
    )  # fmt: skip


def _item(name: str, unit: str, test: str, algorithm: str, measure: Callable[[], Measurement]) -> Item:
    return Item(name=name, unit=unit, algorithm=algorithm, definition=_definition(test), measure=measure)


def _definition(test: str) -> Source:
    if not test:
        return Source(document="NEMA MS 1", edition="2008", verified=False)
    return Source(document=_GUIDE, edition="2015", clause=_CLAUSES[test], verified=False)


def _diameter(scan: Scan, role: int, degrees: float) -> Measurement:
    """Where pixels are coarse, the levels beside the rim are read so far in that block and wedges reach them.

    Twins with pixels of 1.95 mm read up to 0.15 pixel too much, real images averaged to such pixels 0.2.
    """
    m = diameter(scan.disk(role), scan.pose.direction_rad(math.radians(degrees)))
    pixel = max(scan.grid.spacing_mm)
    if pixel <= _COARSE_MM or m.uncertainty is None:
        return m
    details = {
        **m.details,
        "coarse pixels": f"{pixel:.2f} mm: {_COARSE_PX:g} pixel is added to the uncertainty",
    }
    return dataclasses.replace(m, uncertainty=math.hypot(m.uncertainty, _COARSE_PX * pixel), details=details)


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
    found = ramps(scan.image(1), scan.grid, scan.block, 10 * nominal, air_power(scan, 1))
    return slice_thickness(*found)


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


def _notes(scan: Scan, repeat: Series | None, located: Localized | str | None) -> list[str]:
    notes = []
    if located is None:
        notes.append("the length of the phantom is not measured: no sagittal localizer")
    elif isinstance(located, Localized):
        notes.append(f"the length of the phantom is measured on the localizer ({located.name})")
    field = scan.series.tags.field_strength_t
    if field is None or field > 3.1:
        notes.append("no limit of uniformity: the field strength is unknown or above 3 T")
    nominal = scan.series.slice_thickness_mm
    if nominal is not None and abs(nominal - 5.0) > 0.05:
        notes.append(f"the nominal slice thickness is {nominal:g} mm; the limits are meant for 5 mm")
    disks = air_disks(scan) if 7 in scan.indices else []
    masked = [np.mean(scan.image(7)[disk > 0.5] == 0) for disk in disks]
    if masked and max(masked) > _MASKED:
        notes.append(
            f"up to {100 * max(masked):.0f} % of the air is exactly zero: the scanner has masked it, and a "
            "ghost there does not show"
        )
    if repeat is None:
        notes.append(
            "SNR of one image: coil combination, filtering and intensity correction change the noise; it "
            "compares scans of one protocol, not scanners"
        )
    return notes
