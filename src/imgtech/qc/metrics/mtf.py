"""Modulation transfer function from a slanted edge."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import count, floats, positive, real_image
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._noise import autocorrelation
from imgtech.qc.metrics.edge import Edge, fit_edge

Floats = npt.NDArray[np.float64]

_ISO = Source(document="ISO 12233", edition="2017", clause="edge-based spatial frequency response",
              verified=False)  # fmt: skip
_ALGORITHM = "slanted-edge-hermite-1"
_MOST_TERMS = 30
_PENALTY = 3.0
_MISFIT = 0.003
_N_FREQUENCIES = 401
_NOISE_WINDOW = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class MTF(ArrayValue):
    """A modulation transfer function with its standard uncertainty.

    Parameters
    ----------
    frequencies_per_mm : numpy.ndarray
        Spatial frequencies in cycles per mm, rising from 0.
    values : numpy.ndarray
        MTF, 1 at frequency 0.
    uncertainties : numpy.ndarray
        Standard uncertainty of every value.
    edge : Edge
        The edge it was measured at.
    n_terms : int
        Number of terms that describe the line spread function.
    definition : Source
        The standard that defines it.

    Raises
    ------
    ValueError
        If the arrays differ in length, are not finite, or the frequencies do not rise from 0.
    """

    frequencies_per_mm: Floats
    values: Floats
    uncertainties: Floats
    edge: Edge
    n_terms: int
    definition: Source = _ISO

    def __post_init__(self) -> None:
        for name in ("frequencies_per_mm", "values", "uncertainties"):
            object.__setattr__(self, name, floats(name, getattr(self, name)))
        f = self.frequencies_per_mm
        if f[0] != 0 or (np.diff(f) <= 0).any():
            raise ValueError("frequencies_per_mm must rise from 0")
        if not f.size == self.values.size == self.uncertainties.size:
            raise ValueError("frequencies_per_mm, values and uncertainties must have the same length")

    def at(self, level: float) -> Measurement:
        """The lowest frequency at which the MTF falls to ``level``, such as MTF50 for 0.5.

        Parameters
        ----------
        level : float
            Between 0 and 1.

        Returns
        -------
        Measurement
            ``"MTF50"`` for a level of 0.5, in ``"1/mm"``. Its uncertainty is that of the MTF there
            divided by the slope.

        Raises
        ------
        ValueError
            If ``level`` does not lie between 0 and 1 or the MTF does not fall to it.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {level!r}")
        f, values = self.frequencies_per_mm, self.values
        below = np.flatnonzero(values <= level)
        if below.size == 0:
            raise ValueError(f"level must be reached up to {f[-1]:g} per mm, got {level!r}")
        i = int(below[0])
        part = (values[i - 1] - level) / (values[i - 1] - values[i])
        slope = (values[i] - values[i - 1]) / (f[i] - f[i - 1])
        spread = (1 - part) * self.uncertainties[i - 1] + part * self.uncertainties[i]
        return Measurement(
            name=f"MTF{100 * level:g}",
            value=float(f[i - 1] + part * (f[i] - f[i - 1])),
            unit="1/mm",
            uncertainty=float(spread / abs(slope)),
            definition=self.definition,
            algorithm=_ALGORITHM,
            details={
                "edge tilt (deg)": math.degrees(self.edge.tilt_rad),
                "contrast to noise": (self.edge.bright - self.edge.dark) / max(self.edge.noise, 1e-300),
                "terms": self.n_terms,
            },
        )


