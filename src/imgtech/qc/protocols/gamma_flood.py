"""Flood uniformity of a gamma camera."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech._core.validate import one_of, positive
from imgtech.io import Series
from imgtech.qc.limits import read_limit_table, with_limits
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics import flood_uniformity
from imgtech.qc.metrics._flood import add_up, lit_field, rebin_factor, smoothed, without_edges
from imgtech.qc.protocols._items import Item, measured
from imgtech.qc.protocols._mr_object import refuse_clipped
from imgtech.qc.report import Picture, Report

GAMMA_FLOOD_EDITIONS = {"2012": "nema-nu1-2012"}
_NEMA = Source(
    document="NEMA NU 1", edition="2012", clause="2.4 Intrinsic flood field uniformity", verified=False
)
_FIELDS = {"UFOV": "ufov", "CFOV": "cfov"}
_CLEAN = "noise taken off"
_CENTRE_PX = 1
_MOST_IMAGES = 8
_CELL_MM = 3.0
_INNER_SHARE = 0.9
_FEWEST_PX = 100
_UNEVEN, _MOST_UNEVEN = 0.25, 0.1
_NEAR_RATIO = 0.1
_MUCH = 0.03


def gamma_flood(series: Series, *, edition: str = "2012", variance_over_mean: float = 1.0) -> Report:
    """Measure flood images of a gamma camera.

    Every image of the series is one detector (or one repetition) and is measured by itself. Integral and
    differential uniformity follow the text of NEMA NU 1 in the useful and the central field of view. As
    those indices rise with counting noise, each also stands there with the noise taken off.

    Parameters
    ----------
    series : Series
        Counts of one or several static images.
    edition : {"2012"}, optional
        Whose limits are shown.
    variance_over_mean : float, optional
        Counting variance over mean, 1 for Poisson's counts; the measured ratio is an item of its own.

    Returns
    -------
    Report
        Eight indices, counts of a pixel in the middle after adding up, and the variance over the mean; with
        a picture of the field as it is rated and where its extremes lie.

    Raises
    ------
    ValueError
        If the series is not nuclear medicine, holds more than eight images or one that is no flood, or an
        argument is out of range.

    Notes
    -----
    ``docs/protocols/gamma-flood.md`` says what is allowed and where limits were read.
    """
    table = GAMMA_FLOOD_EDITIONS[one_of("edition", edition, tuple(GAMMA_FLOOD_EDITIONS))]
    ratio = positive("variance_over_mean", variance_over_mean)
    if series.modality != "NM":
        raise ValueError(f"series must be nuclear medicine (NM), got modality {series.modality!r}")
    if len(series.pixels) > _MOST_IMAGES:
        raise ValueError(
            f"series must hold 1 to {_MOST_IMAGES} flood images, got {len(series.pixels)}: a tomogram?"
        )
    for number, image in enumerate(series.pixels.astype(np.float64), 1):
        _check_flood(image, series.spacing_mm, f"image {number} of {len(series.pixels)}")
    items: list[Measurement] = []
    pictures, notes = [], list(series.notes)
    for number, image in enumerate(series.pixels.astype(np.float64)):
        suffix = f", image {number + 1}" if len(series.pixels) > 1 else ""
        picture, note = _overview(image, series.spacing_mm, suffix)
        pictures.append(picture)
        notes += [note, *(text + suffix for text in _scatter_note(image, series.spacing_mm, ratio))]
        items += measured(_items(image, series.spacing_mm, suffix, ratio))
    report = Report(
        protocol="gamma-flood",
        edition=edition,
        measurements=tuple(items),
        subject={name.replace("_", " "): str(value) for name, value in series.tags.known().items()},
        pictures=tuple(pictures),
        notes=tuple(notes),
    )
    limits = read_limit_table(table)
    plain = {m.name: m.name.split(", image")[0] for m in items}
    named = {name: limits[item] for name, item in plain.items() if item in limits}
    return with_limits(report, named)


def _check_flood(image: npt.NDArray[np.float64], spacing: tuple[float, float], which: str) -> None:
    """Refuse what a camera does not show of an even source: no counting noise, or patterns all over.

    The counts are read in cells of 3 mm; a dead photomultiplier lames a few percent of the field, bars,
    phantoms and pictures far more.
    """
    if image.min() < 0:
        raise ValueError(f"series must hold counts, which are not negative, got {image.min():g} in {which}")
    (inside,) = lit_field(image, (1, 1), [_INNER_SHARE])
    if inside.sum() < _FEWEST_PX:
        raise ValueError(f"{which} is not a flood: no lit field of {_FEWEST_PX} pixels or more was found")
    refuse_clipped(image[inside], f"the field of {which}")
    cells = [max(round(_CELL_MM / d), 1) for d in spacing]
    counts = ndimage.uniform_filter(image, cells)[inside]
    level = float(np.median(counts))
    if np.ptp(image[inside]) == 0 or level <= 0:
        raise ValueError(f"{which} is not a flood: its counts do not scatter")
    noise = 1 / math.sqrt(level * cells[0] * cells[1])
    uneven = float((np.abs(counts / level - 1) > _UNEVEN + 4 * noise).mean())
    if uneven > _MOST_UNEVEN:
        raise ValueError(
            f"{which} is not a flood: {100 * uneven:.0f} % of the field lie more than {100 * _UNEVEN:.0f} % "
            "above or below its median"
        )


def _items(
    image: npt.NDArray[np.float64], spacing: tuple[float, float], suffix: str, ratio: float
) -> Iterator[Item]:
    @cache
    def found(field: str, clean: bool) -> tuple[Measurement, Measurement]:
        indices = flood_uniformity(
            image, spacing, field=field, noise_corrected=clean, variance_over_mean=ratio
        )
        seen = float(indices[0].details["measured variance over mean"])
        if not clean or abs(seen - ratio) <= _NEAR_RATIO:
            return indices
        others = flood_uniformity(image, spacing, field=field, noise_corrected=True, variance_over_mean=seen)
        return _apart(indices[0], others[0]), _apart(indices[1], others[1])

    for label, field in _FIELDS.items():
        for clean in (False, True):
            for which, kind in enumerate(("integral", "differential")):
                yield Item(
                    name=f"{kind} uniformity {label}{f', {_CLEAN}' if clean else ''}{suffix}",
                    unit="%",
                    algorithm="nema-flood-noise-corrected-4" if clean else "nema-flood-2",
                    definition=_NEMA,
                    measure=lambda f=field, c=clean, w=which: found(f, c)[w],  # type: ignore[misc]
                )
    yield Item(name=f"counts of a pixel in the middle{suffix}", unit="1", algorithm="centre-counts-1",
               definition=_NEMA, measure=lambda: _centre(image, spacing, ratio))  # fmt: skip
    yield Item(name=f"variance over mean{suffix}", unit="1", algorithm="neighbour-differences-1",
               definition=_NEMA, measure=lambda: _dispersion(found("cfov", False)[0], spacing))  # fmt: skip


def _apart(given: Measurement, other: Measurement) -> Measurement:
    """Counts that scatter otherwise than was said: what the measured ratio would change is doubt."""
    off = (other.value or 0.0) - (given.value or 0.0)
    return dataclasses.replace(given, uncertainty=math.hypot(given.uncertainty or 0.0, off))


def _scatter_note(image: npt.NDArray[np.float64], spacing: tuple[float, float], ratio: float) -> list[str]:
    try:
        index = flood_uniformity(image, spacing, field="cfov", variance_over_mean=ratio)[0]
    except ValueError:
        return []
    seen = float(index.details["measured variance over mean"])
    if abs(seen - ratio) <= _NEAR_RATIO:
        return []
    return [
        f"counts of neighbours scatter {seen:.2f} times as much as Poisson's, not {ratio:.2f} times: "
        "noise taken off is uncertain by the difference; see variance_over_mean"
    ]


def _centre(image: npt.NDArray[np.float64], spacing: tuple[float, float], ratio: float) -> Measurement:
    """Mean of three by three added-up pixels around the middle of the field."""
    factors = (rebin_factor(image.shape[0], spacing[0]), rebin_factor(image.shape[1], spacing[1]))
    added = add_up(image, factors)
    (useful,) = lit_field(image, factors, [0.95])
    y, x = (int(np.rint(np.mean(np.flatnonzero(useful.any(axis=a))))) for a in (1, 0))
    near = added[y - _CENTRE_PX : y + _CENTRE_PX + 1, x - _CENTRE_PX : x + _CENTRE_PX + 1]
    mean = float(near.mean())
    return Measurement(
        name="counts of a pixel in the middle",
        value=mean,
        uncertainty=math.sqrt(ratio * mean / near.size),
        definition=_NEMA,
        algorithm="centre-counts-1",
        details={"pixels added up": f"{factors[0]} x {factors[1]}"},
    )


def _dispersion(index: Measurement, spacing: tuple[float, float]) -> Measurement:
    """Half the mean square difference of neighbours over their mean, in the central field.

    Of N pixels with Gaussian noise the mean square difference scatters by the root of 3/N.
    """
    ratio = float(index.details["measured variance over mean"])
    added_up = float(index.details["pixel (mm)"]) ** 2 / (spacing[0] * spacing[1])
    return Measurement(
        name="variance over mean",
        value=ratio,
        uncertainty=ratio * math.sqrt(3.0 / (float(index.details["pixels"]) * added_up)),
        definition=_NEMA,
        algorithm="neighbour-differences-1",
    )


def _overview(
    image: npt.NDArray[np.float64], spacing: tuple[float, float], suffix: str
) -> tuple[Picture, str]:
    """The field as it is rated, and where it is highest and lowest."""
    factors = (rebin_factor(image.shape[0], spacing[0]), rebin_factor(image.shape[1], spacing[1]))
    added = add_up(image, factors)
    useful, central = lit_field(image, factors, [0.95, 0.75 * 0.95])
    kept = without_edges(added, useful, central)
    dropped = 1 - float(ndimage.binary_dilation(kept, iterations=1)[useful].mean())
    smooth = np.where(kept, smoothed(added, kept), np.nan)
    sizes = [f * d for f, d in zip(factors, spacing, strict=True)]
    places = []
    for index in (np.nanargmax(smooth), np.nanargmin(smooth)):
        row, column = np.unravel_index(int(index), smooth.shape)
        at = [(k - (n - 1) / 2) * d for k, n, d in zip((row, column), smooth.shape, sizes, strict=True)]
        places.append(f"x = {at[1]:.0f}, y = {at[0]:.0f} mm")
    low, high = float(np.nanmin(smooth)), float(np.nanmax(smooth))
    picture = Picture(
        title=f"useful field, pixels of {sizes[1]:.1f} mm{suffix}",
        pixels=np.where(kept, smooth, low).astype(np.float32),
        window=(low, high),
    )
    note = f"highest counts at {places[0]}, lowest at {places[1]} from the middle{suffix}"
    if dropped > _MUCH:
        note += (
            f"; {100 * dropped:.0f} % of the useful field are left out at its edge, "
            "below 75 % of the mean of the central field"
        )
    return picture, note
