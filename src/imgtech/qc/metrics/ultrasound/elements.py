"""Elements of a probe: how even they are, and which are weak or dead."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech._core.validate import count, each, finite, real_image
from imgtech.geometry import ImageGrid
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._bare import root
from imgtech.qc.metrics.ultrasound._envelope import checked_envelope
from imgtech.qc.uncertainty.correlated import correlated_mean

Floats = npt.NDArray[np.float64]

_AAPM = Source(
    document="Goodsitt et al., Med Phys 25:1385 (AAPM Ultrasound Task Group 1)",
    edition="1998",
    clause="image uniformity",
    verified=False,
)
_HORSSEN = Source(document="van Horssen et al., Ultrasound 25:229", edition="2017", verified=False)
_DB = 10 / math.log(10)
_TRIALS = 200
_UNSOUND_DB = 3.0
_BESIDE = 5
_FEW = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class ElementLevels:
    """Level of every element or column of a probe against that of its neighbours.

    The level around is the running median of the neighbours. Where it lies more than 3 dB below the sound
    level of the whole after a step, as inside a group that a broken cable or a loose lens darkens, it tells
    nothing, and the level between the nearest sound places takes its turn; of what ought to be even
    (``even``) also without a step. The sound level is the median, or that of the elements more than 3 dB
    above it while these are more than a tenth.

    Parameters
    ----------
    level_db : numpy.ndarray
        Mean power in dB against the running median of the neighbours, shape ``(n,)``.
    uncertainty_db : numpy.ndarray
        Standard uncertainty of each, from its own speckle cells or repetitions.
    definition : Source
        Where the test is described.
    algorithm : str
        Name and version of the algorithm.
    around_db : numpy.ndarray
        The level that every level is set against, shape ``(n,)``.
    n_neighbours : int
        Elements on either side in the running median.
    even : bool
        Whether a slow fall of more than 3 dB counts.
    """

    level_db: Floats
    uncertainty_db: Floats
    definition: Source
    algorithm: str
    around_db: Floats
    n_neighbours: int
    even: bool = False

    @classmethod
    def of(
        cls,
        decibels: npt.ArrayLike,
        uncertainty_db: npt.ArrayLike,
        *,
        n_neighbours: int,
        definition: Source,
        algorithm: str,
        even: bool = False,
    ) -> ElementLevels:
        """Set levels against the running median of their neighbours.

        Parameters
        ----------
        decibels, uncertainty_db : array_like
            Level of every element or column in dB and its standard uncertainty, shape ``(n,)``.
        n_neighbours : int
            Elements on either side in the running median; fewer at the ends.
        definition : Source
            Where the test is described.
        algorithm : str
            Name and version of the algorithm.
        even : bool, optional
            Whether a slow fall of more than 3 dB counts, as of a probe in air, and not only a step: speckle
            and echoes of an object fade slowly to the sides of a sound probe.
        """
        levels = np.asarray(decibels, dtype=np.float64)
        around = _around(levels, n_neighbours, even)
        return cls(
            level_db=levels - around,
            uncertainty_db=np.asarray(uncertainty_db, dtype=np.float64),
            definition=definition,
            algorithm=algorithm,
            around_db=around,
            n_neighbours=n_neighbours,
            even=even,
        )

    def below(self, threshold_db: float) -> tuple[int, ...]:
        """Indices of the elements whose level lies below a threshold.

        Parameters
        ----------
        threshold_db : float
            Negative: about -3 for weak and -20 for dead elements.

        Raises
        ------
        ValueError
            If the threshold is not negative.
        """
        return tuple(int(i) for i in np.flatnonzero(self.level_db < _negative(threshold_db)))

    def count_below(self, threshold_db: float) -> Measurement:
        """How many elements lie below a threshold.

        An element whose uncertainty reaches across the threshold may be counted wrongly, and so may many at
        once when the noise moves the median of their neighbours. The uncertainty is the root mean square of
        what the count changes by when every level is drawn again with its uncertainty, medians included.

        Parameters
        ----------
        threshold_db : float
            Negative: about -3 for weak and -20 for dead elements.

        Returns
        -------
        Measurement
            ``"elements below -3 dB"``, unit 1.

        Raises
        ------
        ValueError
            If the threshold is not negative.
        """
        found = self.below(threshold_db)
        rng = np.random.default_rng(20261126)
        noise = self.uncertainty_db * rng.standard_normal((_TRIALS, self.level_db.size))
        drawn = self.level_db + self.around_db + noise
        again = (drawn - _around(drawn, self.n_neighbours, self.even) < threshold_db).sum(axis=1)
        return Measurement(
            name=f"elements below {threshold_db:g} dB",
            value=float(len(found)),
            uncertainty=math.sqrt(float(((again - len(found)) ** 2).mean())),
            definition=self.definition,
            algorithm=f"{self.algorithm}, count-2",
            details={"elements": self.level_db.size, "which": ", ".join(map(str, found))},
        )

    def non_uniformity(self) -> Measurement:
        r"""Standard deviation of the levels that is not due to noise or speckle.

        .. math:: \sigma = \sqrt{\max(S^2 - \overline{u^2}, 0)}

        The uncertainty follows from that of the square; where the 95 % interval of the square holds 0, it is
        the wider side of that of the root, so that 0 is held.

        Returns
        -------
        Measurement
            ``"element non-uniformity"`` in dB.
        """
        n = self.level_db.size
        total = float(self.level_db.var(ddof=1))
        noise = float((self.uncertainty_db**2).mean())
        square, spread = total - noise, total * math.sqrt(2 / (n - 1))
        value, uncertainty = root(square, spread)
        if square > 1.96 * spread:
            uncertainty = spread / (2 * value)
        return Measurement(
            name="element non-uniformity",
            value=value,
            unit="dB",
            uncertainty=uncertainty,
            definition=self.definition,
            algorithm=f"{self.algorithm}, non-uniformity-2",
            degrees_of_freedom=float(n - 1),
            details={"scatter (dB)": math.sqrt(total), "of it noise (dB)": math.sqrt(noise)},
        )


def column_levels(
    envelope: npt.ArrayLike,
    grid: ImageGrid,
    *,
    depth_mm: tuple[float, float],
    n_neighbours: int = 10,
) -> ElementLevels:
    """Levels of the columns of an image of uniform speckle or of the reverberations in air.

    Shadows of weak or dead elements, of bubbles and of poor contact show as dark columns. The mean power
    of each column between two depths is set against the running median of the columns around it, so
    that a slow change across the image does not count.

    Parameters
    ----------
    envelope : array_like
        Envelope (not in dB), shape ``(ny, nx)``, one column a beam; convex images before scan conversion.
    grid : ImageGrid
        Where the pixels are; y is the depth.
    depth_mm : (float, float)
        First and last depth.
    n_neighbours : int, optional
        Columns on either side in the running median.

    Returns
    -------
    ElementLevels
        One level a column; its uncertainty counts the speckle cells along it.

    Raises
    ------
    ValueError
        If the envelope is negative or not finite, the depths hold fewer than 20 rows, a column is zero, or
        there are fewer columns than neighbours.

    References
    ----------
    M. M. Goodsitt et al., Med Phys 25 (1998) 1385, doi:10.1118/1.598404.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import speckle_field
    >>> from imgtech.qc.metrics.ultrasound import column_levels
    >>> grid = ImageGrid(shape=(400, 64), spacing_mm=(0.05, 0.3), center_mm=(12.0, 0.0))
    >>> envelope = abs(speckle_field(grid, fwhm_mm=(0.2, 0.3), rng=np.random.default_rng(1)))
    >>> envelope[:, 40] *= 0.2
    >>> column_levels(envelope, grid, depth_mm=(4.0, 20.0)).below(-6.0)
    (40,)
    """
    image = checked_envelope("envelope", envelope, grid)
    first, last = each("depth_mm", depth_mm, 2)
    rows = (grid.coordinates_mm[0] >= first) & (grid.coordinates_mm[0] <= last)
    if rows.sum() < 20:
        raise ValueError(f"depth_mm must hold at least 20 rows, got {rows.sum()}")
    power = image[rows] ** 2
    return _levels([power[:, [i]] for i in range(power.shape[1])], n_neighbours, _AAPM, "us-columns-2")


def element_levels(channel_data: npt.ArrayLike, *, n_neighbours: int = 10) -> ElementLevels:
    """Levels of the elements of a probe from its channel data.

    The mean power of what each element receives, with the probe in air or on a uniform phantom, against the
    running median of its neighbours. Data of one transmission at a time show the receiving element alone.

    Parameters
    ----------
    channel_data : array_like
        Samples ``(n_transmits, n_elements, n_samples)`` or ``(n_elements, n_samples)``, without the
        transmit pulse itself.
    n_neighbours : int, optional
        Elements on either side in the running median.

    Returns
    -------
    ElementLevels
        One level an element; its uncertainty counts the independent samples.

    Raises
    ------
    ValueError
        If the data are not finite, an element is zero throughout (it cannot be told from missing data; leave
        it out and count it as dead), or there are fewer elements than neighbours.

    References
    ----------
    P. van Horssen et al., Ultrasound 25 (2017) 229, doi:10.1177/1742271X17733145.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics.ultrasound import element_levels
    >>> rf = np.random.default_rng(1).standard_normal((3, 64, 500))
    >>> rf[:, [7, 30]] *= np.array([[0.05], [0.6]])
    >>> levels = element_levels(rf)
    >>> levels.below(-3.0), levels.below(-20.0)
    ((7, 30), (7,))
    """
    data = real_image("channel_data", channel_data, (2, 3)).astype(np.float64)
    power = (data[None] if data.ndim == 2 else data) ** 2
    return _levels(
        [np.ascontiguousarray(power[:, i].T) for i in range(power.shape[1])],
        n_neighbours,
        _HORSSEN,
        "us-elements-2",
    )


def _levels(powers: list[Floats], n_neighbours: int, definition: Source, algorithm: str) -> ElementLevels:
    n, reach = len(powers), count("n_neighbours", n_neighbours, 2)
    if n < 2 * reach:
        raise ValueError(f"there must be at least {2 * reach} elements for the median, got {n}")
    means = [correlated_mean(power) for power in powers]
    values = np.array([m.value for m in means])
    if values.min() == 0:
        raise ValueError(f"every element must have some power, got none at {int(np.argmin(values))}")
    decibels = _DB * np.log(values)
    spread = _DB * np.array([m.uncertainty for m in means]) / values
    return ElementLevels.of(decibels, spread, n_neighbours=reach, definition=definition, algorithm=algorithm)


def _around(levels: Floats, reach: int, even: bool) -> Floats:
    """Running median along the last axis, carried over from sound places into groups that are not."""
    around = _running_median(levels, reach)
    rows = (a.reshape(-1, levels.shape[-1]) for a in (levels, around))
    for row, median in zip(*rows, strict=True):
        sound = median > _sound_level(row) - _UNSOUND_DB
        for (group,) in ndimage.find_objects(ndimage.label(~sound)[0]) if not even else []:
            if not _steps_down(row, group.start, group.stop):
                sound[group] = True
        if sound.any() and not sound.all():
            at = np.flatnonzero(sound)
            median[:] = np.interp(np.arange(median.size), at, median[at])
    return around


def _steps_down(levels: Floats, first: int, last: int) -> bool:
    """Whether a stretch begins or ends with a step, as a group does, and not where a slow change has led."""
    steps: list[float] = []
    if first > 0:
        steps.append(
            np.median(levels[max(first - _BESIDE, 0) : first]) - np.median(levels[first : first + _BESIDE])
        )
    if last < levels.size:
        steps.append(
            np.median(levels[last : last + _BESIDE]) - np.median(levels[max(last - _BESIDE, 0) : last])
        )
    return any(step > _UNSOUND_DB for step in steps)


def _sound_level(levels: Floats) -> float:
    """Median, or that of the higher elements while more than a few lie far above it."""
    level = float(np.median(levels))
    while True:
        higher = levels[levels > level + _UNSOUND_DB]
        if higher.size <= _FEW * levels.size:
            return level
        level = float(np.median(higher))


def _running_median(levels: Floats, reach: int) -> Floats:
    """Median over neighbours along the last axis, over fewer at the ends."""
    n = levels.shape[-1]
    windows = [levels[..., max(i - reach, 0) : i + reach + 1] for i in range(n)]
    return np.stack([np.median(w, axis=-1) for w in windows], axis=-1)


def _negative(threshold_db: float) -> float:
    if finite("threshold_db", threshold_db) >= 0:
        raise ValueError(f"threshold_db must be negative, got {threshold_db}")
    return threshold_db
