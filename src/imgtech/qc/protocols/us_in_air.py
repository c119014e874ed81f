"""An ultrasound probe in air: dead and weak elements, evenness, and how deep its reverberations reach."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import signal

from imgtech._core.validate import count, finite, one_of
from imgtech.geometry import ImageGrid
from imgtech.io import Series
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics.ultrasound import ElementLevels
from imgtech.qc.protocols._flat_pictures import path
from imgtech.qc.protocols._items import Item, measured
from imgtech.qc.protocols._us_air_reach import FEWEST_LINES, reach_of_lines
from imgtech.qc.protocols._us_items import shared_deviation
from imgtech.qc.protocols._us_scale import us_envelopes
from imgtech.qc.protocols.us_multipurpose import check_us, one_frame
from imgtech.qc.report import Outline, Picture, Report
from imgtech.qc.uncertainty import correlated_mean

Floats = npt.NDArray[np.float64]

US_AIR_EDITIONS = ("2017",)
HORSSEN = Source(document="van Horssen et al., Ultrasound 25:229", edition="2017", verified=False)
_SEGMENTS = 5
_NEIGHBOURS = 10
_BARE = 0.25
_LINE_DB = 6.0
_CLEAR_DB = 20.0
_ALIKE = 0.7
_TRIALS = 200
_DB = 10 / math.log(10)


def us_in_air(
    series: Series,
    *,
    edition: str = "2017",
    n_elements: int | None = None,
    weak_db: float = -3.0,
    dead_db: float = -9.0,
    bright_db: float = 3.0,
    db_per_level: float | None = None,
    frame: int | None = None,
) -> Report:
    """Measure the image of a clean probe in air.

    The lines that the front of the probe reverberates are as even as its elements. Every row is set against
    its own median, so that neither the fall of the lines nor the depth gain counts.

    Parameters
    ----------
    series : Series
        One image, as wide as the row of elements; that of a convex probe before scan conversion.
    edition : {"2017"}, optional
        Of the method.
    n_elements : int, optional
        Elements across the picture, whose numbers are then named, counted from 0 at the left; columns of the
        picture by default.
    weak_db, dead_db : float, optional
        Levels against the neighbours below which an element is weak, and dead. A beam of several elements
        shows a dead one as a weak place.
    bright_db : float, optional
        Level above the median of the probe from which an element reverberates too much.
    db_per_level : float, optional
        Decibels of one grey level; must be given where the series holds grey levels.
    frame : int, optional
        Which frame of a cine, counted from 0.

    Returns
    -------
    Report
        Dead, weak and bright elements with their numbers, evenness of the elements, levels of five segments,
        and the depth to which the lines reach; with a picture.

    Raises
    ------
    ValueError
        If the series is not one ultrasound image, shows no lines along the probe, or an argument is out of
        range.

    Notes
    -----
    ``docs/protocols/us-in-air.md`` says what is allowed and how to read the numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.io import series_from_grid
    >>> from imgtech.phantoms.twins import UsAirTwin
    >>> from imgtech.qc.protocols import us_in_air
    >>> grid = ImageGrid(shape=(600, 256), spacing_mm=(0.05, 0.15), center_mm=(15.0, 0.0))
    >>> envelope = UsAirTwin(gains_db={40: -40.0}).image(grid, rng=np.random.default_rng(1))
    >>> report = us_in_air(series_from_grid(envelope, grid, modality="US"), n_elements=128)
    >>> report["dead elements"].value, report["dead elements"].details["which"]
    (1.0, '40')
    """
    one_of("edition", edition, US_AIR_EDITIONS)
    if finite("dead_db", dead_db) >= finite("weak_db", weak_db) or weak_db >= 0:
        raise ValueError(f"dead_db must lie below weak_db and that below 0, got {dead_db} and {weak_db}")
    if finite("bright_db", bright_db) <= 0:
        raise ValueError(f"bright_db must be positive, got {bright_db}")
    series = one_frame(series, frame)
    check_us(series, [])
    whole = series.pixels[0]
    if db_per_level is None and (whole == np.rint(whole)).all() and whole.max() <= 255:
        raise ValueError("db_per_level must be given: the series holds grey levels, and no speckle tells it")
    envelopes = us_envelopes(series, [], db_per_level)
    grid = envelopes.grid
    n = grid.shape[1] if n_elements is None else count("n_elements", n_elements, 2 * _NEIGHBOURS)
    if n > grid.shape[1]:
        raise ValueError(f"n_elements must not exceed the {grid.shape[1]} columns of the picture, got {n}")
    air = _Air(image=envelopes.images[0], grid=grid, n=int(n))
    air.check()
    named = "elements" if n_elements is not None else "columns"
    shown = _DB * np.log(np.maximum(air.image**2 / (air.image**2).max(), 1e-6))
    return Report(
        protocol="us-in-air",
        edition=edition,
        measurements=measured(_items(air, named, (dead_db, weak_db, bright_db))),
        subject={key.replace("_", " "): str(value) for key, value in series.tags.known().items()},
        pictures=(
            Picture(
                title="envelope in dB; marked what is weak",
                pixels=shown.astype(np.float32),
                outlines=tuple(_marks(air, weak_db)),
                window=(-60.0, 0.0),
            ),
        ),
        notes=(
            *series.notes,
            f"{len(air.lines)} lines, {air.line_distance_mm:.2f} mm apart; levels from the first "
            f"{air.clear_rows.sum()} rows of them that stand {_CLEAR_DB:g} dB above the noise",
        ),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Air:
    """The image and what it shows."""

    image: Floats
    grid: ImageGrid
    n: int

    @cached_property
    def profile(self) -> Floats:
        """Mean power of every row."""
        return np.asarray((self.image**2).mean(axis=1))

    @cached_property
    def noise(self) -> float:
        """Mean power of the lowest quarter."""
        return float(self.profile[-max(round(_BARE * self.profile.size), 1) :].mean())

    @cached_property
    def lines(self) -> npt.NDArray[np.intp]:
        """Rows of the lines."""
        decibels = _DB * np.log(np.maximum(self.profile, 1e-300) / max(self.noise, 1e-300))
        found, _ = signal.find_peaks(decibels, height=_LINE_DB, prominence=3.0)
        return np.asarray(found)

    @property
    def line_distance_mm(self) -> float:
        """Median distance of the lines."""
        return float(np.median(np.diff(self.lines))) * self.grid.spacing_mm[0]

    @cached_property
    def clear_rows(self) -> npt.NDArray[np.bool_]:
        """Rows that stand clear of the noise."""
        return np.asarray(self.profile > self.noise * 10 ** (_CLEAR_DB / 10))

    @cached_property
    def levels(self) -> Floats:
        """Power of the clear rows, of every row against its median: ``(row, column)``."""
        power = self.image[self.clear_rows] ** 2
        return np.asarray(power / np.median(power, axis=1, keepdims=True))

    @cached_property
    def clean_levels(self) -> Floats:
        """The same with the power of the noise taken off, which lifts dead elements and so all means."""
        power = self.image[self.clear_rows] ** 2
        return np.asarray((power - self.noise) / (np.median(power, axis=1, keepdims=True) - self.noise))

    @cached_property
    def elements(self) -> ElementLevels:
        """Levels of the elements against their neighbours."""
        edges = np.rint(np.linspace(0, self.grid.shape[1], self.n + 1)).astype(int)
        parts = [correlated_mean(self.levels[:, a:b]) for a, b in pairwise(edges)]
        means = np.maximum([m.value for m in parts], 1e-12)
        return ElementLevels.of(
            _DB * np.log(means),
            _DB * np.array([m.uncertainty for m in parts]) / means,
            n_neighbours=_NEIGHBOURS,
            definition=HORSSEN,
            algorithm="us-air-rows-2",
            even=True,
        )

    def check(self) -> None:
        """Refuse an image that does not show lines along the probe."""
        if len(self.lines) < FEWEST_LINES or self.clear_rows.sum() < 2 * FEWEST_LINES:
            raise ValueError(
                f"no reverberations were found: {len(self.lines)} lines stand out of the noise, "
                f"{FEWEST_LINES} at least must; is the probe in air and the depth enough, "
                "and the picture of a convex probe from before scan conversion?"
            )
        rows = np.log(np.maximum(self.image[: self.lines[-1] + 1] ** 2, 1e-300))
        usual = rows.mean(axis=1)
        usual = usual - usual.mean()
        columns = rows - rows.mean(axis=0)
        alike = (usual @ columns) / np.sqrt((usual @ usual) * np.maximum((columns**2).sum(axis=0), 1e-300))
        if float(np.median(alike)) < _ALIKE:
            raise ValueError(
                f"no reverberations were found: columns must show the same lines, got a correlation of "
                f"{float(np.median(alike)):.2f} with their mean"
            )


def _items(air: _Air, named: str, thresholds_db: tuple[float, float, float]) -> Iterator[Item]:
    dead_db, weak_db, bright_db = thresholds_db
    for name, threshold in (("dead", dead_db), ("weak", weak_db)):
        yield Item(
            name=f"{name} {named}",
            unit="1",
            algorithm="us-air-rows-2, count-2",
            definition=HORSSEN,
            measure=lambda t=threshold: air.elements.count_below(t),  # type: ignore[misc]
        )
    yield Item(
        name=f"bright {named}",
        unit="1",
        algorithm="us-air-bright-1",
        definition=HORSSEN,
        measure=lambda: _bright(air.elements, bright_db, dead_db),
    )
    yield Item(
        name="non-uniformity",
        unit="dB",
        algorithm="us-air-halves-1",
        definition=HORSSEN,
        measure=lambda: _unevenness(air),
    )
    for k in range(_SEGMENTS):
        yield Item(
            name=f"level of segment {k + 1}",
            unit="dB",
            algorithm="us-air-segment-2",
            definition=HORSSEN,
            measure=lambda k=k: _segment(air, k),  # type: ignore[misc]
        )
    yield Item(
        name="depth of reverberations",
        unit="mm",
        algorithm="us-air-lines-2",
        definition=HORSSEN,
        measure=lambda: reach_of_lines(air.image, air.lines, air.grid, bare=_BARE, definition=HORSSEN),
    )


def _bright(elements: ElementLevels, bright_db: float, dead_db: float) -> Measurement:
    """Elements far above the median of the probe; where that is dead, they are what is left of it."""
    levels = elements.level_db + elements.around_db
    drawn = levels + elements.uncertainty_db * np.random.default_rng(20261127).standard_normal(
        (_TRIALS, levels.size)
    )
    above, again = (v > np.median(v, axis=-1, keepdims=True) + bright_db for v in (levels, drawn))
    if above.any() and np.median(levels[above]) > np.median(levels) - dead_db:
        above, again = np.zeros_like(above), np.zeros_like(again)
    n = int(above.sum())
    return Measurement(
        name="bright",
        value=float(n),
        uncertainty=math.sqrt(float(((again.sum(axis=1) - n) ** 2).mean())),
        definition=HORSSEN,
        algorithm="us-air-bright-1",
        details={"which": ", ".join(str(k) for k in np.flatnonzero(above)), "above (dB)": bright_db},
    )


def _unevenness(air: _Air) -> Measurement:
    """Deviation of the columns' levels that every other line shares with the rest."""
    nearest = np.abs(np.subtract.outer(np.flatnonzero(air.clear_rows), air.lines)).argmin(axis=1)
    halves = [air.levels[nearest % 2 == turn].mean(axis=0) for turn in (0, 1)]
    return shared_deviation(_DB * np.log(np.maximum(halves, 1e-12)), HORSSEN, "us-air-halves-1")


