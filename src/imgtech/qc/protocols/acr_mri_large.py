"""The ACR large MRI phantom: geometry, slice thickness and position, uniformity, ghosting, SNR."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import one_of
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
from imgtech.qc.protocols._acr_large_drawing import GHOST_SMALLEST_MM2, RAMP_LENGTH_MM, UNIFORM_AREA_MM2
from imgtech.qc.protocols._acr_large_pictures import pictures
from imgtech.qc.protocols._acr_large_ramps import ramps
from imgtech.qc.protocols._acr_large_regions import air_region, uniform_region
from imgtech.qc.protocols._acr_large_scan import Scan, find_phantom
from imgtech.qc.protocols._acr_large_wedges import POSITION_ALGORITHM, bar_length_difference
from imgtech.qc.protocols._acr_mri_limits import EDITIONS, acr_large_limits
from imgtech.qc.report import Report

Floats = npt.NDArray[np.float64]

_GUIDE = "ACR Phantom Test Guidance for the MRI Accreditation Program"
_CLAUSES = {"geometry": "1", "thickness": "3", "position": "4", "uniformity": "5", "ghosting": "6"}
_DIAMETERS = (
    (1, "vertical", 90.0),
    (1, "horizontal", 0.0),
    (5, "vertical", 90.0),
    (5, "horizontal", 0.0),
    (5, "falling diagonal", 45.0),
    (5, "rising diagonal", -45.0),
)
_CHANNEL_FACTOR = 0.08 / math.sqrt(12)


def acr_mri_large(series: Series, *, repeat: Series | None = None, edition: str = "2022") -> Report:
    """Measure an axial series of the ACR large MRI phantom.

    Slice 1 is found by its content and gives the pose of the phantom, whatever its rotation, offset,
    mirror image or slice order; slices 5, 7 and 11 lie 40, 60 and 100 mm from it. Each test stands for
    itself: what cannot be measured is an error with a reason and takes nothing else along.

    Parameters
    ----------
    series : Series
        The 11 slices, MR.
    repeat : Series, optional
        The same scan once more; the SNR is then taken from the difference (NEMA MS 1, method 1) instead of
        from the air around the phantom.
    edition : {"2022", "2015"}, optional
        Whose limits apply.

    Returns
    -------
    Report
        Diameters of slices 1 and 5, slice thickness, bar length differences of slices 1 and 11, percent
        integral uniformity, percent signal ghosting and signal-to-noise ratio of slice 7, with pictures.

    Raises
    ------
    ValueError
        If the series is not MR, the phantom is not in it, or the edition is unknown.

    Notes
    -----
    ``docs/protocols/acr-mri-large.md`` says where each region lies, what is allowed and where the limits
    were read.
    """
    one_of("edition", edition, EDITIONS)
    if series.modality != "MR":
        raise ValueError(f"series must be MR, got modality {series.modality!r}")
    scan = find_phantom(series)
    limits = acr_large_limits(edition, series.tags.field_strength_t)
    measurements = [
        _attempt(
            f"diameter slice {role} {name}",
            _Test("geometry", "mm", "diameter-half-height-2", limits.get("geometry")),
            lambda role=role, degrees=degrees: _diameter(scan, role, degrees),  # type: ignore[misc]
        )
        for role, name, degrees in _DIAMETERS
    ]
    thickness = _Test("thickness", "mm", "crossed-ramps-half-height-1", limits.get("thickness"))
    measurements.append(_attempt("slice thickness", thickness, lambda: _thickness(scan)))
    position = _Test("position", "mm", POSITION_ALGORITHM, limits.get("position"))
    for role in (1, 11):
        measurements.append(
            _attempt(
                f"bar length difference slice {role}",
                position,
                lambda role=role: bar_length_difference(  # type: ignore[misc]
                    scan.image(role), scan.grid, scan.pose_in(role)
                )[0],
            )
        )
    uniformity = _Test("uniformity", "%", "piu-sliding-disk-2", limits.get("uniformity"))
    measurements.append(_attempt("percent integral uniformity", uniformity, lambda: _uniformity(scan)))
    ghosting = _Test("ghosting", "%", "psg-ellipses-2", limits.get("ghosting"))
    measurements.append(_attempt("percent signal ghosting", ghosting, lambda: _ghosting(scan)))
    noise = _Test("", "1", "snr-two-images-2" if repeat else "snr-air-sd-2", None)
    measurements.append(_attempt("signal-to-noise ratio", noise, lambda: _snr(scan, repeat)))
    return Report(
        protocol="acr-mri-large",
        edition=edition,
        measurements=tuple(measurements),
        subject={name.replace("_", " "): str(value) for name, value in series.tags.known().items()},
        pictures=pictures(scan, {m.name: m for m in measurements}),
        notes=(*series.notes, *scan.notes, *_notes(scan, repeat)),
    )


@dataclasses.dataclass(frozen=True)
class _Test:
    clause: str
    unit: str
    algorithm: str
    limit: Limit | None


def _attempt(name: str, test: _Test, measure: Callable[[], Measurement]) -> Measurement:
    """Run one test; its refusal, or a fault in it, becomes a measurement with an error."""
    try:
        return dataclasses.replace(measure(), name=name, limit=test.limit)
    except ValueError as error:
        reason = str(error)
    except Exception as error:  # a fault of one test must not cost the others; the report names it
        reason = f"a fault in the program, please report it: {type(error).__name__}: {error}"
    return Measurement(
        name=name,
        unit=test.unit,
        definition=_definition(test.clause),
        algorithm=test.algorithm,
        limit=test.limit,
        error=reason,
    )


def _definition(test: str) -> Source:
    if not test:
        return Source(document="NEMA MS 1", edition="2008", verified=False)
    return Source(document=_GUIDE, edition="2015", clause=_CLAUSES[test], verified=False)


def _diameter(scan: Scan, role: int, degrees: float) -> Measurement:
    return diameter(scan.disk(role), scan.pose.direction_rad(math.radians(degrees)))


def _thickness(scan: Scan) -> Measurement:
    if scan.block is None:
        raise ValueError("the edges of the ramp block were not found in slice 1")
    nominal = scan.series.slice_thickness_mm or RAMP_LENGTH_MM / 10
    return slice_thickness(*ramps(scan.image(1), scan.grid, scan.block, 10 * nominal))


def _uniformity(scan: Scan) -> Measurement:
    return percent_integral_uniformity(scan.image(7), scan.grid, uniform_region(scan), noise_corrected=False)


def _ghosting(scan: Scan) -> Measurement:
    rim = scan.disk(7)
    return percent_signal_ghosting(
        scan.image(7),
        scan.grid,
        center_mm=rim.center_mm,
        radius_mm=rim.radius_mm,
        large_area_mm2=UNIFORM_AREA_MM2,
        smallest_area_mm2=GHOST_SMALLEST_MM2,
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
    """From the air; where the air is unusable, from the difference to the smoothed image."""
    inside = uniform_region(scan)
    try:
        air, step = air_region(scan)
        m = snr_single_image(image, inside, air, rounding_step=step)
    except ValueError as error:
        m = snr_smoothing(image, inside)
        return dataclasses.replace(m, details={**m.details, "air unusable": str(error)})
    assert m.value is not None
    assert m.uncertainty is not None
    return dataclasses.replace(m, uncertainty=math.hypot(m.uncertainty, _CHANNEL_FACTOR * m.value))


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
