"""T1 from inversion recovery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import Array, any_image, each, one_of, positive
from imgtech.recon.mri.maps._kernels_fits import fit_recoveries
from imgtech.recon.mri.maps._voxels import Bools, columns, filled, mask_of, noise_of, times_of

Polarity = Literal["auto", "restore", "given"]
_PER_DECADE = 40  # points of the grid of time constants
_WORK = 1500.0  # elementary updates of one fit and time


@dataclass(frozen=True, kw_only=True, eq=False)
class T1Map(ArrayValue):
    r"""T1 of every voxel with its standard uncertainty, from :math:`S(T) = a + b\, e^{-T/T_1}`.

    Where nothing was fitted, ``fitted`` is false, the values are 0 and the uncertainty infinite.

    Parameters
    ----------
    t1_s : numpy.ndarray
        Time constant of the recovery.
    uncertainty_s : numpy.ndarray
        Its standard uncertainty.
    offset : numpy.ndarray
        a, the signal after full recovery; complex for complex images.
    amplitude : numpy.ndarray
        b, about -2a after a perfect inversion.
    fitted : numpy.ndarray
        Which voxels have a result.
    """

    t1_s: npt.NDArray[np.float64]
    uncertainty_s: npt.NDArray[np.float64]
    offset: Array
    amplitude: Array
    fitted: Bools


def t1_map(
    images: npt.ArrayLike,
    inversion_times_s: npt.ArrayLike,
    *,
    sigma: npt.ArrayLike,
    polarity: Polarity = "auto",
    range_s: tuple[float, float] = (0.02, 6.0),
    mask: npt.ArrayLike | None = None,
) -> T1Map:
    r"""Fit inversion recovery, :math:`S(T) = a + b\, e^{-T/T_1}`, in every voxel.

    For a given T1 the best a and b are known in closed form, so that only T1 is searched: on a logarithmic
    grid over ``range_s``, then by golden section to a relative 1e-7 (the reduced-dimension method RD-NLS of
    Barral et al.). Flip angles need not be known, and a and b are free.

    Complex images are fitted as they are. Magnitudes have lost their sign: every number of early readings is
    tried as negative, and the fit with the smallest residual is kept (RD-NLS-PR).

    The standard uncertainty is the bound of Cramér and Rao,
    :math:`u(T_1) = \sigma / (|b|\, \| P\, d \|)` with :math:`d_j = T_j e^{-T_j/T_1} / T_1^2` and P what is
    orthogonal to a constant and to the exponential.

    Parameters
    ----------
    images : array_like
        ``(time, ...)``, complex, magnitudes, or real with sign.
    inversion_times_s : array_like of float
        Ascending inversion times, at least three, or four where the sign is restored.
    sigma : float or array_like
        Standard deviation of the noise in real and imaginary part: one number or a map.
    polarity : str, optional
        ``"restore"`` the sign of magnitudes, take real images with their sign as ``"given"``, or ``"auto"``:
        restore it for real images without negative values.
    range_s : tuple of float, optional
        Shortest and longest T1; fits that end there are not ``fitted``.
    mask : array_like of bool, optional
        Where to fit; everywhere by default.

    Returns
    -------
    T1Map
        T1, a, b and the uncertainty of T1.

    Raises
    ------
    ValueError
        If there are too few images, times do not ascend, a value is not finite, magnitudes to be restored are
        negative or complex, sigma is not positive, or shapes do not fit.

    Notes
    -----
    A magnitude near the zero crossing lies on the Rician noise floor, which the model leaves out; with a
    signal of 30 times the noise or more the uncertainty holds.

    References
    ----------
    J. K. Barral et al., A robust methodology for in vivo T1 mapping, Magnetic Resonance in Medicine 64 (2010)
    1057-1067, doi:10.1002/mrm.22497.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri.maps import t1_map
    >>> times_s = np.array([0.05, 0.4, 1.1, 2.5])
    >>> magnitudes = np.abs(50.0 - 95.0 * np.exp(-times_s / 0.83))[:, None]
    >>> found = t1_map(magnitudes, times_s, sigma=0.5)
    >>> print(found.t1_s.round(5), found.offset.round(3), found.amplitude.round(3))
    [0.83] [50.] [-95.]
    """
    one_of("polarity", polarity, ("auto", "restore", "given"))
    stack = any_image("images", images, (2, 3, 4))
    is_complex = np.iscomplexobj(stack)
    restore = polarity == "restore" or (polarity == "auto" and not is_complex and stack.min() >= 0)
    if restore and (is_complex or stack.min() < 0):
        what = "complex values" if is_complex else f"{stack.min()}"
        raise ValueError(f"images must be magnitudes where the sign is restored, got {what}")
    times = times_of("inversion_times_s", inversion_times_s, len(stack), 4 if restore else 3)
    low, high = each("range_s", range_s, 2, positive)
    if low >= high:
        raise ValueError(f"range_s must ascend, got {range_s}")
    chosen = mask_of(mask, stack.shape[1:])
    values, spread = columns(stack, chosen), noise_of(sigma, chosen)
    parts = np.stack([values.real, values.imag], axis=1) if is_complex else values[:, None]
    grid = np.geomspace(low, high, max(int(_PER_DECADE * np.log10(high / low)), 3))
    shapes = np.exp(-times / grid[:, None])
    shapes -= shapes.mean(axis=1, keepdims=True)
    shapes /= np.maximum(np.linalg.norm(shapes, axis=1, keepdims=True), np.finfo(float).tiny)
    out = np.zeros((len(values), 1 + 2 * parts.shape[1]))
    done = np.zeros(len(values), bool)
    fit_recoveries.sized(_WORK * values.size)(
        np.ascontiguousarray(parts), times, grid, shapes, restore, out, done
    )
    t1 = np.where(done, out[:, 0], 1.0)
    offset, amplitude = out[:, 1], out[:, 2]
    if is_complex:
        offset, amplitude = offset + 1j * out[:, 3], amplitude + 1j * out[:, 4]
    keep = done & (np.abs(amplitude) > 0)
    slope = np.where(keep, np.abs(amplitude), 1.0) * _free_slope(t1, times)
    uncertainty = np.where(keep, spread / np.maximum(slope, np.finfo(float).tiny), np.inf)
    return T1Map(
        t1_s=filled(chosen, np.where(keep, t1, 0.0)),
        uncertainty_s=filled(chosen, uncertainty, np.inf),
        offset=filled(chosen, np.where(keep, offset, 0)),
        amplitude=filled(chosen, np.where(keep, amplitude, 0)),
        fitted=filled(chosen, keep).astype(bool),
    )


def _free_slope(t1_s: npt.NDArray[np.float64], times_s: npt.NDArray[np.float64]) -> Array:
    """Length of the derivative by T1 that neither a nor b can take up, for b = 1."""
    decay = np.exp(-times_s / t1_s[:, None])
    slope = times_s / t1_s[:, None] ** 2 * decay
    decay = decay - decay.mean(axis=1, keepdims=True)
    slope = slope - slope.mean(axis=1, keepdims=True)
    shared = (slope * decay).sum(axis=1) / np.maximum((decay**2).sum(axis=1), np.finfo(float).tiny)
    return np.asarray(np.sqrt(((slope - shared[:, None] * decay) ** 2).sum(axis=1)))
