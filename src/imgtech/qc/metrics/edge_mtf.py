"""Modulation transfer function from a slanted edge."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

from imgtech._core.validate import count, each, positive, real_image
from imgtech.qc.measurement import Source
from imgtech.qc.metrics._expansion import Expansion, hermite, highest_power
from imgtech.qc.metrics.edge import Edge, fit_edge
from imgtech.qc.metrics.mtf import MTF

Floats = npt.NDArray[np.float64]

_ISO = Source(document="ISO 12233", edition="2023", clause="edge-based spatial frequency response",
              verified=False)  # fmt: skip
_ALGORITHM = "slanted-edge-hermite-3"
_MOST_TERMS = 30
_MISFIT = 0.003
_N_FREQUENCIES = 401
_BINS_PER_PIXEL = 64


def slanted_edge_mtf(
    image: npt.ArrayLike,
    spacing_mm: tuple[float, float],
    *,
    max_frequency_per_mm: float | None = None,
    n_terms: int | None = None,
) -> MTF:
    r"""Presampled MTF across a slanted edge of unknown angle.

    The edge is found by :func:`fit_edge`; the distance of every pixel centre from it samples the edge
    spread function far more finely than the pixels. Instead of taking differences of this profile, the
    line spread function is expanded in Hermite functions of the fitted width s,

    .. math:: \mathrm{LSF}(d) = \sum_{k=0}^{K} c_k\, h_k(d / s), \qquad
              \mathrm{MTF}(f) = \left| \frac{\sum_k (-i)^k c_k h_k(2 \pi f s)}
              {\sum_k (-i)^k c_k h_k(0)} \right|

    and its integral is fitted to the pixels by least squares: no finite difference has to be corrected
    for, and the tails of the line spread function add no noise. (Pixels that lie within 1/64 of a pixel
    of each other enter with their mean value at their mean distance, which blurs by less than 0.005
    pixels.) K grows by two terms as long as the fit improves by more than the noise can; a profile from
    which 30 terms still differ by 0.3 % of the step is refused. The MTF belongs to the direction of the
    edge normal and includes the pixel aperture.

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
    ISO 12233:2023, Photography - Electronic still picture imaging - Resolution and spatial frequency
    responses; IEC 62220-1-1:2015, Determination of the detective quantum efficiency.

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
    dy, dx = each("spacing_mm", spacing_mm, 2, positive)
    highest = 1 / min(dy, dx) if max_frequency_per_mm is None else max_frequency_per_mm
    frequencies = np.linspace(0, positive("max_frequency_per_mm", highest), _N_FREQUENCIES)
    if n_terms is not None and (count("n_terms", n_terms, 2) % 2 or n_terms > _MOST_TERMS):
        raise ValueError(f"n_terms must be even and at most {_MOST_TERMS}, got {n_terms}")
    edge = fit_edge(pixels, (dy, dx))
    pixel = math.sqrt(dy * dx)
    reach = max(12 * edge.width_mm, 10 * pixel)
    box = edge.box((pixels.shape[0], pixels.shape[1]), (dy, dx), reach)
    distances = edge.distances_mm((pixels.shape[0], pixels.shape[1]), (dy, dx), box)
    band = np.abs(distances) < reach
    near, values = distances[band], pixels[box][band]
    _check_phases(near, pixel)
    places, means, counts, index = _binned(near, values, pixel / _BINS_PER_PIXEL)
    weights = np.sqrt(counts)
    design = _edge_terms(places / edge.width_mm, _MOST_TERMS + 2)
    fit = Expansion.fit(design * weights[:, None], means * weights)
    all_terms = fit.n_columns
    rest = np.zeros(distances.shape)
    rest[band] = values - _profile_at(near, places, index, design @ _filled(fit, all_terms, design))
    floor = 1e-24 * fit.amplitudes[0] ** 2 / len(near)
    noise = max(float(np.vdot(rest, rest)) / (len(near) - all_terms), floor)
    _check_profile(rest[band], near, pixel, edge)
    sizes = range(4, all_terms - 1, 2)
    used = 2 + 2 * fit.chosen(sizes, noise * highest_power(rest, band)) if n_terms is None else n_terms
    if used + 4 > all_terms:
        raise ValueError(f"n_terms must be at most {all_terms - 4} on so few pixels, got {used}")
    n = used + 2
    rest[band] = values - _profile_at(near, places, index, design @ _filled(fit, n, design))
    terms = np.stack(hermite(2 * math.pi * frequencies * edge.width_mm, _MOST_TERMS + 2), axis=1)
    waves = np.pad(terms * (-1j) ** np.arange(_MOST_TERMS + 3), ((0, 0), (1, 0)))
    curve, effects = fit.transfer(n, waves)
    # noise alone gives two more terms an amplitude, too
    by_chance = 2 * noise * highest_power(rest, band)
    beyond = max(1 - by_chance / max(float((fit.amplitudes[n : n + 2] ** 2).sum()), 1e-300), 0.0)
    richer = (fit.transfer(n + 2, waves)[0] - curve) * math.sqrt(beyond)
    modes = effects @ fit.spread(design[index, :n], rest, band)
    return MTF(
        frequencies_per_mm=frequencies,
        values=curve,
        modes=np.concatenate([modes, richer[:, None]], axis=1),
        algorithm=_ALGORITHM,
        definition=_ISO,
        details=(
            ("edge tilt (deg)", math.degrees(edge.tilt_rad)),
            ("contrast to noise", (edge.bright - edge.dark) / max(edge.noise, 1e-300)),
            ("terms", float(used)),
        ),
    )


def _binned(near: Floats, values: Floats, step: float) -> tuple[Floats, Floats, Floats, npt.NDArray[np.intp]]:
    """Mean distance, mean value and number of the pixels of every bin, and the bin of every pixel."""
    index = np.floor(near / step).astype(np.intp)
    index -= index.min()
    counts = np.bincount(index)
    filled = counts > 0
    index = (np.cumsum(filled) - 1)[index]
    counts = counts[filled].astype(np.float64)
    places, means = (np.asarray(np.bincount(index, v) / counts) for v in (near, values))
    return places, means, np.asarray(counts), index


def _filled(fit: Expansion, n: int, design: Floats) -> Floats:
    """Coefficients of the first n columns, zero for the others."""
    return np.pad(fit.coefficients(n), (0, design.shape[1] - n))


def _profile_at(near: Floats, places: Floats, index: npt.NDArray[np.intp], profile: Floats) -> Floats:
    """Value of the profile at every pixel: that of its bin, and the slope to where the pixel lies in it."""
    return np.asarray(profile[index] + np.gradient(profile, places)[index] * (near - places[index]))


def _edge_terms(u: Floats, n: int) -> Floats:
    """A constant and the integrals of the Hermite functions of order 0 to n, shape ``(pixels, n + 2)``."""
    bells = hermite(u, n)
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
            "quarter of a pixel, got one with gaps, as at 0 and 45 degrees or a slope of 1 in 2"
        )


def _check_profile(rest: Floats, distances: Floats, pixel: float, edge: Edge) -> None:
    """Refuse a profile that differs from its fit, in the mean over bins of a quarter of a pixel."""
    _, means, counts, _ = _binned(distances, rest, pixel / 4)
    misfit = float(np.average(means**2 - 2 * np.var(rest) / counts, weights=counts))
    if misfit > (_MISFIT * (edge.bright - edge.dark)) ** 2:
        raise ValueError(
            f"image must hold an edge whose profile {_MOST_TERMS} terms describe: shading, curvature or "
            f"ringing of {math.sqrt(misfit) / (edge.bright - edge.dark):.1%} of the step is left over"
        )