def _segment(air: _Air, k: int) -> Measurement:
    """Mean power of a fifth of the columns against that of all; its uncertainty is that of the noise."""
    edges = np.rint(np.linspace(0, air.grid.shape[1], _SEGMENTS + 1)).astype(int)
    part, whole = air.clean_levels[:, edges[k] : edges[k + 1]], air.clean_levels
    rest = part - part.mean(axis=0)
    spread = [
        correlated_mean(values).uncertainty / float(level.mean())
        for values, level in ((rest, part), (whole - whole.mean(axis=0), whole))
    ]
    share = (edges[k + 1] - edges[k]) / air.grid.shape[1]
    x = air.grid.coordinates_mm[1]
    return Measurement(
        name=f"level of segment {k + 1}",
        value=_DB * math.log(float(part.mean() / whole.mean())),
        unit="dB",
        uncertainty=_DB * math.sqrt(max((1 - 2 * share) * spread[0] ** 2 + spread[1] ** 2, 0.0)),
        definition=HORSSEN,
        algorithm="us-air-segment-2",
        details={"from (mm)": float(x[edges[k]]), "to (mm)": float(x[edges[k + 1] - 1])},
    )


def _marks(air: _Air, weak_db: float) -> Iterator[Outline]:
    try:
        weak = air.elements.below(weak_db)
    except ValueError:
        return
    y, x = air.grid.coordinates_mm
    edges = np.linspace(x[0] - air.grid.spacing_mm[1] / 2, x[-1] + air.grid.spacing_mm[1] / 2, air.n + 1)
    for i in weak:
        corners = [(y[0], edges[i]), (y[0], edges[i + 1]), (y[-1], edges[i + 1]), (y[-1], edges[i])]
        yield path(air.grid, [(float(a), float(b)) for a, b in corners], str(i))
