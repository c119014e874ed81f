"""The ACR CT accreditation phantom (Gammex 464)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from imgtech._core.validate import one_of
from imgtech.io import Series
from imgtech.qc.limits import read_limit_table, with_limits
from imgtech.qc.protocols._acr_ct_items import (
    BAR_ROI_MM,
    BARS_HALF_MM,
    CENTRAL_MM,
    CNR_ROI_MM,
    INSERT_ROI_MM,
    acr_ct_items,
    uniform_field,
)
from imgtech.qc.protocols._acr_ct_scan import AcrCtScan, find_acr_ct
from imgtech.qc.protocols._ct_pictures import drawn_circle, slices_picture, uniform_outlines
from imgtech.qc.protocols._ct_scan import air_notes
from imgtech.qc.protocols._ct_uniform import uniform_slices
from imgtech.qc.protocols._items import measured
from imgtech.qc.report import Picture, Report

ACR_CT_EDITIONS = {"2017": "acr-ct-2017"}
_KV = (119.0, 131.0)


def acr_ct(series: Series, *, edition: str = "2017") -> Report:
    """Measure a CT series of the ACR CT phantom.

    Module 1 is found by its rods and gives position, rotation, tilt, mirror image and, with the side of the
    bar patterns, the direction of the phantom; a scan may begin in the middle of module 1, as the
    accreditation program asks for. Each item stands for itself: what cannot be measured is an error with a
    reason and takes nothing else along.

    Parameters
    ----------
    series : Series
        CT slices across the phantom; of what they do not cover the items are in error.
    edition : {"2017"}, optional
        Whose limits apply. Those of the CT numbers hold for 120 to 130 kV and are left out at other voltages.

    Returns
    -------
    Report
        CT number of the five rods, roll and tilt, MTF of the bone rod, CNR of the 25 mm rod, CT number,
        uniformity, noise and its power spectrum and lowest detectable contrast in module 3, distance of its
        beads, MTF of the bar patterns; with pictures.

    Raises
    ------
    ValueError
        If the series is not CT, the phantom is not in it, or the edition is unknown.

    Notes
    -----
    ``docs/protocols/acr-ct.md`` says where each region lies, what is allowed and where limits were read.
    """
    table = ACR_CT_EDITIONS[one_of("edition", edition, tuple(ACR_CT_EDITIONS))]
    scan = find_acr_ct(series)
    voltage = series.tags.tube_voltage_kv
    fits = voltage is not None and _KV[0] <= voltage <= _KV[1]
    report = Report(
        protocol="acr-ct",
        edition=edition,
        measurements=measured(acr_ct_items(scan)),
        subject={name.replace("_", " "): str(value) for name, value in series.tags.known().items()},
        pictures=_pictures(scan),
        notes=(*series.notes, *scan.notes, *air_notes(series), *scan.left_out_notes(), *_notes(fits)),
    )
    limits = {
        name: limit
        for name, limit in read_limit_table(table).items()
        if fits or not name.startswith("CT number")
    }
    return with_limits(report, limits)


def _notes(fits: bool) -> list[str]:
    notes = ["slice thickness is not measured: no drawing of the wires of module 1 was read"]
    if not fits:
        notes.append("no limits of CT numbers: they hold for 120 to 130 kV, which the files do not say")
    return notes


def _pictures(scan: AcrCtScan) -> tuple[Picture, ...]:
    makers: tuple[Callable[[AcrCtScan], Picture], ...] = (_numbers, _contrast, _uniformity, _bars)
    found = []
    for make in makers:
        try:
            found.append(make(scan))
        except ValueError:  # the module is not in the scan, which its items say
            continue
    return tuple(found)


def _numbers(scan: AcrCtScan) -> Picture:
    indices = scan.inside(scan.drawing.numbers, CENTRAL_MM)
    pose = scan.pose(indices)
    outlines = [
        drawn_circle(scan.grid, pose, insert.center_mm, INSERT_ROI_MM, insert.name)
        for insert in scan.drawing.inserts
    ]
    return slices_picture(scan, indices, "module 1", outlines, (-200.0, 300.0))


def _contrast(scan: AcrCtScan) -> Picture:
    indices = scan.inside(scan.drawing.low_contrast)
    pose = scan.pose(indices)
    outlines = [
        drawn_circle(scan.grid, pose, scan.drawing.large_rod.center_mm, CNR_ROI_MM, "25 mm rod"),
        drawn_circle(scan.grid, pose, scan.drawing.background_mm, CNR_ROI_MM, "background"),
    ]
    middle = float(np.median(scan.image(indices)))
    return slices_picture(scan, indices, "module 2", outlines, (middle - 25.0, middle + 35.0))


def _uniformity(scan: AcrCtScan) -> Picture:
    field = uniform_field(scan.drawing)
    indices = uniform_slices(scan, field)
    return slices_picture(scan, indices, "module 3", uniform_outlines(scan, field), (-40.0, 60.0))


def _bars(scan: AcrCtScan) -> Picture:
    indices = scan.inside(scan.drawing.resolution, BARS_HALF_MM)
    pose = scan.pose(indices)
    outlines = [
        drawn_circle(scan.grid, pose, group.center_mm, BAR_ROI_MM, f"{group.per_cm} lp/cm")
        for group in scan.drawing.bars
    ]
    return slices_picture(scan, indices, "module 4", outlines, (-100.0, 1600.0))
