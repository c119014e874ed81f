"""Resolution of a gamma camera from quadrant bars or from four slits."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage, optimize

from imgtech._core.validate import one_of, positive
from imgtech.geometry import ImageGrid
from imgtech.io import Series
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics import bar_mtf
from imgtech.qc.protocols._flat_pictures import path
from imgtech.qc.protocols._gamma_bars_find import BarSquare, find_bar_squares
from imgtech.qc.protocols._gamma_slits import SlitPair, find_slits
from imgtech.qc.protocols._items import Item, measured
from imgtech.qc.report import Outline, Picture, Report

Floats = npt.NDArray[np.float64]

GAMMA_BARS_EDITIONS = ("1997",)
_HANDER = Source(document="Hander et al., Med Phys 24:327", edition="1997", verified=False)
_NEMA = Source(
    document="NEMA NU 1", edition="2012", clause="2.1 Intrinsic spatial resolution", verified=False
)
_FWHM = math.sqrt(8 * math.log(2))
_OPEN_PIXELS = 2000
_DARK_SHARE = 0.2
_WIDEST_DEAD = 8
_MOST_IMAGES = 8


def gamma_bars(
    series: Series,
    *,
    edition: str = "1997",
    pattern: str | None = None,
    separation_mm: float = 100.0,
    variance_over_mean: float = 1.0,
) -> Report:
    """Measure images of a gamma camera behind a bar pattern.

    Every image of the series is one detector (or one repetition) and is measured by itself.

    Quadrant bars: the squares are found by their peaks in spectra of tiles, at any rotation and mirrored or
    not; widths of the bars are measured, not asked for. Four slits: two pairs of parallel lines at right
    angles, at any rotation.

    Parameters
    ----------
    series : Series
        Counts of one or several static images.
    edition : {"1997"}, optional
        Of the method; neither pattern has limits.
    pattern : {"quadrant", "four-slits"}, optional
        What lies on the detector; told from the share of bright pixels by default.
    separation_mm : float, optional
        Distance of the slits of a pair, 20 % either way.
    variance_over_mean : float, optional
        Counting variance over mean, 1 for Poisson's counts.

    Returns
    -------
    Report
        Quadrant: of every square, widest bars first, MTF, apparent FWHM and width of the bars; the FWHM of
        all together; the angle of the bars. Slits: FWHM, FWTM and separation across both pairs, and what
        the separation says of the pixel size. The items of several images end with ``, image 2``; one
        that shows no pattern is an error of its own.

    Raises
    ------
    ValueError
        If the series is not nuclear medicine or holds more than eight images, no pattern is found in any, or
        an argument is out of range.

    Notes
    -----
    ``docs/protocols/gamma-bars.md`` says how.
    """
    one_of("edition", edition, GAMMA_BARS_EDITIONS)
    ratio = positive("variance_over_mean", variance_over_mean)
    separation = positive("separation_mm", separation_mm)
    if series.modality != "NM":
        raise ValueError(f"series must be nuclear medicine (NM), got modality {series.modality!r}")
    if len(series.pixels) > _MOST_IMAGES:
        raise ValueError(
            f"series must hold 1 to {_MOST_IMAGES} images of bars, got {len(series.pixels)}: a tomogram?"
        )
    if pattern is not None:
        one_of("pattern", pattern, ("quadrant", "four-slits"))
    seen: list[_Seen] = []
    refused: dict[str, ValueError] = {}
    several = len(series.pixels) > 1
    for number, image in enumerate(series.pixels.astype(np.float64), 1):
        which = f"image {number}" if several else ""
        try:
            seen.append(_seen(image, series.grid, which, pattern, separation, ratio))
        except ValueError as error:
            refused[which] = error
    if not seen:
        if not several:
            raise refused[""]
        raise ValueError("; ".join(f"{which}: {error}" for which, error in refused.items()))
    faults = [_refused(which, error) for which, error in refused.items()]
    return Report(
        protocol="gamma-bars",
        edition=edition,
        measurements=measured([*(item for one in seen for item in one.items), *faults]),
        subject={name.replace("_", " "): str(value) for name, value in series.tags.known().items()},
        pictures=tuple(one.picture for one in seen),
        notes=(*series.notes, *(note for one in seen for note in one.notes)),
    )


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What one image shows."""

    items: list[Item]
    picture: Picture
    notes: list[str]


