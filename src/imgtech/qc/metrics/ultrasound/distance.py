"""Accuracy of distances along the beam and across it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from imgtech._core.validate import floats, one_of, positive
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics.ultrasound.points import PointTarget

_IEC = Source(document="IEC 61391-1", edition="2006", clause="distance measurement", verified=False)


def distance_error(
    targets: Sequence[PointTarget],
    true_mm: npt.ArrayLike,
    *,
    axis: str,
    scanner_speed_m_s: float = 1540.0,
    phantom_speed_m_s: float = 1540.0,
) -> Measurement:
    r"""Error of the scale of the image, from targets at known places.

    A straight line through the measured over the true positions, weighted by their uncertainties, has
    the slope s. A scanner that reckons with the speed :math:`c_s` shows depths in a phantom of the
    speed :math:`c_p` scaled by :math:`c_s / c_p`; that is the phantom's doing and is taken off along
    the beam:

    .. math:: e = 100 \left(s\, \frac{c_p}{c_s} - 1\right), \qquad \frac{c_p}{c_s} = 1
              \text{ across the beam.}

    Parameters
    ----------
    targets : sequence of PointTarget
        At least two, as found by :func:`point_target`.
    true_mm : array_like
        Their true positions along the axis, in the same order and direction, from any origin.
    axis : {"axial", "lateral"}
        Along the beam or across it.
    scanner_speed_m_s : float, optional
        Speed of sound that the scanner reckons with.
    phantom_speed_m_s : float, optional
        Speed of sound in the phantom at its temperature.

    Returns
    -------
    Measurement
        ``"axial distance error"`` or ``"lateral distance error"`` in %. Both speeds and the largest
        deviation from the line stand in ``details``. With more than two targets the scatter about the line
        takes the place of the single uncertainties where these do not explain it (chi-square, 5 %).

    Raises
    ------
    ValueError
        If there are fewer than two targets, numbers differ, the true positions are all equal, or a speed
        is not positive.

    References
    ----------
    IEC 61391-1:2006, Ultrasonics - Pulse-echo scanners - Part 1.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.metrics.ultrasound import distance_error, point_target
    >>> grid = ImageGrid(shape=(500, 60), spacing_mm=(0.1, 0.2), center_mm=(30.0, 0.0))
    >>> z, x = grid.coordinates_mm[0][:, None], grid.coordinates_mm[1]
    >>> places = [14.0, 24.2, 34.4]  # 10 mm apart, shown 2 % too far
    >>> envelope = sum(np.exp(-(((z - p) / 0.3) ** 2) - (x / 0.6) ** 2) for p in places)
    >>> found = [point_target(envelope + 1e-4, grid, near_mm=(p, 0.0), search_mm=(3.0, 4.0)) for p in places]
    >>> round(distance_error(found, [0.0, 10.0, 20.0], axis="axial").value, 2)
    2.0
    """
    one_of("axis", axis, ("axial", "lateral"))
    truth = floats("true_mm", true_mm)
    if len(targets) < 2 or truth.size != len(targets):
        raise ValueError(
            f"true_mm must have one position for each of two targets or more, got {truth.size} "
            f"for {len(targets)}"
        )
    if np.ptp(truth) == 0:
        raise ValueError(f"true_mm must differ, got {truth[0]} for all")
    ratio = 1.0
    if axis == "axial":
        ratio = positive("phantom_speed_m_s", phantom_speed_m_s) / positive(
            "scanner_speed_m_s", scanner_speed_m_s
        )
    found = [t.axial_position if axis == "axial" else t.lateral_position for t in targets]
    places = np.array([m.value for m in found], dtype=np.float64)
    spreads = np.maximum([m.uncertainty or 0.0 for m in found], 1e-9)
    weights = 1 / spreads**2
    away = truth - (weights @ truth) / weights.sum()
    power = float(weights @ away**2)
    slope = float(weights @ (away * places)) / power
    rest = places - (weights @ places) / weights.sum() - slope * away
    n = truth.size
    excess = float(weights @ rest**2) / (n - 2) if n > 2 else 0.0
    widened = n > 2 and excess > stats.chi2.ppf(0.95, n - 2) / (n - 2)
    return Measurement(
        name=f"{axis} distance error",
        value=100 * (slope * ratio - 1),
        unit="%",
        uncertainty=100 * ratio * math.sqrt((excess if widened else 1.0) / power),
        definition=_IEC,
        algorithm="us-distance-error-1",
        degrees_of_freedom=float(n - 2) if widened else math.inf,
        details={
            "speed of the scanner (m/s)": scanner_speed_m_s,
            "speed of the phantom (m/s)": phantom_speed_m_s,
            "targets": n,
            "largest deviation (mm)": float(np.abs(rest).max()),
        },
    )
