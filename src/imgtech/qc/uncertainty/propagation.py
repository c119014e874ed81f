"""The law of propagation of uncertainty (GUM 5) and effective degrees of freedom (GUM G.4)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import finite, floats, not_negative

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its standard uncertainty.

    Parameters
    ----------
    value : float
        The estimate.
    uncertainty : float
        Its standard uncertainty.
    degrees_of_freedom : float, optional
        Of the uncertainty; infinite where it is known.

    Raises
    ------
    ValueError
        If a number is not finite, the uncertainty is negative, or the degrees of freedom are not positive.
    """

    value: float
    uncertainty: float
    degrees_of_freedom: float = math.inf

    def __post_init__(self) -> None:
        finite("value", self.value)
        not_negative("uncertainty", self.uncertainty)
        if not self.degrees_of_freedom > 0:
            raise ValueError(f"degrees_of_freedom must be positive, got {self.degrees_of_freedom!r}")


def propagate(
    value: float,
    sensitivities: npt.ArrayLike,
    uncertainties: npt.ArrayLike,
    *,
    correlation: npt.ArrayLike | None = None,
    degrees_of_freedom: npt.ArrayLike | None = None,
) -> Estimate:
    r"""Combine the standard uncertainties of the inputs of a function.

    .. math:: u^2(y) = \sum_i \sum_j c_i c_j\, u_i u_j\, r_{ij}, \qquad
              \nu_\mathrm{eff} = u^4(y) \Big/ \sum_i \frac{c_i^4 u_i^4}{\nu_i}

    with the sensitivities :math:`c_i = \partial f / \partial x_i` (GUM 5.1.2, 5.2.2 and the
    Welch-Satterthwaite formula G.4.1). The formula is linear; where the function bends within the
    uncertainty of its inputs, :func:`monte_carlo` is the judge.

    Parameters
    ----------
    value : float
        The function at the estimates of its inputs.
    sensitivities : array_like
        Partial derivatives, shape ``(n,)``.
    uncertainties : array_like
        Standard uncertainties of the inputs, shape ``(n,)``.
    correlation : array_like, optional
        Correlation coefficients of the inputs, shape ``(n, n)``; uncorrelated by default.
    degrees_of_freedom : array_like, optional
        Of the uncertainties, shape ``(n,)``; infinite by default. The formula needs independent inputs.

    Returns
    -------
    Estimate
        The value with its combined uncertainty and effective degrees of freedom.

    Raises
    ------
    ValueError
        If shapes differ, an uncertainty is negative, the correlation is no correlation matrix, or finite
        degrees of freedom are given together with a correlation.

    References
    ----------
    JCGM 100:2008, Guide to the expression of uncertainty in measurement, 5.1.2, 5.2.2 and G.4.1.

    Examples
    --------
    The ratio of 20.0(3) and 4.00(5), the second with few degrees of freedom:

    >>> from imgtech.qc.uncertainty import propagate
    >>> c = [1 / 4.0, -20.0 / 4.0**2]
    >>> y = propagate(20.0 / 4.0, c, [0.3, 0.05], degrees_of_freedom=[float("inf"), 5])
    >>> round(y.uncertainty, 4), round(y.degrees_of_freedom, 1)
    (0.0976, 29.8)
    """
    c = floats("sensitivities", sensitivities)
    u = floats("uncertainties", uncertainties)
    if c.shape != u.shape:
        raise ValueError(f"uncertainties must have the shape of sensitivities {c.shape}, got {u.shape}")
    if (u < 0).any():
        raise ValueError(f"uncertainties must not be negative, got {u.min()}")
    parts = c * u
    if correlation is None:
        square = float(parts @ parts)
    else:
        square = max(float(parts @ correlation_matrix(correlation, c.size) @ parts), 0.0)
    nu = freedoms(degrees_of_freedom, c.size)
    if correlation is not None and np.isfinite(nu).any():
        raise ValueError("degrees_of_freedom must be infinite where correlation is given (GUM G.4.1)")
    share = float((parts**4 / nu).sum())
    return Estimate(
        value=finite("value", value),
        uncertainty=math.sqrt(square),
        degrees_of_freedom=square**2 / share if share > 0 else math.inf,
    )


def correlation_matrix(values: npt.ArrayLike, n: int) -> Floats:
    """Return a correlation matrix of n inputs, or say why it is none."""
    r = floats("correlation", values, 2)
    if r.shape != (n, n):
        raise ValueError(f"correlation must have shape {(n, n)}, got {r.shape}")
    if not np.allclose(r, r.T, atol=1e-12) or not np.allclose(np.diag(r), 1, atol=1e-12):
        raise ValueError("correlation must be symmetric with ones on its diagonal")
    lowest = float(np.linalg.eigvalsh(r).min())
    if lowest < -1e-9:
        raise ValueError(f"correlation must not have a negative eigenvalue, got {lowest:g}")
    return r


def freedoms(values: npt.ArrayLike | None, n: int) -> Floats:
    """Degrees of freedom of n inputs, infinite by default."""
    if values is None:
        return np.full(n, math.inf)
    try:
        nu = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"degrees_of_freedom must hold numbers, got {values!r}") from error
    if nu.shape != (n,):
        raise ValueError(f"degrees_of_freedom must have shape {(n,)}, got {nu.shape}")
    if not (nu > 0).all():
        raise ValueError(f"degrees_of_freedom must be positive, got {nu.min()}")
    return nu