def _seen(
    counts: Floats, grid: ImageGrid, which: str, pattern: str | None, separation: float, ratio: float
) -> _Seen:
    """Items, picture and notes of one image; those of several end with ``which``."""
    if counts.min() < 0 or counts.max() == 0:
        raise ValueError("series must hold counts, not negative and not all zero")
    _without_dead_lines(counts)
    suffix = f", {which}" if which else ""
    kind = _kind(counts) if pattern is None else pattern
    notes = []
    if kind == "quadrant":
        squares = find_bar_squares(counts, grid)
        if not squares:
            raise ValueError("this is not an image of quadrant bars: no square of parallel bars was found")
        outlines = [path(grid, q.corners_mm, f"bars {i}") for i, q in enumerate(squares, 1)]
        open_ratio = _open_ratio(counts, grid, squares)
        unlike = open_ratio is not None and abs(open_ratio - ratio) > 0.1
        items = list(_bar_items(counts, grid, squares, ratio, open_ratio if unlike else None))
        if unlike:
            notes.append(
                f"counts of the open field scatter {open_ratio:.2f} times as much as Poisson's, "
                f"not {ratio:.2f} times: the MTF of fine bars is uncertain by the difference; "
                f"see variance_over_mean{suffix}"
            )
    else:
        pairs = find_slits(counts, grid, separation)
        items = list(_slit_items(pairs, separation))
        outlines = [o for p in pairs for o in _slit_outlines(grid, p)]
    return _Seen(
        items=[dataclasses.replace(item, name=item.name + suffix) for item in items],
        picture=Picture(
            title=kind.replace("-", " ") + suffix,
            pixels=counts.astype(np.float32),
            outlines=tuple(outlines),
        ),
        notes=notes,
    )


def _refused(which: str, error: ValueError) -> Item:
    """An image without a pattern beside one with it: an error of its own, not a silent gap."""

    def measure() -> Measurement:
        raise error

    return Item(
        name=f"pattern, {which}", unit="1", algorithm="bar-frequency-1", definition=_HANDER, measure=measure
    )


def _kind(counts: Floats) -> str:
    """Slits leave most of the lit part of the image dark; bars only half of it."""
    smooth = ndimage.uniform_filter(counts, 5)
    bright = float(np.percentile(smooth, 99.5))
    return "four-slits" if (smooth > 0.3 * bright).mean() < _DARK_SHARE else "quadrant"


def _without_dead_lines(counts: Floats) -> None:
    """Refuse a row or column without counts between lit ones: it would add to the variance of the bars."""
    for axis, name in ((1, "row"), (0, "column")):
        total = counts.sum(axis=axis)
        lit = np.flatnonzero(total > 0.1 * np.percentile(total, 90))
        for before, after in pairwise(lit.tolist()):
            if 1 < after - before <= _WIDEST_DEAD and (total[before + 1 : after] == 0).all():
                raise ValueError(f"series must hold no dead line, but {name} {before + 1} has no counts")


