"""Area under the ROC curve, with an interval, and what it says of detectability."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import stats

from imgtech._core.validate import floats, one_of
from imgtech.qc.measurement import Measurement, Source

Floats = npt.NDArray[np.float64]

_DELONG = Source(document="DeLong et al., Biometrics 44 (1988) 837", edition="1988", verified=False)
_HANLEY = Source(document="Hanley and McNeil, Radiology 143 (1982) 29", edition="1982", verified=False)


def auc(signal_scores: npt.ArrayLike, noise_scores: npt.ArrayLike, *, method: str = "delong") -> Measurement:
    r"""Area under the ROC curve: how often a case with signal scores above one without.

    .. math:: A = \frac{1}{mn} \sum_{i,j} \psi(x_i, y_j), \qquad
              \psi = 1, \tfrac12, 0 \text{ for } x_i >, =, < y_j

    ``"delong"``: the variance :math:`S_{10}/m + S_{01}/n` from the placements of each case among those of
    the other kind. ``"hanley-mcneil"``: from A alone, for scores that are exponentially distributed;
    :math:`Q_1 = A/(2-A)`, :math:`Q_2 = 2A^2/(1+A)` and

    .. math:: u^2 = \frac{A(1-A) + (m-1)(Q_1-A^2) + (n-1)(Q_2-A^2)}{mn}

    Parameters
    ----------
    signal_scores, noise_scores : array_like
        Scores of the cases with and without signal, at least two each, independent of each other.
    method : {"delong", "hanley-mcneil"}, optional
        Estimate of the uncertainty.

    Returns
    -------
    Measurement
        ``"AUC"``, unit 1. Intervals are symmetric, so with few cases and A near 1 they reach above 1.

    Raises
    ------
    ValueError
        If there are fewer than two cases of a kind, or a score is not finite.

    References
    ----------
    E. R. DeLong et al., Biometrics 44 (1988) 837, doi:10.2307/2531595; J. A. Hanley and B. J. McNeil,
    Radiology 143 (1982) 29, doi:10.1148/radiology.143.1.7063747.

    Examples
    --------
    >>> from imgtech.qc.metrics import auc
    >>> auc([3.0, 4.0, 6.0], [1.0, 2.0, 4.0]).value              # 7 of 9 pairs and one tie
    0.8333333333333334
    """
    x, y = floats("signal_scores", signal_scores), floats("noise_scores", noise_scores)
    m, n = x.size, y.size
    if min(m, n) < 2:
        raise ValueError(f"signal_scores and noise_scores must hold at least 2 each, got {m} and {n}")
    one_of("method", method, ("delong", "hanley-mcneil"))
    of_signal, of_noise = _placed(x, y), 1 - _placed(y, x)
    area = float(of_signal.mean())
    if method == "delong":
        square = float(of_signal.var(ddof=1)) / m + float(of_noise.var(ddof=1)) / n
    else:
        q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
        square = (area * (1 - area) + (m - 1) * (q1 - area**2) + (n - 1) * (q2 - area**2)) / (m * n)
    # no pair out of order does not mean that none can be: half a pair is the least that is known
    least = 0.5 / (m * n) * math.sqrt(max(m, n))
    return Measurement(
        name="AUC",
        value=area,
        uncertainty=max(math.sqrt(max(square, 0.0)), least),
        definition=_DELONG if method == "delong" else _HANLEY,
        algorithm=f"auc-{method}-1",
        details={"cases with signal": m, "cases without signal": n},
    )


def roc_curve(signal_scores: npt.ArrayLike, noise_scores: npt.ArrayLike) -> tuple[Floats, Floats]:
    """True and false positive fractions at every threshold between the scores.

    Parameters
    ----------
    signal_scores, noise_scores : array_like
        Scores of the cases with and without signal.

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        False positive and true positive fractions, both rising from 0 to 1. The area below the straight
        lines between them is :func:`auc`.

    Raises
    ------
    ValueError
        If there are no cases of a kind, or a score is not finite.

    Examples
    --------
    >>> from imgtech.qc.metrics import roc_curve
    >>> roc_curve([2.0, 4.0], [1.0, 3.0])
    (array([0. , 0. , 0.5, 0.5, 1. ]), array([0. , 0.5, 0.5, 1. , 1. ]))
    """
    x, y = np.sort(floats("signal_scores", signal_scores)), np.sort(floats("noise_scores", noise_scores))
    thresholds = np.unique(np.concatenate([x, y]))[::-1]
    hits = (x.size - np.searchsorted(x, thresholds, side="left")) / x.size
    alarms = (y.size - np.searchsorted(y, thresholds, side="left")) / y.size
    return np.append(0.0, alarms), np.append(0.0, hits)


def detectability_of_auc(area: Measurement) -> Measurement:
    r"""Detectability :math:`d_A = \sqrt2\, \Phi^{-1}(\mathrm{AUC})`.

    The distance of two normal distributions of the same variance that have this area.

    Parameters
    ----------
    area : Measurement
        From :func:`auc`.

    Returns
    -------
    Measurement
        ``"d_A"``, unit 1.

    Raises
    ------
    ValueError
        If the area is missing, 0 or 1.

    Examples
    --------
    >>> from imgtech.qc.metrics import auc, detectability_of_auc
    >>> round(detectability_of_auc(auc([3.0, 4.0, 6.0], [1.0, 2.0, 4.0])).value, 3)
    1.368
    """
    if area.value is None or area.uncertainty is None or not 0 < area.value < 1:
        raise ValueError(f"area must lie between 0 and 1 to give a detectability, got {area.value}")
    place = float(stats.norm.ppf(area.value))
    return Measurement(
        name="d_A",
        value=math.sqrt(2) * place,
        uncertainty=math.sqrt(2) * area.uncertainty / float(stats.norm.pdf(place)),
        definition=area.definition,
        algorithm=f"{area.algorithm}, d-a-1",
        details=area.details,
    )


def _placed(x: Floats, y: Floats) -> Floats:
    """Share of y below each x, ties counted half."""
    rising = np.sort(y)
    below = np.searchsorted(rising, x, side="left") + np.searchsorted(rising, x, side="right")
    return np.asarray(below / (2 * y.size))
