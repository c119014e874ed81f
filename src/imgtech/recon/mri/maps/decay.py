"""T2* and T2 from images at several echo times."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import integrate, special

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import count, floats, one_of, real_image
from imgtech.recon.mri.maps._kernels_fits import fit_decays
from imgtech.recon.mri.maps._voxels import Bools, columns, filled, mask_of, noise_of, times_of

Noise = Literal["rician", "gaussian"]
_TABLE_STEP, _TABLE_END = 0.02, 12.0
_WORK = 2000.0  # elementary updates of one fit and time


@dataclass(frozen=True, kw_only=True, eq=False)
class DecayMap(ArrayValue):
    """Decay rate and amplitude of every voxel, with standard uncertainties.

    Where nothing was fitted, ``fitted`` is false, the values are 0 and the uncertainties infinite.

    Parameters
    ----------
    rate_per_s : numpy.ndarray
        Rate, R2* or R2.
    rate_uncertainty_per_s : numpy.ndarray
        Its standard uncertainty.
    amplitude : numpy.ndarray
        Signal at echo time zero, in the unit of the images.
    amplitude_uncertainty : numpy.ndarray
        Its standard uncertainty.
    fitted : numpy.ndarray
        Which voxels have a result.
    """

    rate_per_s: npt.NDArray[np.float64]
    rate_uncertainty_per_s: npt.NDArray[np.float64]
    amplitude: npt.NDArray[np.float64]
    amplitude_uncertainty: npt.NDArray[np.float64]
    fitted: Bools

    @property
    def time_s(self) -> npt.NDArray[np.float64]:
        """One over the rate; infinite where the rate is not positive, 0 where nothing was fitted."""
        safe = np.where(self.rate_per_s > 0, self.rate_per_s, 1.0)
        return np.where(self.fitted, np.where(self.rate_per_s > 0, 1 / safe, np.inf), 0.0)

    @property
    def time_uncertainty_s(self) -> npt.NDArray[np.float64]:
        """Standard uncertainty of :attr:`time_s`, to first order; infinite where the time is."""
        safe = np.where(self.rate_per_s > 0, self.rate_per_s, 1.0)
        return np.where(self.rate_per_s > 0, self.rate_uncertainty_per_s / safe**2, np.inf)


def t2_star_map(
    images: npt.ArrayLike,
    echo_times_s: npt.ArrayLike,
    *,
    sigma: npt.ArrayLike,
    noise: Noise = "rician",
    mask: npt.ArrayLike | None = None,
) -> DecayMap:
    r"""Fit the decay of gradient echoes, :math:`S_j = A\, e^{-R_2^* T_j}`, in every voxel.

    With ``noise="rician"`` the fit is the one of maximum likelihood for magnitudes, which follow a Rician
    distribution: late echoes that have sunk into the noise floor do not pull the rate down. With
    ``"gaussian"`` it is the least-squares fit, for real images, or for amplitudes well above the noise.

    The uncertainties are the bound of Cramér and Rao at the fitted parameters,
    :math:`(J^T W J)^{-1}`, where W holds the Fisher information of each magnitude: :math:`1/\sigma^2` well
    above the noise, less near the floor.

    Parameters
    ----------
    images : array_like
        Magnitudes ``(echo, ...)``, of one coil or combined by :func:`imgtech.recon.mri.roemer_combine`. The
        root sum of squares of several coils is not Rician.
    echo_times_s : array_like of float
        Ascending echo times.
    sigma : float or array_like
        Standard deviation of the noise in real and imaginary part, in the unit of the images: one number or
        a map.
    noise : str, optional
        ``"rician"`` or ``"gaussian"``.
    mask : array_like of bool, optional
        Where to fit; everywhere by default.

    Returns
    -------
    DecayMap
        Rate, amplitude and their uncertainties.

    Raises
    ------
    ValueError
        If there are fewer than two echoes, times do not ascend, a value is not finite or, with Rician noise,
        negative, sigma is not positive, or shapes do not fit.

    Notes
    -----
    One exponential: a gradient of the field across the voxel, fat, or several pools are not in the
    model.

    References
    ----------
    J. Sijbers et al., Maximum-likelihood estimation of Rician distribution parameters, IEEE Transactions on
    Medical Imaging 17 (1998) 357-361, doi:10.1109/42.712125.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri.maps import t2_star_map
    >>> times_s = np.array([0.004, 0.010, 0.018, 0.030])
    >>> images = 100.0 * np.exp(-times_s / 0.025)[:, None, None] * np.ones((4, 2, 3))
    >>> found = t2_star_map(images, times_s, sigma=0.5, noise="gaussian")
    >>> print(found.time_s.round(6)[0, 0], found.time_uncertainty_s.round(6)[0, 0])
    0.025 0.000355
    """
    return _decay(images, echo_times_s, sigma, noise, mask)


def t2_map(
    images: npt.ArrayLike,
    echo_times_s: npt.ArrayLike,
    *,
    sigma: npt.ArrayLike,
    noise: Noise = "rician",
    skip_echoes: int = 0,
    mask: npt.ArrayLike | None = None,
) -> DecayMap:
    r"""Fit the decay of spin echoes, :math:`S_j = A\, e^{-R_2 T_j}`, in every voxel.

    The fit and its uncertainties are those of :func:`t2_star_map`. Echo trains with imperfect refocusing add
    stimulated echoes, which one exponential does not describe: their first echo is too low, and
    ``skip_echoes=1`` leaves it out. Images of separate echo times have no such echoes.

    Parameters
    ----------
    images : array_like
        Magnitudes ``(echo, ...)``.
    echo_times_s : array_like of float
        Ascending echo times.
    sigma : float or array_like
        Standard deviation of the noise in real and imaginary part.
    noise : str, optional
        ``"rician"`` or ``"gaussian"``.
    skip_echoes : int, optional
        Echoes at the beginning that are left out.
    mask : array_like of bool, optional
        Where to fit.

    Returns
    -------
    DecayMap
        Rate, amplitude and their uncertainties.

    Raises
    ------
    ValueError
        As in :func:`t2_star_map`.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri.maps import t2_map
    >>> times_s = 0.012 * np.arange(1, 9)
    >>> images = 80.0 * np.exp(-times_s / 0.075)[:, None]
    >>> images[0] *= 0.8
    >>> print(t2_map(images, times_s, sigma=0.5, noise="gaussian", skip_echoes=1).time_s.round(6))
    [0.075]
    """
    first = count("skip_echoes", skip_echoes, 0)
    stack, times = real_image("images", images, (2, 3, 4)), floats("echo_times_s", echo_times_s)
    if len(stack) != len(times):
        raise ValueError(f"echo_times_s must name each of the {len(stack)} images, got {times.tolist()}")
    return _decay(stack[first:], times[first:], sigma, noise, mask)


def _decay(
    images: npt.ArrayLike,
    echo_times_s: npt.ArrayLike,
    sigma: npt.ArrayLike,
    noise: str,
    mask: npt.ArrayLike | None,
) -> DecayMap:
    rician = one_of("noise", noise, ("rician", "gaussian")) == "rician"
    stack = real_image("images", images, (2, 3, 4))
    times = times_of("echo_times_s", echo_times_s, len(stack), 2)
    if rician and stack.min() < 0:
        raise ValueError(f"images must be magnitudes for Rician noise, got {stack.min()}")
    chosen = mask_of(mask, stack.shape[1:])
    values, spread = columns(stack, chosen), noise_of(sigma, chosen)
    out, done = np.zeros((len(values), 4)), np.zeros(len(values), bool)
    span, step = times[-1] - times[0], np.diff(times).min()
    fit_decays.sized(_WORK * values.size)(
        values, spread, times, rician, _information_table(), _TABLE_STEP, -2 / span, 20 / step, out, done
    )
    keep = done & (np.abs(values).max(axis=1) > 0)

    def image(numbers: npt.NDArray[np.float64], elsewhere: float = 0.0) -> npt.NDArray[np.float64]:
        return filled(chosen, np.where(keep, numbers, elsewhere), elsewhere)

    return DecayMap(
        rate_per_s=image(out[:, 1]),
        rate_uncertainty_per_s=image(np.sqrt(np.maximum(out[:, 3], 0)), np.inf),
        amplitude=image(out[:, 0]),
        amplitude_uncertainty=image(np.sqrt(np.maximum(out[:, 2], 0)), np.inf),
        fitted=filled(chosen, keep).astype(bool),
    )


@cache
def _information_table() -> npt.NDArray[np.float64]:
    r"""Fisher information of the amplitude :math:`a` of a Rician magnitude with unit noise.

    :math:`E[(m I_1(ma)/I_0(ma) - a)^2]`, by Simpson's rule.
    """
    snr = np.arange(0, _TABLE_END + _TABLE_STEP / 2, _TABLE_STEP)[:, None]
    m = np.arange(0, _TABLE_END + 10, 0.02)[None]
    density = m * np.exp(-0.5 * (m - snr) ** 2) * special.ive(0, m * snr)
    score = m * special.ive(1, m * snr) / special.ive(0, m * snr) - snr
    return np.asarray(integrate.simpson(density * score**2, x=m[0], axis=1))
