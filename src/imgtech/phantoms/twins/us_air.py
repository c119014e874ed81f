"""Digital twin of an ultrasound probe in air: the lines that its own front reverberates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import count, finite, positive
from imgtech.geometry import ImageGrid
from imgtech.phantoms.rayleigh import speckle_field

Floats = npt.NDArray[np.float64]

_FWHM = math.sqrt(8 * math.log(2))


@dataclass(frozen=True, kw_only=True)
class UsAirTwin:
    r"""The image of a probe that radiates into air.

    .. math:: b(z, x) = g(x) \sum_{k \ge 1} 10^{(L - f k d)/20}\, p(z - k d) + n(z, x)

    with lines of distance d that fade by f, a Gaussian pulse p, complex normal noise n of mean power 1 and
    the gain g of the elements around x: that of each element, averaged by a Gaussian beam.

    Parameters
    ----------
    n_elements : int, optional
        Elements of the probe.
    pitch_mm : float, optional
        Their distance; the picture of the probe is ``n_elements * pitch_mm`` wide around 0.
    line_distance_mm, pulse_mm : float, optional
        Distance of the lines, and their full width at half maximum.
    level_db, fall_db_per_mm : float, optional
        Amplitude over the noise at depth 0, and its fall.
    beam_mm : float, optional
        Full width at half maximum of the beam that averages the gains.
    gains_db : mapping of int to float, optional
        Gains of weak or dead elements by number, counted from 0; others have 0 dB.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms.twins import UsAirTwin
    >>> twin = UsAirTwin(gains_db={40: -40.0})
    >>> grid = ImageGrid(shape=(600, 256), spacing_mm=(0.05, 0.15), center_mm=(15.0, 0.0))
    >>> image = twin.image(grid, rng=np.random.default_rng(1))
    >>> round(twin.reach_mm(grid), 1)
    20.0
    """

    n_elements: int = 128
    pitch_mm: float = 0.3
    line_distance_mm: float = 1.3
    pulse_mm: float = 0.4
    level_db: float = 50.0
    fall_db_per_mm: float = 2.5
    beam_mm: float = 0.3
    gains_db: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count("n_elements", self.n_elements)
        for name in ("pitch_mm", "line_distance_mm", "pulse_mm", "fall_db_per_mm", "beam_mm"):
            positive(name, getattr(self, name))
        finite("level_db", self.level_db)
        for element, gain in self.gains_db.items():
            if count("gains_db", element, 0) >= self.n_elements:
                raise ValueError(f"gains_db must name elements 0 to {self.n_elements - 1}, got {element!r}")
            finite("gains_db", gain)

    def gain(self, x_mm: npt.ArrayLike) -> Floats:
        """Gain at lateral places, 1 where all elements are sound."""
        places = (np.arange(self.n_elements) - (self.n_elements - 1) / 2) * self.pitch_mm
        amplitude = np.ones(self.n_elements)
        for element, gain in self.gains_db.items():
            amplitude[element] = 10 ** (gain / 20)
        sigma = self.beam_mm / _FWHM
        beam = np.exp(-((np.asarray(x_mm, dtype=np.float64)[..., None] - places) ** 2) / (2 * sigma**2))
        return np.asarray((beam * amplitude).sum(axis=-1) / np.maximum(beam.sum(axis=-1), 1e-300))

    def image(self, grid: ImageGrid, *, rng: np.random.Generator) -> Floats:
        """Envelope, shape ``grid.shape``; depth along y from 0 at the probe."""
        y, x = grid.coordinates_mm
        lines = np.zeros(grid.shape[0])
        sigma = self.pulse_mm / _FWHM
        for k in range(1, int(y[-1] / self.line_distance_mm) + 2):
            depth = k * self.line_distance_mm
            height = 10 ** ((self.level_db - self.fall_db_per_mm * depth) / 20)
            lines += height * np.exp(-((y - depth) ** 2) / (2 * sigma**2))
        noise = speckle_field(grid, fwhm_mm=(self.pulse_mm, self.beam_mm), rng=rng)
        return np.asarray(np.abs(lines[:, None] * self.gain(x) + noise))

    def reach_mm(self, grid: ImageGrid) -> float:
        """Depth at which the mean power of the lines equals that of the noise."""
        mean = float((self.gain(grid.coordinates_mm[1]) ** 2).mean())
        return (self.level_db + 10 * math.log10(mean)) / self.fall_db_per_mm