def _bar_items(
    counts: Floats, grid: ImageGrid, squares: list[BarSquare], ratio: float, other_ratio: float | None
) -> Iterator[Item]:
    def modulation(k: int, which: int) -> Measurement:
        """With what another ratio of the counting variance would change, where the open field shows one."""
        m = modulation_at(k, which, ratio)
        if other_ratio is None:
            return m
        try:
            off = (modulation_at(k, which, other_ratio).value or 0.0) - (m.value or 0.0)
        except ValueError:
            off = m.value or 0.0
        return dataclasses.replace(m, uncertainty=math.hypot(m.uncertainty or 0.0, off))

    def modulation_at(k: int, which: int, ratio: float) -> Measurement:
        if k >= len(squares):
            raise ValueError(f"only {len(squares)} squares of bars stand out of the noise")
        square = squares[k]
        found = bar_mtf(
            counts,
            square.region(grid),
            (grid.spacing_mm[0], grid.spacing_mm[1]),
            bar_width_mm=square.width_mm,
            variance_over_mean=ratio,
        )[which]
        y, x = square.center_mm
        return dataclasses.replace(
            found, details={**found.details, "bar width (mm)": square.width_mm, "y (mm)": y, "x (mm)": x}
        )

    def item(name: str, unit: str, algorithm: str, measure: Callable[[], Measurement]) -> Item:
        return Item(name=name, unit=unit, algorithm=algorithm, definition=_HANDER, measure=measure)

    for k in range(4):
        yield item(f"MTF bars {k + 1}", "1", "bar-variance-tapered-2", partial(modulation, k, 0))
        yield item(f"FWHM bars {k + 1}", "mm", "bar-variance-tapered-2", partial(modulation, k, 1))
        yield item(f"width bars {k + 1}", "mm", "bar-frequency-1", partial(_width, squares, k))

    def together() -> Measurement:
        return _together(squares, [modulation(k, 0) for k in range(len(squares))])

    yield item("FWHM all bars", "mm", "bar-variance-square-wave-1", together)
    yield item("angle of the bars", "deg", "bar-frequency-1", partial(_angle, squares))


def _width(squares: list[BarSquare], k: int) -> Measurement:
    if k >= len(squares):
        raise ValueError(f"only {len(squares)} squares of bars stand out of the noise")
    return Measurement(
        name="width",
        value=squares[k].width_mm,
        unit="mm",
        uncertainty=squares[k].width_uncertainty_mm,
        definition=_HANDER,
        algorithm="bar-frequency-1",
    )


def square_wave_modulation(width_mm: float, sigma_mm: float) -> float:
    """What the variance of opaque bars shows behind a Gaussian blur: all odd harmonics."""
    k = np.arange(1, 16, 2)
    terms = 4 / (math.pi * k) * np.exp(-((math.pi * k * sigma_mm / width_mm) ** 2) / 2)
    return math.sqrt(float((terms**2).sum()))


def _explaining(width_mm: float, modulation: float) -> float:
    """Gaussian blur behind which the bars show a modulation."""

    def excess(sigma: float) -> float:
        return square_wave_modulation(width_mm, sigma) - modulation

    return float(optimize.brentq(excess, 1e-3, 2 * width_mm))


def _together(squares: list[BarSquare], found: list[Measurement]) -> Measurement:
    """The Gaussian width that explains every square, corners of the bars included; weighted mean."""
    values, spreads = [], []
    for square, m in zip(squares, found, strict=True):
        top = square_wave_modulation(square.width_mm, 1e-3)
        if m.value is None or m.uncertainty is None or not 0.01 < m.value < 0.98 * top:
            continue
        sigma = _explaining(square.width_mm, m.value)
        step = 1e-3 * sigma
        slope = square_wave_modulation(square.width_mm, sigma + step) - square_wave_modulation(
            square.width_mm, sigma - step
        )
        values.append(_FWHM * sigma)
        spreads.append(_FWHM * m.uncertainty * 2 * step / abs(slope))
    if not values:
        raise ValueError("no square has a modulation below that of a sharp image")
    w = 1 / np.square(spreads)
    mean = float(np.vdot(w, values) / w.sum())
    misfit = float(np.vdot(w, (np.array(values) - mean) ** 2)) / max(len(values) - 1, 1)
    return Measurement(
        name="FWHM all bars",
        value=mean,
        unit="mm",
        uncertainty=math.sqrt(max(misfit, 1.0) / float(w.sum())),
        definition=_HANDER,
        algorithm="bar-variance-square-wave-1",
        details={f"bars {i} (mm)": v for i, v in enumerate(values, 1)},
    )


