"""Signal-to-noise ratio of an MR image of a uniform object, by the methods of NEMA MS 1."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import one_of
from imgtech.io import Series
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics import normalised_snr, snr_single_image, snr_smoothing, snr_two_images
from imgtech.qc.protocols._items import Item, measured
from imgtech.qc.protocols._mr_object import (
    MrObject,
    air_of,
    check_even,
    find_object,
    refuse_bright,
    refuse_clipped,
    rounding_step,
)
from imgtech.qc.report import Outline, Picture, Report

Floats = npt.NDArray[np.float64]

MR_SNR_EDITIONS = ("2008",)
_NEMA = Source(document="NEMA MS 1", edition="2008", verified=False)
_SHARE = 0.75
_FEWEST = 200
_DRIFT = 0.02
_UNLIKE = 1.3
_SHIFT_MM = 0.5
_LOUDER = 1.15
_SQUARE_PX, _FEWEST_SQUARES = 8, 12
_STRUCTURE = 1.6


def mr_snr_nema(series: Series, *, repeat: Series | None = None, edition: str = "2008") -> Report:
    """Measure the SNR of a uniform object.

    The region is the inner 75 % of the area of the object, whatever its shape. With the same scan twice the
    noise is that of the difference (method 1); with one image it is that of the air (method 4) and, beside
    it, of the difference to the smoothed image.

    Parameters
    ----------
    series : Series
        One image of the object; of several, the middle one.
    repeat : Series, optional
        The same scan once more, with nothing changed.
    edition : {"2008"}, optional
        Of the standard.

    Returns
    -------
    Report
        SNR by every method that the data allow, and made comparable between protocols where the files say
        bandwidth, repetition time and averages; with a picture of the regions.

    Raises
    ------
    ValueError
        If the series is not MR, no object stands out of the air, the two scans do not belong together, or
        the edition is unknown.

    Notes
    -----
    ``docs/protocols/mr-snr-nema.md`` says what is allowed and how to read the numbers.
    """
    one_of("edition", edition, MR_SNR_EDITIONS)
    image, second = pair_of(series, repeat)
    found = find_object(image, series.grid)
    inside = found.inner(_SHARE)
    check_even(image, series.grid, found, inside)
    for each in (image,) if second is None else (image, second):
        refuse_clipped(each[inside > 0], "the object")
    measurements = measured(_items(series, image, second, found, inside))
    notes = list(series.notes)
    by_name = {m.name: m.value for m in measurements}
    air, smoothed = by_name.get("SNR from the air"), by_name.get("SNR of the smoothed image")
    if air is not None and smoothed is not None and max(air, smoothed) > _UNLIKE * min(air, smoothed):
        notes.append(
            "the noise in the air is not that in the object (filters, masks, coil combination): SNR from the "
            "air does not hold for this image; scan twice"
        )
    if second is not None:
        change = float(second[inside > 0].mean() / image[inside > 0].mean() - 1)
        if abs(change) > _DRIFT:
            notes.append(f"the signal changed by {100 * change:.1f} % between the two scans")
        notes += _unlike(image, second, series, found, inside)
    return Report(
        protocol="mr-snr-nema",
        edition=edition,
        measurements=measurements,
        subject={name.replace("_", " "): str(value) for name, value in series.tags.known().items()},
        pictures=(_picture(image, inside, air_of(found, series.grid)),),
        notes=tuple(notes),
    )


def _unlike(image: Floats, second: Floats, series: Series, found: MrObject, inside: Floats) -> Iterator[str]:
    """What differs between the two scans beside their noise."""
    center = find_object(second, series.grid).center_mm
    shift = float(np.hypot(*np.subtract(center, found.center_mm)))
    if shift > _SHIFT_MM:
        yield f"the object moved by {shift:.1f} mm between the two scans"
    a, b = (float(snr_smoothing(one, inside).details["noise"]) for one in (image, second))
    if max(a, b) > _LOUDER * min(a, b):
        yield f"the noise differs between the two scans ({a:.3g} and {b:.3g})"
    difference = np.where(inside > 0, second - image, 0.0)
    difference[inside > 0] -= difference[inside > 0].mean()
    small, large = (_of_squares(difference, inside, n) for n in (_SQUARE_PX, 2 * _SQUARE_PX))
    if large > _STRUCTURE * small:
        yield (
            "the difference of the two scans holds structure (a ghost, motion, a drift): SNR of two images "
            "counts it as noise"
        )


def _of_squares(difference: Floats, inside: Floats, n: int) -> float:
    """Standard deviation of the means of whole squares, times their width: that of a pixel if white."""
    ny, nx = (m // n * n for m in difference.shape)

    def sums(a: Floats) -> Floats:
        return np.asarray(a[:ny, :nx].reshape(ny // n, n, nx // n, n).sum(axis=(1, 3)))

    whole = sums((inside > 0).astype(np.float64)) == n * n
    if whole.sum() < _FEWEST_SQUARES:
        return 0.0
    return float(np.sqrt(np.mean((sums(difference)[whole] / n) ** 2)))


def pair_of(series: Series, repeat: Series | None) -> tuple[Floats, Floats | None]:
    """The middle image and the same of the second scan."""
    if series.modality != "MR":
        raise ValueError(f"series must be MR, got modality {series.modality!r}")
    middle = len(series.pixels) // 2
    image = series.pixels[middle].astype(np.float64)
    if repeat is None:
        return image, None
    if repeat.modality != "MR":
        raise ValueError(f"repeat must be MR, got modality {repeat.modality!r}")
    if repeat.pixels.shape != series.pixels.shape or not np.allclose(
        repeat.spacing_mm, series.spacing_mm, rtol=1e-3
    ):
        raise ValueError(
            f"repeat must be the same scan of {series.pixels.shape}, got {repeat.pixels.shape} with pixels "
            f"of {repeat.spacing_mm} mm"
        )
    second = repeat.pixels[middle].astype(np.float64)
    if np.array_equal(image, second):
        raise ValueError("repeat must be a second scan, got the same images")
    return image, second


def normalised(snr: Measurement, series: Series) -> Measurement:
    """SNR per volume, time and bandwidth, or which of the numbers the files do not say."""
    tags = series.tags
    known = {
        "bandwidth": tags.bandwidth_hz_per_pixel,
        "slice thickness": series.slice_thickness_mm,
        "number of averages": tags.averages,
        "repetition time": tags.repetition_time_ms,
    }
    missing = [name for name, value in known.items() if not value]
    if missing:
        raise ValueError(f"the files do not say: {', '.join(missing)}")
    assert tags.bandwidth_hz_per_pixel and series.slice_thickness_mm  # noqa: PT018
    assert tags.averages and tags.repetition_time_ms  # noqa: PT018
    return normalised_snr(
        snr,
        pixel_bandwidth_hz=tags.bandwidth_hz_per_pixel,
        n_rows=series.grid.shape[0],
        n_columns=series.grid.shape[1],
        pixel_spacing_mm=series.spacing_mm,
        slice_thickness_mm=series.slice_thickness_mm,
        n_averages=tags.averages,
        repetition_time_s=tags.repetition_time_ms / 1000,
    )


def _items(
    series: Series, image: Floats, second: Floats | None, found: MrObject, inside: Floats
) -> Iterator[Item]:
    if second is not None:
        two = lambda: snr_two_images(image, second, inside)  # noqa: E731
        yield Item(
            name="SNR of two images", unit="1", algorithm="snr-two-images-2", definition=_NEMA, measure=two
        )
    else:
        yield Item(
            name="SNR from the air",
            unit="1",
            algorithm="snr-air-sd-2",
            definition=_NEMA,
            measure=lambda: _from_air(image, found, inside, series),
        )
        two = lambda: snr_smoothing(image, inside)  # noqa: E731
        yield Item(
            name="SNR of the smoothed image", unit="1", algorithm="snr-smoothing-3", definition=_NEMA,
            measure=two,
        )  # fmt: skip
    yield Item(
        name="normalised SNR",
        unit="1/(ml s^0.5)",
        algorithm="normalised-1",
        definition=_NEMA,
        measure=lambda: normalised(two(), series),
    )


def _from_air(image: Floats, found: MrObject, inside: Floats, series: Series) -> Measurement:
    air = air_of(found, series.grid)
    values = image[air > 0.5]
    if values.size < _FEWEST:
        raise ValueError(f"the corners must hold {_FEWEST} pixels of air, got {values.size}")
    refuse_bright(values, found.signal, series.grid, "the corners")
    return snr_single_image(image, inside, air, rounding_step=rounding_step(values))


def _picture(image: Floats, inside: Floats, air: Floats) -> Picture:
    outlines = [_outline(inside, "signal")]
    if air.any():
        outlines.append(_outline(air, "air"))
    return Picture(
        title="SNR",
        pixels=image,
        outlines=tuple(outlines),
        window=(float(image.min()), float(np.percentile(image, 99.5))),
    )


def _outline(region: Floats, label: str) -> Outline:
    """First and last column of every few rows of a region; of air, of its upper left corner."""
    rows = np.flatnonzero(region.any(axis=1))
    if label == "air":
        rows = rows[
            : max(1, int(np.argmax(np.diff(rows) > 1)) + 1 if (np.diff(rows) > 1).any() else len(rows))
        ]
    left, right = [], []
    for row in rows[:: max(1, len(rows) // 40)]:
        columns = np.flatnonzero(region[row])
        if label == "air":
            gap = np.flatnonzero(np.diff(columns) > 1)
            columns = columns[: gap[0] + 1] if gap.size else columns
        left.append((float(row), float(columns[0])))
        right.append((float(row), float(columns[-1])))
    return Outline(points=tuple(left + right[::-1]), label=label)
