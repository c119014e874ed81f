"""Stability of an echo-planar series of a still phantom, after the fBIRN protocol."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech._core.validate import count, one_of
from imgtech.geometry import ImageGrid
from imgtech.io import Series
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics import Stability, temporal_stability
from imgtech.qc.metrics._noise import mean_uncertainty, noise_size
from imgtech.qc.protocols._items import Item, measured
from imgtech.qc.protocols._mr_object import MrObject, air_of, find_object
from imgtech.qc.report import Outline, Picture, Report

Floats = npt.NDArray[np.float64]

MR_EPI_EDITIONS = ("2006",)
_FBIRN = Source(document="Friedman and Glover, J Magn Reson Imaging 23:827", edition="2006", verified=False)
_WIDTHS_PX = (21, 15, 11)
_SKIPPED = 2
_FEWEST = 14
_NAMES = {
    "signal": "signal",
    "SNR": "snr",
    "SFNR": "sfnr",
    "percent fluctuation": "fluctuation",
    "percent drift": "drift",
    "radius of decorrelation": "decorrelation",
}
_UNITS = {"percent fluctuation": "%", "percent drift": "%", "radius of decorrelation": "px"}


def mr_epi_stability(series: Series, *, n_skipped: int = _SKIPPED, edition: str = "2006") -> Report:
    """Measure the stability of a scan in time.

    Parameters
    ----------
    series : Series
        Images of one slice in time, or of several slices, each at the same position in every repetition
        (``read_series(..., repeats=True)``); of several, the one in the middle of the stack is taken.
    n_skipped : int, optional
        Repetitions left out at the start, before the steady state.
    edition : {"2006"}, optional
        Of the protocol.

    Returns
    -------
    Report
        Signal, SNR, SFNR, fluctuation, drift and radius of decorrelation in a square in the middle of the
        object, and the ghosts half a field of view away along rows and columns; with pictures of the mean
        and of the SFNR.

    Raises
    ------
    ValueError
        If the series is not MR, holds fewer than 14 repetitions of a slice or ``n_skipped`` leaves fewer than
        12 of them, no object stands out of the
        air, or the edition is unknown.

    Notes
    -----
    ``docs/protocols/mr-epi-stability.md`` says what is allowed and how to read the numbers.
    """
    one_of("edition", edition, MR_EPI_EDITIONS)
    if series.modality != "MR":
        raise ValueError(f"series must be MR, got modality {series.modality!r}")
    skipped = count("n_skipped", n_skipped, 0)
    stack, notes = _one_slice(series)
    if len(stack) - skipped < _FEWEST - _SKIPPED:
        raise ValueError(
            f"n_skipped must leave at least {_FEWEST - _SKIPPED} of {len(stack)} repetitions, got {skipped}"
        )
    mean = stack[n_skipped:].mean(axis=0)
    found = find_object(mean, series.grid)
    center = _nearest(series.grid, found.center_mm)
    width = _width(found, center)
    stability = temporal_stability(stack, center_px=center, width_px=width, n_skipped=n_skipped)
    half = width // 2
    square = [
        (center[0] + sy * half, center[1] + sx * half) for sy, sx in ((-1, -1), (-1, 1), (1, 1), (1, -1))
    ]
    outline = Outline(
        points=tuple((float(r), float(c)) for r, c in square), label=f"{width} x {width} pixels"
    )
    return Report(
        protocol="mr-epi-stability",
        edition=edition,
        measurements=measured(_items(stability, mean, found, series.grid)),
        subject={name.replace("_", " "): str(value) for name, value in series.tags.known().items()},
        pictures=(
            Picture(title="mean in time", pixels=mean, outlines=(outline,)),
            Picture(
                title="SFNR", pixels=np.where(found.mask, stability.sfnr_image, 0.0), outlines=(outline,)
            ),
        ),
        notes=(*series.notes, *notes, f"{len(stack) - n_skipped} repetitions after {n_skipped} left out"),
    )


def _one_slice(series: Series) -> tuple[Floats, list[str]]:
    """Images in time of the slice in the middle of the stack."""
    places = np.round(series.positions_mm, 2)
    slices, counts = np.unique(places, return_counts=True)
    if counts.min() != counts.max():
        raise ValueError(
            f"series must hold as many repetitions of every slice, got {counts.min()} to {counts.max()}"
        )
    if counts[0] < _FEWEST:
        raise ValueError(f"series must hold at least {_FEWEST} repetitions of a slice, got {counts[0]}")
    middle = slices[len(slices) // 2]
    notes = [f"slice {len(slices) // 2 + 1} of {len(slices)}"] if len(slices) > 1 else []
    return series.pixels[places == middle].astype(np.float64), notes


def _nearest(grid: ImageGrid, center: tuple[float, float]) -> tuple[int, int]:
    row, column = (
        int(np.argmin(np.abs(places - c))) for places, c in zip(grid.coordinates_mm, center, strict=True)
    )
    return row, column


def _width(found: MrObject, center: tuple[int, int]) -> int:
    for width in _WIDTHS_PX:
        half = width // 2 + 1
        box = found.mask[
            max(center[0] - half, 0) : center[0] + half + 1, max(center[1] - half, 0) : center[1] + half + 1
        ]
        if box.shape == (2 * half + 1, 2 * half + 1) and box.all():
            return width
    raise ValueError(f"the object must hold a square of {_WIDTHS_PX[-1]} pixels around its middle")


def _items(stability: Stability, mean: Floats, found: MrObject, grid: ImageGrid) -> Iterator[Item]:
    for name, field in _NAMES.items():
        m: Measurement = getattr(stability, field)
        yield Item(
            name=name,
            unit=_UNITS.get(name, "1"),
            algorithm=m.algorithm,
            definition=_FBIRN,
            measure=lambda m=m: m,  # type: ignore[misc]
        )
    for way, axis in (("along columns", 0), ("along rows", 1)):
        yield Item(
            name=f"ghost {way}",
            unit="%",
            algorithm="half-field-ghost-1",
            definition=_FBIRN,
            measure=lambda axis=axis: _ghost(mean, found, grid, axis),  # type: ignore[misc]
        )


def _ghost(mean: Floats, found: MrObject, grid: ImageGrid, axis: int) -> Measurement:
    """Mean of the object moved by half a field of view, where it meets the air, over that of the object.

    The magnitudes of ghost and noise do not add: the noise is taken off in the squares.
    """
    away = ndimage.distance_transform_edt(~found.mask, sampling=grid.spacing_mm)
    inner = found.depth_mm > 2 * max(grid.spacing_mm)
    moved = np.roll(inner, grid.shape[axis] // 2, axis=axis) & (away > 3 * max(grid.spacing_mm))
    air = air_of(found, grid, gap_mm=10.0) > 0
    air &= ~np.roll(ndimage.binary_dilation(found.mask, iterations=3), grid.shape[axis] // 2, axis=axis)
    if moved.sum() < 20 or air.sum() < 20:
        raise ValueError("the object leaves no air half a field of view away from it, or none beside that")
    power = mean**2
    ghost, floor = float(power[moved].mean()), float(power[air].mean())
    size = noise_size([power, power], [moved.astype(float), air.astype(float)], window=3)
    one, two = (mean_uncertainty(power, region.astype(float), size) for region in (moved, air))
    doubt = float(np.hypot(one, two))
    apart, level = max(ghost - floor, 0.0), float(mean[inner].mean())
    upper, lower = np.sqrt(apart + doubt), np.sqrt(max(apart - doubt, 0.0))
    return Measurement(
        name="ghost",
        value=100 * float(np.sqrt(apart)) / level,
        unit="%",
        uncertainty=50 * float(upper - lower) / level,
        definition=_FBIRN,
        algorithm="half-field-ghost-1",
    )
