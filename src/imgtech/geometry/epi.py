"""Positions of samples that are taken while a trapezoidal readout gradient rises, stays and falls."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy  # scipy.interpolate is loaded at first use: it takes longer than all else here

from imgtech._core.validate import count, finite, floats, not_negative, positive


def trapezoid_positions(
    n_samples: int,
    *,
    ramp_up_s: float,
    flat_s: float,
    ramp_down_s: float,
    first_s: float,
    dwell_s: float,
    span_per_mm: float,
) -> npt.NDArray[np.float64]:
    r"""Positions in k-space of the samples of one readout under a trapezoidal gradient.

    The gradient rises from zero during ``ramp_up_s``, stays for ``flat_s`` and falls to zero during
    ``ramp_down_s``; sample i is taken at ``first_s + i * dwell_s`` after it begins to rise. The position is
    the area under the gradient, :math:`k(t) = c \int_0^t G(t')\, dt' - k_0`, where :math:`k_0` puts the
    centre of k-space at half of the whole area and the scale c makes the samples, each half a dwell time
    long to either side, reach over ``span_per_mm``.

    Parameters
    ----------
    n_samples : int
        Number of samples.
    ramp_up_s, flat_s, ramp_down_s : float
        Durations of the three parts of the gradient.
    first_s : float
        Time of the first sample after the begin of the gradient.
    dwell_s : float
        Time between two samples.
    span_per_mm : float
        Width of k-space that the samples cover: number of pixels over the field of view.

    Returns
    -------
    numpy.ndarray
        Positions in cycles/mm, shape ``(n_samples,)``, growing. A reversed readout holds them in the other
        order.

    Raises
    ------
    ValueError
        If a number is out of range or a sample lies outside the gradient.

    Examples
    --------
    >>> from imgtech.geometry import trapezoid_positions
    >>> trapezoid_positions(
    ...     5, ramp_up_s=2e-4, flat_s=2e-4, ramp_down_s=2e-4, first_s=1e-4, dwell_s=1e-4, span_per_mm=0.4
    ... ).round(4)
    array([-0.1806, -0.1032,  0.    ,  0.1032,  0.1806])
    """
    n = count("n_samples", n_samples)
    rise, fall = not_negative("ramp_up_s", ramp_up_s), not_negative("ramp_down_s", ramp_down_s)
    flat, dwell = not_negative("flat_s", flat_s), positive("dwell_s", dwell_s)
    first, span = not_negative("first_s", first_s), positive("span_per_mm", span_per_mm)
    end = rise + flat + fall
    last = first + (n - 1) * dwell
    if first - dwell / 2 < -1e-9 * end or last + dwell / 2 > end * (1 + 1e-9):
        raise ValueError(
            f"samples must lie within the gradient of {end:.6g} s, got {first - dwell / 2:.6g} to "
            f"{last + dwell / 2:.6g} s"
        )

    def area(t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        total = np.clip(t - rise, 0.0, flat)
        if rise > 0:
            total = total + np.clip(t, 0.0, rise) ** 2 / (2 * rise)
        if fall > 0:
            left = np.clip(end - t, 0.0, fall)
            total = total + (fall**2 - left**2) / (2 * fall)
        return np.asarray(total)

    t: npt.NDArray[np.float64] = np.asarray(first + np.arange(n) * dwell, dtype=np.float64)
    low, high = area(np.array([t[0] - dwell / 2, t[-1] + dwell / 2]))
    return np.asarray((area(t) - area(np.array([end]))[0] / 2) * span / (high - low))


def delayed_positions(positions_per_mm: npt.ArrayLike, delay_samples: float) -> npt.NDArray[np.float64]:
    """Positions of the same readout if every sample is taken a fraction of a dwell time later.

    A gradient that lags behind its sampling moves samples by different distances on its ramps and on its
    flat top; this moves each by what its gradient was. A cubic spline through the positions is read between
    them and carried on past the ends.

    Parameters
    ----------
    positions_per_mm : array_like of float
        Positions of evenly timed samples, shape ``(sample,)``, at least four.
    delay_samples : float
        How much later, in dwell times; negative for earlier. At most four.

    Returns
    -------
    numpy.ndarray
        Positions, shape ``(sample,)``.

    Raises
    ------
    ValueError
        If there are fewer than four positions, one is not finite, or the delay is larger than four.

    Examples
    --------
    >>> from imgtech.geometry import delayed_positions
    >>> delayed_positions([0.0, 1.0, 4.0, 9.0, 16.0], 0.5)
    array([ 0.25,  2.25,  6.25, 12.25, 20.25])
    """
    positions = floats("positions_per_mm", positions_per_mm)
    if len(positions) < 4:
        raise ValueError(f"positions_per_mm must hold at least 4 positions, got {len(positions)}")
    delay = finite("delay_samples", delay_samples)
    if abs(delay) > 4:
        raise ValueError(f"delay_samples must lie within -4 and 4, got {delay_samples!r}")
    index = np.arange(len(positions))
    return np.asarray(scipy.interpolate.CubicSpline(index, positions)(index + delay))
