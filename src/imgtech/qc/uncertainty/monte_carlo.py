"""Propagation of distributions by Monte Carlo (GUM Supplement 1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import count, finite, floats
from imgtech.qc.uncertainty.propagation import correlation_matrix, freedoms

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class MonteCarlo:
    """The distribution of an output, as drawn.

    Parameters
    ----------
    value : float
        Mean of the trials.
    uncertainty : float
        Standard deviation of the trials.
    interval : (float, float)
        Coverage interval with equal probabilities below and above it.
    shortest : (float, float)
        The shortest interval of the same coverage.
    n_trials : int
        Number of trials.
    """

    value: float
    uncertainty: float
    interval: tuple[float, float]
    shortest: tuple[float, float]
    n_trials: int


def monte_carlo(
    model: Callable[..., npt.ArrayLike],
    values: npt.ArrayLike,
    uncertainties: npt.ArrayLike,
    *,
    correlation: npt.ArrayLike | None = None,
    degrees_of_freedom: npt.ArrayLike | None = None,
    coverage: float = 0.95,
    n_trials: int = 200_000,
    rng: np.random.Generator | None = None,
) -> MonteCarlo:
    r"""Propagate the distributions of the inputs through a model.

    Inputs are drawn from normal distributions, or from shifted and scaled t distributions where their
    degrees of freedom are finite (JCGM 101, 6.4.7 to 6.4.9), the model is evaluated for every draw, and
    the mean, the standard deviation and the coverage intervals of the results are read off.

    Parameters
    ----------
    model : callable
        Function of n arrays of trials that returns an array of the same length.
    values, uncertainties : array_like
        Estimates of the inputs and their standard uncertainties, shape ``(n,)``.
    correlation : array_like, optional
        Correlation coefficients, shape ``(n, n)``; uncorrelated by default.
    degrees_of_freedom : array_like, optional
        Of the uncertainties, shape ``(n,)``; infinite by default.
    coverage : float, optional
        Probability that the intervals hold.
    n_trials : int, optional
        Number of draws; the supplement recommends :math:`10^4 / (1 - p)` (7.2.2).
    rng : numpy.random.Generator, optional
        Source of the draws; seeded with 0 by default, so that a result repeats.

    Returns
    -------
    MonteCarlo
        Value, uncertainty and intervals.

    Raises
    ------
    ValueError
        If shapes differ, an uncertainty is negative, ``coverage`` lies outside 0 to 1, finite degrees of
        freedom come with a correlation, or the model returns something else than finite numbers.

    References
    ----------
    JCGM 101:2008, Supplement 1 to the GUM: Propagation of distributions using a Monte Carlo method, 5 to 7.

    Examples
    --------
    The square of a standard normal number has mean 1 and 95 % of its values below 3.84:

    >>> from imgtech.qc.uncertainty import monte_carlo
    >>> y = monte_carlo(lambda x: x**2, [0.0], [1.0])
    >>> round(y.value, 2), round(y.shortest[1], 1)
    (1.0, 3.8)
    """
    x, u = floats("values", values), floats("uncertainties", uncertainties)
    if x.shape != u.shape:
        raise ValueError(f"uncertainties must have the shape of values {x.shape}, got {u.shape}")
    if (u < 0).any():
        raise ValueError(f"uncertainties must not be negative, got {u.min()}")
    if not 0 < finite("coverage", coverage) < 1:
        raise ValueError(f"coverage must lie between 0 and 1, got {coverage!r}")
    n = count("n_trials", n_trials, 100)
    generator = np.random.default_rng(0) if rng is None else rng
    nu = freedoms(degrees_of_freedom, x.size)
    few = np.isfinite(nu)
    draws = generator.standard_normal((x.size, n))
    if correlation is not None:
        if few.any():
            raise ValueError("degrees_of_freedom must be infinite where correlation is given")
        powers, axes = np.linalg.eigh(correlation_matrix(correlation, x.size))
        draws = (axes * np.sqrt(np.maximum(powers, 0))) @ draws
    for i in np.flatnonzero(few):
        draws[i] /= np.sqrt(generator.chisquare(nu[i], n) / nu[i])
    results = np.asarray(model(*(x[:, None] + u[:, None] * draws)), dtype=np.float64)
    if results.shape != (n,):
        raise ValueError(f"model must return {n} numbers, got shape {results.shape}")
    if not np.isfinite(results).all():
        raise ValueError("model must return finite numbers only")
    results.sort()
    inside = min(math.floor(coverage * n + 0.5), n - 1)
    low = (n - inside) // 2
    widths = results[inside:] - results[: n - inside]
    least = int(np.argmin(widths))
    return MonteCarlo(
        value=float(results.mean()),
        uncertainty=float(results.std(ddof=1)),
        interval=(float(results[low]), float(results[min(low + inside, n - 1)])),
        shortest=(float(results[least]), float(results[least + inside])),
        n_trials=n,
    )
