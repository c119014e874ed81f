"""SPIRiT: undersampled k-space filled so that every sample agrees with its neighbours in all coils."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft as scipy_fft

from imgtech._core.frozen import ArrayValue
from imgtech._core.jit import thread_count
from imgtech._core.validate import Array, ComplexArray, complex_image, count, each, not_negative
from imgtech.recon.linop import LinearOperator
from imgtech.recon.mri._pattern import calibration_block, sampled_places
from imgtech.recon.solvers import conjugate_gradient


@dataclass(frozen=True, eq=False)
class SpiritResult(ArrayValue):
    """Filled k-space and how it was reached.

    Parameters
    ----------
    kspace : numpy.ndarray
        Complex, ``(coil, y, x)``; acquired samples are kept to the bit.
    residuals : numpy.ndarray
        Norm of what the coils leave unexplained in one another, from the zero-filled data on.
    n_iter : int
        Number of iterations that were run.
    converged : bool
        Whether a rule other than the number of iterations ended them.
    """

    kspace: ComplexArray
    residuals: npt.NDArray[np.float64]
    n_iter: int
    converged: bool


def spirit(
    kspace: npt.ArrayLike,
    sampled: npt.ArrayLike,
    calibration: npt.ArrayLike | None = None,
    *,
    kernel_size: tuple[int, int] = (5, 5),
    regularization: float = 1e-3,
    n_iter: int = 50,
    tolerance: float = 1e-4,
) -> SpiritResult:
    r"""Fill undersampled k-space of any Cartesian pattern by self-consistency.

    Every sample is a weighted sum of the samples around it in all coils, its own place left out:
    :math:`x = G x`. The weights are those that predict the calibration data best. The missing samples then
    solve

    .. math:: \min_x \; \| (G - 1)\, x \|^2 \quad \text{with the acquired samples as they are}

    by conjugate gradients. G is applied in the image, where it is a small matrix between the coils in every
    pixel.

    Parameters
    ----------
    kspace : array_like
        Full raster ``(coil, y, x)``, whitened if the coils' noise is correlated; what it holds where nothing
        was sampled is ignored.
    sampled : array_like of bool
        ``(y, x)``, or ``(y,)`` for whole lines; random patterns too.
    calibration : array_like, optional
        Separate fully sampled block ``(coil, y, x)`` from the middle of k-space; by default the largest block
        of acquired samples.
    kernel_size : tuple of int, optional
        Odd sizes ``(y, x)`` of the neighbourhood.
    regularization : float, optional
        Share of the mean power of the calibration data that is added to the normal equations of the weights.
    n_iter : int, optional
        Largest number of iterations.
    tolerance : float, optional
        Stop when the missing samples change by at most this part of their norm.

    Returns
    -------
    SpiritResult
        ``.kspace`` for :func:`cartesian`, ``.residuals``, ``.n_iter``, ``.converged``.

    Raises
    ------
    ValueError
        If a value is not finite, shapes do not fit, data or calibration are all zero, the kernel is even, or
        the calibration block is too small for it.

    References
    ----------
    M. Lustig, J. M. Pauly, SPIRiT: iterative self-consistent parallel imaging reconstruction from arbitrary
    k-space, Magnetic Resonance in Medicine 64 (2010) 457-471, doi:10.1002/mrm.22428.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid, Trajectory
    >>> from imgtech.phantoms import CoilSensitivities, uniform_disk
    >>> from imgtech.recon.mri import spirit
    >>> grid = ImageGrid.fft((48, 40), spacing_mm=(4.0, 4.0))
    >>> coils = CoilSensitivities.ring(n_coils=5, radius_mm=110.0)
    >>> full = uniform_disk(radius_mm=60.0, value=1.0).kspace(Trajectory.of_grid(grid), coils)
    >>> sampled = np.random.default_rng(1).random((48, 40)) < 0.5
    >>> sampled[15:33, 11:29] = True
    >>> found = spirit(full, sampled)
    >>> bool(np.linalg.norm(found.kspace - full) < 0.05 * np.linalg.norm(full))
    True
    """
    data = complex_image("kspace", kspace, 3)
    mask = sampled_places(sampled, data.shape[1:])
    acquired = data * mask
    if not acquired.any():
        raise ValueError("kspace where it was sampled must not be all zero")
    size = _odd(kernel_size)
    if calibration is None:
        rows, columns = calibration_block(mask)
        block = acquired[:, rows, columns]
    else:
        block = complex_image("calibration", calibration, 3).astype(data.dtype)
        if not block.any():
            raise ValueError("calibration must not be all zero")
    weights = _weights(block, len(data), size, not_negative("regularization", regularization))
    if mask.all():
        return SpiritResult(acquired, np.zeros(1), 0, True)
    operator = _Consistency(_in_image(weights, data.shape[1:]).astype(data.dtype), ~mask)
    found = conjugate_gradient(
        operator, -operator.apply(acquired), n_iter=n_iter, tolerance=not_negative("tolerance", tolerance)
    )
    return SpiritResult(
        kspace=np.where(mask, acquired, found.image),
        residuals=found.residuals,
        n_iter=found.n_iter,
        converged=found.converged,
    )


@dataclass(frozen=True, eq=False)
class _Consistency(LinearOperator):
    """Missing samples to what G - 1 makes of them, in the image; matrices ``(coil, coil, y, x)``."""

    matrices: ComplexArray
    missing: npt.NDArray[np.bool_]

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (len(self.matrices), *self.missing.shape)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.input_shape

    def apply(self, kspace: Array) -> ComplexArray:
        """G - 1 on whole k-space, as coil images with their origin in the first corner."""
        images = scipy_fft.ifft2(
            scipy_fft.ifftshift(kspace, axes=(1, 2)), norm="ortho", workers=thread_count()
        )
        return np.asarray(np.einsum("ijyx,jyx->iyx", self.matrices, images))

    def forward(self, x: npt.ArrayLike) -> ComplexArray:
        return self.apply(np.asarray(x) * self.missing)

    def adjoint(self, y: npt.ArrayLike) -> ComplexArray:
        images = np.einsum("ijyx,iyx->jyx", self.matrices.conj(), np.asarray(y))
        kspace = scipy_fft.fft2(images, norm="ortho", overwrite_x=True, workers=thread_count())
        return np.asarray(scipy_fft.fftshift(kspace, axes=(1, 2)) * self.missing)


def _odd(kernel_size: tuple[int, int]) -> tuple[int, int]:
    rows, columns = (count("kernel_size", int(n)) for n in each("kernel_size", kernel_size, 2))
    if rows % 2 == 0 or columns % 2 == 0 or rows * columns == 1:
        raise ValueError(f"kernel_size must be odd and not (1, 1), got {kernel_size}")
    return rows, columns


def _weights(block: ComplexArray, n_coils: int, size: tuple[int, int], regularization: float) -> ComplexArray:
    """Weights ``(target coil, source coil, y, x)`` that predict the block; zero at their own place."""
    if len(block) != n_coils:
        raise ValueError(f"calibration must have the {n_coils} coils of kspace, got {len(block)}")
    windows = (block.shape[1] - size[0] + 1) * (block.shape[2] - size[1] + 1)
    n = n_coils * size[0] * size[1]
    if min(block.shape[1] - size[0], block.shape[2] - size[1]) < 0 or windows < n:
        raise ValueError(
            f"calibration must hold at least {n} neighbourhoods of {size} samples, got a block of "
            f"{block.shape[1:]}"
        )
    views = sliding_window_view(block, size, axis=(1, 2)).transpose(1, 2, 0, 3, 4)
    rows = views.reshape(-1, n).astype(np.complex128)
    gram = rows.conj().T @ rows
    gram += regularization * np.trace(gram).real / n * np.eye(n)
    middle = (size[0] // 2) * size[1] + size[1] // 2
    out = np.zeros((n_coils, n), np.complex128)
    for coil in range(n_coils):
        own = coil * size[0] * size[1] + middle
        others = np.arange(n) != own
        out[coil, others] = np.linalg.solve(gram[np.ix_(others, others)], gram[others, own])
    return out.reshape(n_coils, n_coils, *size)


def _in_image(weights: ComplexArray, shape: tuple[int, ...]) -> ComplexArray:
    r"""G - 1 in every pixel, its origin in the first corner: :math:`\sum_d w_d\, e^{-2 \pi i\, d r}`."""
    out = weights
    for axis, n in zip((2, 3), shape, strict=True):
        steps = np.arange(weights.shape[axis]) - weights.shape[axis] // 2
        phases = np.exp(-2j * np.pi * np.outer(steps, scipy_fft.fftfreq(n)))
        out = np.moveaxis(np.tensordot(out, phases, axes=(axis, 0)), -1, axis)
    return np.asarray(out - np.eye(len(weights))[:, :, None, None])