def slanted_edge_mtf(
    image: npt.ArrayLike,
    spacing_mm: tuple[float, float],
    *,
    max_frequency_per_mm: float | None = None,
    n_terms: int | None = None,
) -> MTF:
    r"""Presampled MTF across a slanted edge of unknown angle.

    The edge is found by :func:`fit_edge`; the distance of every pixel centre from it samples the edge
    spread function far more finely than the pixels. Instead of sorting these samples into bins and taking
    differences, the line spread function is expanded in Hermite functions of the fitted width s,

    .. math:: \mathrm{LSF}(d) = \sum_{k=0}^{K} c_k\, h_k(d / s), \qquad
              \mathrm{MTF}(f) = \left| \frac{\sum_k (-i)^k c_k h_k(2 \pi f s)}
              {\sum_k (-i)^k c_k h_k(0)} \right|

    and its integral is fitted to the pixels by least squares: no bin width and no finite difference has
    to be corrected for, and the tails of the line spread function add no noise. K grows by two terms as
    long as the fit improves by more than the noise can; a profile from which 30 terms still differ by
    0.3 % of the step is refused. The MTF belongs to the direction of the edge normal and includes the pixel
    aperture.

    Parameters
    ----------
    image : array_like
        Shape ``(ny, nx)``: one edge through the whole image, of any direction and polarity, tilted
        against rows and columns (2 to 10 degrees are usual).
    spacing_mm : (float, float)
        Pixel size along y and x.
    max_frequency_per_mm : float, optional
        Highest frequency; one over the smaller pixel size by default, twice the Nyquist frequency.
    n_terms : int, optional
        Fixes K, an even number from 2 to 30.

    Returns
    -------
    MTF
        At 401 frequencies. The uncertainty holds the noise of the pixels at that frequency (their
        autocorrelation is measured, so correlated noise is allowed for) and the change that two more
        terms would make.

    Raises
    ------
    ValueError
        If there is no single straight edge, its tilt leaves gaps between the samples, the edge profile
        is not described by 30 terms, or an argument is out of range.

    References
    ----------
    ISO 12233, Photography - Electronic still picture imaging - Resolution and spatial frequency
    responses; IEC 62220-1-1, Determination of the detective quantum efficiency.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.special import ndtr
    >>> from imgtech.qc.metrics import slanted_edge_mtf
    >>> y, x = np.mgrid[-40:41, -30:31] * 0.5
    >>> image = 10 + 90 * ndtr((x * np.cos(0.1) + y * np.sin(0.1) - 0.2) / 0.6)
    >>> m = slanted_edge_mtf(image, (0.5, 0.5)).at(0.5)
    >>> print(round(m.value * np.pi * 0.6 / np.sqrt(np.log(2) / 2), 4))
    1.0
    """
    pixels = real_image("image", image, 2).astype(np.float64)
    dy, dx = (positive("spacing_mm", d) for d in spacing_mm)
    highest = 1 / min(dy, dx) if max_frequency_per_mm is None else max_frequency_per_mm
    frequencies = np.linspace(0, positive("max_frequency_per_mm", highest), _N_FREQUENCIES)
    if n_terms is not None and (count("n_terms", n_terms, 2) % 2 or n_terms > _MOST_TERMS):
        raise ValueError(f"n_terms must be even and at most {_MOST_TERMS}, got {n_terms}")
    edge = fit_edge(pixels, (dy, dx))
    shape = (pixels.shape[0], pixels.shape[1])
    distances = edge.distances_mm(shape, (dy, dx))
    pixel = math.sqrt(dy * dx)
    band = np.abs(distances) < max(12 * edge.width_mm, 10 * pixel)
    _check_phases(distances[band], pixel)
    u = distances[band] / edge.width_mm
    design = _edge_terms(u, _MOST_TERMS + 2)
    factor: Floats = np.linalg.cholesky(design.T @ design).astype(np.float64)
    amplitudes: Floats = np.linalg.solve(factor, design.T @ pixels[band]).astype(np.float64)
    rest = np.zeros(pixels.shape)
    rest[band] = pixels[band] - design @ np.linalg.solve(factor.T, amplitudes)
    noise = max(float(np.vdot(rest, rest)) / (len(u) - len(amplitudes)), 1e-24 * amplitudes[0] ** 2 / len(u))
    _check_profile(rest[band], distances[band], pixel, edge)
    spectrum = _spectrum(rest, band, edge, (dy, dx), frequencies)
    used = _fitting(amplitudes, noise * max(spectrum.max(), 1.0)) if n_terms is None else n_terms
    values, gradient, inverse = _transfer(factor, amplitudes, used, frequencies * edge.width_mm)
    richer, _, _ = _transfer(factor, amplitudes, used + 2, frequencies * edge.width_mm)
    statistical = noise * spectrum * ((gradient @ inverse) ** 2).sum(axis=1)
    return MTF(
        frequencies_per_mm=frequencies,
        values=values,
        uncertainties=np.sqrt(statistical + (richer - values) ** 2),
        edge=edge,
        n_terms=used,
    )


