"""Compressed sensing: undersampled k-space to an image that is sparse in wavelets or in its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft as scipy_fft

from imgtech._core.validate import Array, ComplexArray, complex_image, not_negative
from imgtech.recon.mri._coil_fourier import CoilFourier, fit_of
from imgtech.recon.mri._pattern import sampled_places
from imgtech.recon.mri._wavelets import WaveletShrinkage
from imgtech.recon.solvers import Gradient, Solution
from imgtech.recon.solvers.proximal import fista_of
from imgtech.recon.solvers.solution import Stopping

_INNER = 8  # steps of the projection in every iteration


def l1_wavelet(
    kspace: npt.ArrayLike,
    sampled: npt.ArrayLike,
    maps: npt.ArrayLike,
    *,
    regularization: float = 0.001,
    wavelet: str = "db4",
    n_levels: int | None = None,
    n_iter: int = 100,
    tolerance: float = 0.0,
) -> Solution:
    r"""Reconstruct undersampled Cartesian k-space to an image that few wavelets describe.

    .. math:: \min_m \; \tfrac12 \sum_c \| M (F s_c m - y_c) \|^2
              + \lambda\, \max | A^H y | \; \| \Psi m \|_1

    by FISTA, with the sampled places M, the sensitivities :math:`s_c` and an orthonormal wavelet transform
    :math:`\Psi`, of all but the coarsest averages. The largest magnitude of :math:`A^H y`, the image of
    the zero-filled data, makes :math:`\lambda` a pure number that does not depend on the scale of the data.
    From one iteration to the next the wavelets are shifted against the image, which keeps their grid from
    showing.

    Parameters
    ----------
    kspace : array_like
        Full raster ``(coil, y, x)``, whitened if the coils' noise is correlated; what it holds where nothing
        was sampled is ignored.
    sampled : array_like of bool
        ``(y, x)``, or ``(y,)`` for whole lines.
    maps : array_like
        Sensitivities, shape of ``kspace``.
    regularization : float, optional
        :math:`\lambda`.
    wavelet : str, optional
        An orthogonal wavelet of PyWavelets.
    n_levels : int, optional
        Levels of the transform; by default four, or as many as the wavelet fits into the image. The image
        is padded with zeros to a multiple of :math:`2^n`.
    n_iter : int, optional
        Largest number of iterations.
    tolerance : float, optional
        Stop when the image changes by at most this part of its norm.

    Returns
    -------
    Solution
        ``.image`` ``(y, x)`` in the units of :func:`kspace_to_image` over those of ``maps``,
        ``.residuals``, ``.n_iter``, ``.converged``.

    Raises
    ------
    ValueError
        If a value is not finite, shapes do not fit, the data or the maps are all zero, a number is out of
        range or the wavelet is not orthogonal.
    ImportError
        If PyWavelets is not installed.

    References
    ----------
    M. Lustig, D. Donoho, J. M. Pauly, Sparse MRI: the application of compressed sensing for rapid MR
    imaging, Magnetic Resonance in Medicine 58 (2007) 1182-1195, doi:10.1002/mrm.21391.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import image_to_kspace, l1_wavelet
    >>> flat = np.zeros((32, 32), complex)
    >>> flat[8:24, 8:24] = 1.0
    >>> sampled = np.random.default_rng(1).random((32, 32)) < 0.6
    >>> sampled[12:20, 12:20] = True
    >>> kspace = image_to_kspace(flat)[None]
    >>> found = l1_wavelet(kspace, sampled, np.ones((1, 32, 32)), wavelet="haar", n_levels=2)
    >>> bool(np.abs(found.image - flat).max() < 0.05)
    True
    """
    operator, data, strength = _problem(kspace, sampled, maps, regularization)
    shrinkage = WaveletShrinkage(operator.input_shape, data.dtype, wavelet, n_levels, strength)
    return _minimum(operator, data, shrinkage, n_iter, tolerance)


def total_variation(
    kspace: npt.ArrayLike,
    sampled: npt.ArrayLike,
    maps: npt.ArrayLike,
    *,
    regularization: float = 0.001,
    n_iter: int = 100,
    tolerance: float = 0.0,
) -> Solution:
    r"""Reconstruct undersampled Cartesian k-space to an image with a sparse gradient.

    .. math:: \min_m \; \tfrac12 \sum_c \| M (F s_c m - y_c) \|^2
              + \lambda\, \max | A^H y | \; \sum_p | \nabla m |_p

    by FISTA, with the differences of neighbouring pixels as gradient. The proximal map of the penalty is
    found by fast gradient projection (Beck and Teboulle 2009), in a few steps that go on from the last ones.

    Parameters
    ----------
    kspace : array_like
        As in :func:`l1_wavelet`.
    sampled : array_like of bool
        As in :func:`l1_wavelet`.
    maps : array_like
        As in :func:`l1_wavelet`.
    regularization : float, optional
        :math:`\lambda`, a pure number.
    n_iter : int, optional
        Largest number of iterations.
    tolerance : float, optional
        Stop when the image changes by at most this part of its norm.

    Returns
    -------
    Solution
        ``.image`` ``(y, x)``, ``.residuals``, ``.n_iter``, ``.converged``.

    Raises
    ------
    ValueError
        As in :func:`l1_wavelet`.

    References
    ----------
    K. T. Block, M. Uecker, J. Frahm, Undersampled radial MRI with multiple coils: iterative image
    reconstruction using a total variation constraint, Magnetic Resonance in Medicine 57 (2007) 1086-1098,
    doi:10.1002/mrm.21236.

    A. Beck, M. Teboulle, Fast gradient-based algorithms for constrained total variation image denoising and
    deblurring problems, IEEE Transactions on Image Processing 18 (2009) 2419-2434,
    doi:10.1109/TIP.2009.2028250.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import image_to_kspace, total_variation
    >>> flat = np.zeros((32, 32), complex)
    >>> flat[8:24, 8:24] = 1.0
    >>> sampled = np.random.default_rng(1).random((32, 32)) < 0.5
    >>> sampled[12:20, 12:20] = True
    >>> found = total_variation(image_to_kspace(flat)[None], sampled, np.ones((1, 32, 32)))
    >>> bool(np.abs(found.image - flat).max() < 0.05)
    True
    """
    operator, data, strength = _problem(kspace, sampled, maps, regularization)
    proximal = _TotalVariation(operator.input_shape, strength, data.dtype)
    return _minimum(operator, data, proximal, n_iter, tolerance)


class _TotalVariation:
    """Proximal map of the total variation; it keeps its dual field from call to call."""

    def __init__(self, shape: tuple[int, ...], strength: float, dtype: np.dtype[Any]) -> None:
        self.gradient, self.strength = Gradient(shape), strength
        self.dual = np.zeros(self.gradient.output_shape, dtype)

    def __call__(self, x: Array, step: Array) -> Array:
        weight = x.real.dtype.type(self.strength * float(step))
        if weight == 0:
            return x
        ahead, momentum = self.dual, 1.0
        for _ in range(_INNER):
            slopes = self.gradient.forward(x - weight * self.gradient.adjoint(ahead))
            dual = ahead + slopes * x.real.dtype.type(1 / (8 * weight))
            dual /= np.maximum(np.sqrt(np.sum(dual.real**2 + dual.imag**2, axis=0)), 1)
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            ahead = dual + x.real.dtype.type((momentum - 1) / following) * (dual - self.dual)
            self.dual, momentum = dual, following
        return np.asarray(x - weight * self.gradient.adjoint(self.dual))


def _minimum(
    operator: CoilFourier,
    data: ComplexArray,
    proximal: Callable[[Array, Array], Array],
    n_iter: int,
    tolerance: float,
) -> Solution:
    return fista_of(
        fit_of(operator, data),
        np.zeros(operator.input_shape, data.dtype),
        proximal=proximal,
        step=np.asarray(1 / operator.norm_bound**2, data.real.dtype),
        stopping=Stopping(n_iter=n_iter, tolerance=tolerance, discrepancy=0.0),
    )


def _problem(
    kspace: npt.ArrayLike, sampled: npt.ArrayLike, maps: npt.ArrayLike, regularization: float
) -> tuple[CoilFourier, ComplexArray, float]:
    """The operator, the data at the sampled places, and the weight of the penalty in units of the data."""
    data = complex_image("kspace", kspace, 3)
    sensitivities = complex_image("maps", maps, 3, data.shape[1:]).astype(data.dtype)
    if sensitivities.shape != data.shape:
        raise ValueError(f"maps must have shape {data.shape} like kspace, got {sensitivities.shape}")
    mask = sampled_places(sampled, data.shape[1:])
    kept = scipy_fft.ifftshift(data * mask, axes=(1, 2))
    if not kept.any() or not sensitivities.any():
        raise ValueError("kspace where it was sampled and maps must not be all zero")
    operator = CoilFourier(
        scipy_fft.ifftshift(sensitivities, axes=(1, 2)),
        scipy_fft.ifftshift(mask).astype(data.real.dtype),
    )
    largest = float(np.abs(operator.adjoint(kept)).max())
    return operator, kept, not_negative("regularization", regularization) * largest