def _angle(squares: list[BarSquare]) -> Measurement:
    """Weighted mean of the directions, a quarter of a turn being nothing."""
    w = np.array([1 / q.normal_uncertainty_rad**2 for q in squares])
    turns = np.exp(4j * np.array([q.normal_rad for q in squares]))
    angle = float(np.angle(np.vdot(w, turns))) / 4
    away = np.angle(turns * np.exp(-4j * angle)) / 4
    misfit = float(np.vdot(w, away**2)) / max(len(squares) - 1, 1)
    return Measurement(
        name="angle of the bars",
        value=math.degrees(angle),
        unit="deg",
        uncertainty=math.degrees(math.sqrt(max(misfit, 1.0) / float(w.sum()))),
        definition=_HANDER,
        algorithm="bar-frequency-1",
    )


def _open_ratio(counts: Floats, grid: ImageGrid, squares: list[BarSquare]) -> float | None:
    """Variance over mean of counting where nothing covers the detector; None if that is too small."""
    size = [max(round(8.0 / d), 3) for d in grid.spacing_mm]
    smooth = ndimage.uniform_filter(counts, size)
    covered = np.zeros(counts.shape, dtype=bool)
    for q in squares:
        covered |= q.region(grid) > 0
    covered = ndimage.binary_dilation(covered, iterations=2 * max(size))
    bright = float(np.percentile(smooth[~covered], 80)) if (~covered).any() else 0.0
    clear = ~covered & (smooth > 0.85 * bright) & (smooth < 1.15 * bright)
    clear = ndimage.binary_erosion(clear, iterations=2)
    both = clear[1:] & clear[:-1]
    if both.sum() < _OPEN_PIXELS or bright <= 0:
        return None
    return float((np.diff(counts, axis=0)[both] ** 2).mean() / 2 / counts[clear].mean())


def _slit_items(pairs: tuple[SlitPair, SlitPair], separation: float) -> Iterator[Item]:
    for label, pair in zip(("x", "y"), pairs, strict=True):
        rows = (
            (f"FWHM {label}", "mm", pair.fwhm_mm, pair.fwhm_uncertainty_mm),
            (f"FWTM {label}", "mm", pair.fwhm_mm * pair.fwtm_over_fwhm,
             pair.fwhm_uncertainty_mm * pair.fwtm_over_fwhm),
            (f"separation {label}", "mm", pair.separation_mm, pair.separation_uncertainty_mm),
            (f"pixel size difference {label}", "%", 100 * (separation / pair.separation_mm - 1),
             100 * separation * pair.separation_uncertainty_mm / pair.separation_mm**2),
        )  # fmt: skip
        for name, unit, value, spread in rows:
            m = Measurement(name=name, unit=unit, value=value, uncertainty=spread, definition=_NEMA,
                            algorithm="two-gaussians-poisson-1")  # fmt: skip
            yield Item(name=name, unit=unit, algorithm=m.algorithm, definition=_NEMA,
                       measure=lambda m=m: m)  # type: ignore[misc]  # fmt: skip


def _slit_outlines(grid: ImageGrid, pair: SlitPair) -> list[Outline]:
    c, s = math.cos(pair.normal_rad), math.sin(pair.normal_rad)
    out = []
    for side in (-0.5, 0.5):
        p = side * pair.separation_mm
        ends = [(p * s + q * c, p * c - q * s) for q in (-pair.half_band_mm, pair.half_band_mm)]
        points = [(pair.center_mm[0] + y, pair.center_mm[1] + x) for y, x in ends]
        out.append(path(grid, points, closed=False))
    return out