def _hermite(v: Floats, n: int) -> list[Floats]:
    """Orthonormal Hermite functions of order 0 to n."""
    found = [np.exp(-v * v / 2) / math.pi**0.25]
    found.append(math.sqrt(2) * v * found[0])
    for k in range(1, n):
        found.append(math.sqrt(2 / (k + 1)) * v * found[k] - math.sqrt(k / (k + 1)) * found[k - 1])
    return found


def _edge_terms(u: Floats, n: int) -> Floats:
    """A constant and the integrals of the Hermite functions of order 0 to n, shape ``(pixels, n + 2)``."""
    bells = _hermite(u, n)
    steps = [math.sqrt(2) * math.pi**0.25 * special.ndtr(u), -math.sqrt(2) * bells[0]]
    for k in range(1, n):
        steps.append(math.sqrt(k / (k + 1)) * steps[k - 1] - math.sqrt(2 / (k + 1)) * bells[k])
    return np.stack([np.ones_like(u), *steps], axis=1)


def _check_phases(distances: Floats, pixel: float) -> None:
    """Refuse an edge whose samples leave a quarter of a pixel empty around it."""
    near = distances[np.abs(distances) < 2 * pixel]
    filled = np.histogram(near, bins=16, range=(-2 * pixel, 2 * pixel))[0]
    if (filled == 0).any():
        raise ValueError(
            "image must hold an edge tilted against rows and columns so that its samples are denser than a "
            "quarter of a pixel, got one with gaps"
        )


def _check_profile(rest: Floats, distances: Floats, pixel: float, edge: Edge) -> None:
    """Refuse a profile that differs from its fit, in the mean over bins of a quarter of a pixel."""
    bins = np.floor(distances / (pixel / 4)).astype(int)
    bins -= bins.min()
    counts = np.bincount(bins)
    means = np.bincount(bins, weights=rest)[counts > 0] / counts[counts > 0]
    scatter = np.var(rest) / counts[counts > 0]
    misfit = float(np.mean(means**2 - 2 * scatter))
    if misfit > (_MISFIT * (edge.bright - edge.dark)) ** 2:
        raise ValueError(
            f"image must hold an edge whose profile {_MOST_TERMS} terms describe: shading, curvature or "
            f"ringing of {math.sqrt(misfit) / (edge.bright - edge.dark):.1%} of the step is left over"
        )


def _fitting(amplitudes: Floats, noise: float) -> int:
    """Number of terms beyond which the fit improves by no more than noise of this variance can."""
    gain = np.cumsum(amplitudes**2) / noise
    scores = {k: _PENALTY * k - gain[k + 1] for k in range(2, _MOST_TERMS + 1, 2)}
    return min(scores, key=lambda k: scores[k])


def _transfer(
    factor: Floats, amplitudes: Floats, used: int, frequencies: Floats
) -> tuple[Floats, Floats, Floats]:
    """MTF, its gradient by the coefficients, and the matrix from amplitudes to coefficients.

    ``frequencies`` are in cycles per width of the edge.
    """
    n = used + 2
    inverse: Floats = np.linalg.inv(factor[:n, :n]).T.astype(np.float64)
    coefficients = inverse @ amplitudes[:n]
    terms = np.stack(_hermite(2 * math.pi * frequencies, used), axis=1)
    terms = np.concatenate([np.zeros((len(frequencies), 1)), terms * (-1j) ** np.arange(used + 1)], axis=1)
    spectrum = terms @ coefficients
    total = spectrum[0].real
    ratio = spectrum / total
    values = np.abs(ratio)
    change = (terms - ratio[:, None] * terms[0]) / total
    gradient = (np.conj(ratio)[:, None] * change).real / np.maximum(values, 1e-12)[:, None]
    return values, gradient, inverse


def _spectrum(
    rest: Floats, band: npt.NDArray[np.bool_], edge: Edge, spacing: tuple[float, float], frequencies: Floats
) -> Floats:
    """Noise power along the edge normal relative to white noise of the same variance."""
    correlation, share = autocorrelation([rest], [band.astype(np.float64)], _NOISE_WINDOW)
    lags = np.arange(-_NOISE_WINDOW, _NOISE_WINDOW + 1)
    along = math.sin(edge.normal_rad) * spacing[0] * lags[:, None]
    along = along + math.cos(edge.normal_rad) * spacing[1] * lags
    seen = share > 0
    waves = np.cos(2 * math.pi * np.multiply.outer(frequencies, along[seen]))
    return np.maximum(waves @ (share[seen] * correlation[seen]), 0.05)
