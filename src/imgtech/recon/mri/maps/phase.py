"""Phase unwrapping and field maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import Array, complex_image, real_image
from imgtech.recon.mri.maps._voxels import Bools, Doubles, filled, mask_of, noise_of, times_of

_SEED = 0  # scikit-image breaks ties at random


@dataclass(frozen=True, kw_only=True, eq=False)
class FieldMap(ArrayValue):
    """Difference of the resonance frequency in every voxel, with its standard uncertainty.

    Where there is no signal, ``fitted`` is false, the values are 0 and the uncertainty infinite.

    Parameters
    ----------
    field_hz : numpy.ndarray
        Frequency above that of the receiver.
    uncertainty_hz : numpy.ndarray
        Its standard uncertainty from the noise.
    phase_rad : numpy.ndarray
        Phase at echo time zero, of the first coil, within -pi and pi.
    fitted : numpy.ndarray
        Which voxels have a result.
    """

    field_hz: Doubles
    uncertainty_hz: Doubles
    phase_rad: Doubles
    fitted: Bools


def unwrap_phase(phase_rad: npt.ArrayLike, *, mask: npt.ArrayLike | None = None) -> Array:
    r"""Add to every pixel the multiple of :math:`2 \pi` that makes neighbours agree.

    Pixels are joined in the order of their reliability (Herráez et al., in scikit-image). The result is
    right wherever the true phase of neighbours differs by less than :math:`\pi` along a reliable path; a
    common multiple of :math:`2\pi` of each connected region of the mask stays unknown.

    Parameters
    ----------
    phase_rad : array_like
        Phase, or a complex image of which the phase is taken; ``(y, x)`` or ``(z, y, x)``.
    mask : array_like of bool, optional
        Where to unwrap; everywhere by default.

    Returns
    -------
    numpy.ndarray
        Unwrapped phase in radians, 0 outside the mask; single precision input gives single precision.

    Raises
    ------
    ValueError
        If a value is not finite, there are not 2 or 3 axes, or the mask does not fit.

    References
    ----------
    M. A. Herráez et al., Fast two-dimensional phase-unwrapping algorithm based on sorting by reliability
    following a noncontinuous path, Applied Optics 41 (2002) 7437-7444, doi:10.1364/AO.41.007437.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri.maps import unwrap_phase
    >>> y, x = np.mgrid[:20, :30]
    >>> truth = 0.4 * x - 0.3 * y
    >>> found = unwrap_phase(np.angle(np.exp(1j * truth)))
    >>> turns = (found - truth) / (2 * np.pi)
    >>> bool(np.allclose(turns, round(turns[0, 0])))
    True
    """
    from skimage.restoration import unwrap_phase as by_reliability

    values = np.asarray(phase_rad)
    if values.dtype.kind == "c":
        values = np.angle(complex_image("phase_rad", values, (2, 3)))
    phase = real_image("phase_rad", values, (2, 3))
    chosen = mask_of(mask, phase.shape)
    wrapped = np.ma.array(np.angle(np.exp(1j * phase.astype(np.float64))), mask=~chosen)
    out = np.ma.getdata(by_reliability(wrapped, rng=_SEED))
    return np.where(chosen, out, 0.0).astype(phase.dtype)


def b0_map(
    images: npt.ArrayLike,
    echo_times_s: npt.ArrayLike,
    *,
    sigma: npt.ArrayLike,
    coils: bool = False,
    mask: npt.ArrayLike | None = None,
) -> FieldMap:
    r"""Map the field from the phase of images at two or more echo times.

    The phase of echo j is :math:`\varphi_0 + 2 \pi f T_j`. The phase between the two closest echoes is
    unwrapped in space; every other echo is then unwrapped in time, from near to far, by the field so far, and
    a straight line is fitted with weights :math:`w_j = |S_j|^2 / \sigma^2`. Its standard uncertainty is

    .. math:: u(f) = \frac{1}{2 \pi}\, \Big( \sum_j w_j\, (T_j - \bar T)^2 \Big)^{-1/2},
              \qquad \bar T = \sum_j w_j T_j \Big/ \sum_j w_j.

    With several coils the phases are those of the products :math:`\sum_c S_{1c}^* S_{jc}`, which their own
    phases leave.

    A common multiple of one over the shortest echo spacing cannot be told: the one with the median closest to
    zero is taken. Fat must be in phase with water, or be left out of the mask.

    Parameters
    ----------
    images : array_like of complex
        ``(echo, y, x)`` or ``(echo, z, y, x)``; with ``coils`` one more axis after the echoes.
    echo_times_s : array_like of float
        Ascending echo times.
    sigma : float or array_like
        Standard deviation of the noise in real and imaginary part (of one coil, whitened).
    coils : bool, optional
        Whether the second axis counts coils.
    mask : array_like of bool, optional
        Where to map; where there is a signal by default.

    Returns
    -------
    FieldMap
        Frequency in Hz, positive where the phase grows with time.

    Raises
    ------
    ValueError
        If there are fewer than two echoes, times do not ascend, a value is not finite, there is no signal
        in the mask, sigma is not positive, or shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri.maps import b0_map
    >>> field_hz = np.linspace(-150, 180, 24).reshape(4, 6)
    >>> times_s = np.array([0.002, 0.0045, 0.009])
    >>> images = 40 * np.exp(2j * np.pi * field_hz * times_s[:, None, None])
    >>> found = b0_map(images, times_s, sigma=1.0)
    >>> print(np.abs(found.field_hz - field_hz).max().round(9), found.uncertainty_hz[0, 0].round(3))
    0.0 0.793
    """
    stack = complex_image("images", images, (4, 5) if coils else (3, 4)).astype(np.complex128)
    times = times_of("echo_times_s", echo_times_s, len(stack), 2)
    each = stack if coils else stack[:, None]
    power = (each.real**2 + each.imag**2).sum(axis=1)
    signal = power.min(axis=0) > 0
    chosen = mask_of(mask, stack.shape[-len(signal.shape) :]) & signal
    if not chosen.any():
        raise ValueError("images must hold a signal in the mask, got none")
    pair = int(np.argmin(np.diff(times)))
    turn = (each[pair].conj() * each[pair + 1]).sum(axis=0)
    step = times[pair + 1] - times[pair]
    field = _centred(unwrap_phase(np.where(chosen, turn, 1.0), mask=chosen), chosen) / (2 * np.pi * step)
    weights = power[:, chosen] / noise_of(sigma, chosen) ** 2
    phase = np.angle((each[:1].conj() * each).sum(axis=1)[:, chosen])
    slope, spread = _lines(phase, times, weights, field[chosen], pair)
    start = np.angle(each[0, 0][chosen] * np.exp(-2j * np.pi * slope * times[0]))
    return FieldMap(
        field_hz=filled(chosen, slope),
        uncertainty_hz=filled(chosen, spread, np.inf),
        phase_rad=filled(chosen, start),
        fitted=filled(chosen, np.ones(len(slope))).astype(bool),
    )


def _centred(phase: Array, chosen: Bools) -> Array:
    """Without the turns common to all voxels that take the median closest to zero."""
    return phase - 2 * np.pi * np.round(np.median(phase[chosen]) / (2 * np.pi))


def _lines(
    phase: Doubles, times: Doubles, weights: Doubles, field: Doubles, pair: int
) -> tuple[Doubles, Doubles]:
    """Slope in Hz and its uncertainty; echoes join the line from the closest pair outwards."""
    order = np.argsort(np.abs(times - times[pair : pair + 2].mean()), kind="stable")
    order = np.array([pair, pair + 1, *[j for j in order if j not in (pair, pair + 1)]])
    straight = phase.copy()
    slope = field
    for n, j in enumerate(order):
        used = order[:n]
        if n:
            level = _level(straight[used], times[used], weights[used], slope)
            ahead = level + 2 * np.pi * slope * times[j]
            straight[j] += 2 * np.pi * np.round((ahead - straight[j]) / (2 * np.pi))
            used = order[: n + 1]
            slope, spread = _slope(straight[used], times[used], weights[used])
    return slope, spread


def _level(phase: Doubles, times: Doubles, weights: Doubles, slope: Doubles) -> Doubles:
    rest = phase - 2 * np.pi * slope * times[:, None]
    return np.asarray((weights * rest).sum(axis=0) / weights.sum(axis=0))


def _slope(phase: Doubles, times: Doubles, weights: Doubles) -> tuple[Doubles, Doubles]:
    total = weights.sum(axis=0)
    middle = (weights * times[:, None]).sum(axis=0) / total
    lever = times[:, None] - middle
    spread = (weights * lever**2).sum(axis=0)
    slope = (weights * lever * phase).sum(axis=0) / spread
    return slope / (2 * np.pi), 1 / (2 * np.pi * np.sqrt(spread))
