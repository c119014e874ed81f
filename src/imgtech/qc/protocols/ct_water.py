"""A cylinder of water: CT number, uniformity, noise."""

from __future__ import annotations

import numpy as np

from imgtech._core.validate import one_of
from imgtech.io import Series
from imgtech.phantoms.twins import Module, Placement
from imgtech.qc.limits import read_limit_table, with_limits
from imgtech.qc.locate_ct import Axis, find_axis
from imgtech.qc.protocols._ct_pictures import slices_picture, uniform_outlines
from imgtech.qc.protocols._ct_pose_items import tilt_items
from imgtech.qc.protocols._ct_scan import (
    CTScan,
    air_notes,
    check_ct,
    check_upright,
    cropped,
    nominal_thickness,
)
from imgtech.qc.protocols._ct_uniform import UniformField, uniform_items, uniform_slices
from imgtech.qc.protocols._items import measured
from imgtech.qc.report import Report

CT_WATER_EDITIONS = {"acr-2017": "acr-ct-water-2017", "iec-2019": "iec-61223-3-5-2019"}
_RADII_MM = (60.0, 180.0)
_WALL_MM = 12.0
_ROI_SHARE = 0.1
_NOISE_SHARE = 0.4
_SAME_MM = 3.0
_AROUND_MM = (3.0, 12.0)
_OUT_OF_AIR_HU = 500.0


def ct_water(series: Series, *, edition: str = "iec-2019") -> Report:
    """Measure a CT series of a round water phantom.

    The outline is found in every slice, whatever lies below; slices whose radius is that of the others are
    used. Regions are shares of the radius, so that any size from 12 to 36 cm goes: in the middle and 0.1 of
    the diameter away from the wall for CT number and uniformity (a tenth of the diameter wide), 40 % of the
    diameter for the noise.

    Parameters
    ----------
    series : Series
        CT slices across the phantom.
    edition : {"iec-2019", "acr-2017"}, optional
        Whose limits are shown. Neither was read, so neither rates;
        :func:`imgtech.qc.limits.read_baselines` brings a site's own.

    Returns
    -------
    Report
        CT number of the middle, uniformity, noise and its power spectrum, lowest detectable contrast, tilt;
        with a picture.

    Raises
    ------
    ValueError
        If the series is not CT, no round phantom is in it, it is not uniform inside, or the edition is
        unknown.

    Notes
    -----
    ``docs/protocols/ct-water.md`` says where each region lies and what is allowed.
    """
    table = CT_WATER_EDITIONS[one_of("edition", edition, tuple(CT_WATER_EDITIONS))]
    check_ct(series)
    try:
        axis = find_axis(series, radius_mm=_RADII_MM)
    except ValueError as error:
        raise ValueError(f"this is not a CT series of a water phantom: {error}") from error
    check_upright(series, axis)
    scan, field = _scan(series, axis)
    _check_outline(series, axis)
    _check_uniform(scan, field)
    indices = uniform_slices(scan, field)
    report = Report(
        protocol="ct-water",
        edition=edition,
        measurements=(*measured(uniform_items(scan, field)), *measured(tilt_items(scan))),
        subject={name.replace("_", " "): str(value) for name, value in series.tags.known().items()},
        pictures=(slices_picture(scan, indices, "water", uniform_outlines(scan, field), (-40.0, 40.0)),),
        notes=(*series.notes, *scan.notes, *air_notes(series), *scan.left_out_notes()),
    )
    names = {m.name for m in report.measurements}
    return with_limits(report, {k: v for k, v in read_limit_table(table).items() if k in names})


def _scan(series: Series, axis: Axis) -> tuple[CTScan, UniformField]:
    radius = float(np.median(axis.radii_mm))
    alike = axis.positions_mm[np.abs(axis.radii_mm - radius) < _SAME_MM]
    low, high = float(alike.min()), float(alike.max())
    middle, half = (low + high) / 2, (high - low) / 2 + nominal_thickness(series) / 2 + 1.1
    pixels, grid = cropped(series, axis, middle, radius + 4.0)
    scan = CTScan(
        series=series,
        pixels=pixels,
        grid=grid,
        placement=Placement(center_mm=axis.at(middle), z_mm=middle, tilt=axis.slope),
        axis=axis,
        notes=(f"the phantom measures {2 * radius:.0f} mm across and lies from {low:.0f} to {high:.0f} mm",),
    )
    return scan, water_field(radius, half)


def water_field(radius_mm: float, half_mm: float) -> UniformField:
    """Regions in a phantom of an outer radius and half a length."""
    inner, roi = radius_mm - _WALL_MM, _ROI_SHARE * radius_mm
    return UniformField(
        module=Module(name="the water", z_mm=(-half_mm, half_mm), body_hu=0.0),
        radius_mm=inner,
        roi_mm=roi,
        distance_mm=inner - 2 * roi,
        noise_mm=_NOISE_SHARE * radius_mm,
        square_mm=0.6 * inner,
    )


def _check_outline(series: Series, axis: Axis) -> None:
    """Refuse what is not water in air: noise and gradients have outlines too."""
    middle = int(np.argmin(np.abs(series.positions_mm - float(np.median(axis.positions_mm)))))
    radius, center = float(np.median(axis.radii_mm)), axis.at(float(series.positions_mm[middle]))
    y, x = series.grid.coordinates_mm
    r = np.hypot(y[:, None] - center[0], x - center[1]) - radius
    image = series.pixels[middle]
    around = image[(r > _AROUND_MM[0]) & (r < _AROUND_MM[1])]
    inside = float(np.median(image[r < -_WALL_MM]))
    # a table may lie below: the lowest quarter is air all the same
    outside = float(np.percentile(around, 25)) if around.size else inside
    if inside - outside < _OUT_OF_AIR_HU:
        raise ValueError(
            f"this is not a CT series of a water phantom: inside the outline of {2 * radius:.0f} mm the CT "
            f"number is {inside:.0f} HU, around it {outside:.0f} HU"
        )


def _check_uniform(scan: CTScan, field: UniformField) -> None:
    """Refuse a phantom with something inside one of up to nine slices."""
    every = scan.inside(field.module)
    y, x = scan.grid.coordinates_mm
    for index in every[np.linspace(0, len(every) - 1, min(len(every), 9)).round().astype(int)]:
        center = scan.place(np.array([index]), (0.0, 0.0))
        values = scan.pixels[index][np.hypot(y[:, None] - center[0], x - center[1]) < 0.9 * field.radius_mm]
        low, high = np.percentile(values, [0.5, 99.5])
        spread = 1.4826 * float(np.median(np.abs(values - np.median(values))))
        if high - low <= 60.0 + 8 * spread:
            continue
        raise ValueError(
            f"this is not a uniform water phantom: inside it CT numbers run from {low:.0f} to {high:.0f} HU"
        )
