"""Series of images from undersampled k-space: locally low rank, and low rank plus sparse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft as scipy_fft

from imgtech._core.frozen import ArrayValue
from imgtech._core.jit import thread_count
from imgtech._core.validate import Array, ComplexArray, complex_image, count, each, not_negative
from imgtech.recon.linop import LinearOperator
from imgtech.recon.mri._pattern import sampled_places
from imgtech.recon.solvers import Solution, fista

_TURN = 0.6180339887498949  # of the golden ratio: shifts in this step cover all places evenly


@dataclass(frozen=True, eq=False)
class LowRankSparse(ArrayValue):
    """A series taken apart into a background and what changes, and how it was reached.

    Parameters
    ----------
    low_rank : numpy.ndarray
        Background ``(frame, y, x)``, of few time courses.
    sparse : numpy.ndarray
        What changes, ``(frame, y, x)``, of few temporal frequencies in each pixel.
    residuals : numpy.ndarray
        Norm of the difference between data and projected images, from the initial zeros on.
    n_iter : int
        Number of iterations that were run.
    converged : bool
        Whether a rule other than the number of iterations ended them.
    """

    low_rank: ComplexArray
    sparse: ComplexArray
    residuals: npt.NDArray[np.float64]
    n_iter: int
    converged: bool

    @property
    def image(self) -> ComplexArray:
        """The series, background and changes together."""
        return self.low_rank + self.sparse


def locally_low_rank(
    kspace: npt.ArrayLike,
    sampled: npt.ArrayLike,
    maps: npt.ArrayLike,
    *,
    regularization: float = 0.01,
    block: tuple[int, int] = (8, 8),
    n_iter: int = 100,
    tolerance: float = 0.0,
) -> Solution:
    r"""Reconstruct a series whose neighbouring pixels share few time courses.

    .. math:: \min_m \; \tfrac12 \sum_{c,t} \| M_t (F s_c m_t - y_{ct}) \|^2
              + \lambda\, \sigma_1 \sum_b \| C_b m \|_*

    by FISTA. :math:`C_b m` is the matrix of the pixels of block b (columns) over the frames (rows), whose
    nuclear norm is the sum of its singular values; :math:`\sigma_1` is the largest singular value that any
    block of :math:`A^H y`, the zero-filled series, has, which makes :math:`\lambda` a pure number that does
    not depend on the scale of the data. From one iteration to the next the blocks are shifted against the
    image, which keeps their grid from showing; a block of the size of the image stays.

    Parameters
    ----------
    kspace : array_like
        Full rasters ``(coil, frame, y, x)``, whitened if the coils' noise is correlated; what they hold where
        nothing was sampled is ignored.
    sampled : array_like of bool
        ``(frame, y, x)``, or ``(frame, y)`` for whole lines.
    maps : array_like
        Sensitivities ``(coil, y, x)``.
    regularization : float, optional
        :math:`\lambda`.
    block : tuple of int, optional
        Rows and columns of a block.
    n_iter : int, optional
        Largest number of iterations.
    tolerance : float, optional
        Stop when the series changes by at most this part of its norm.

    Returns
    -------
    Solution
        ``.image`` ``(frame, y, x)`` in the units of :func:`kspace_to_image` over those of ``maps``,
        ``.residuals``, ``.n_iter``, ``.converged``.

    Raises
    ------
    ValueError
        If a value is not finite, shapes do not fit, the data or the maps are all zero, a number is out of
        range or a block is larger than the image.

    References
    ----------
    J. D. Trzasko, A. Manduca, Local versus global low-rank promotion in dynamic MRI series reconstruction,
    Proceedings of ISMRM 19 (2011) 4371.

    T. Zhang, J. M. Pauly, I. R. Levesque, Accelerating parameter mapping with a locally low rank constraint,
    Magnetic Resonance in Medicine 73 (2015) 655-661, doi:10.1002/mrm.25161.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import image_to_kspace, locally_low_rank
    >>> rng = np.random.default_rng(1)
    >>> shapes, courses = rng.normal(size=(2, 16, 16)), rng.normal(size=(10, 2))
    >>> truth = np.einsum("tr,ryx->tyx", courses, shapes)
    >>> sampled = rng.random((10, 16, 16)) < 0.5
    >>> found = locally_low_rank(image_to_kspace(truth)[None], sampled, np.ones((1, 16, 16)),
    ...                          regularization=0.002, block=(16, 16), n_iter=300)
    >>> bool(np.abs(found.image - truth).max() < 0.1 * np.abs(truth).max())
    True
    """
    operator, data = _problem(kspace, sampled, maps)
    size = _block_of(block, operator.input_shape[1:])
    start = operator.adjoint(data)
    strength = not_negative("regularization", regularization) * _largest(_blocks(start, size))
    counter = [0]

    def proximal(x: Array, step: Array) -> Array:
        counter[0] += 1
        turn = counter[0] * _TURN % 1.0
        shift = tuple(
            int(turn * k * n % 1.0 * n) if n < whole else 0
            for k, n, whole in zip((1, 7), size, x.shape[1:], strict=True)
        )
        moved = np.roll(x, shift, (1, 2))
        matrices = _shrunk(_blocks(moved, size), strength * float(step))
        return np.roll(_joined(matrices, size, x.shape), tuple(-s for s in shift), (1, 2))

    return _run(operator, data, proximal, 1.0, n_iter, tolerance)


def low_rank_plus_sparse(
    kspace: npt.ArrayLike,
    sampled: npt.ArrayLike,
    maps: npt.ArrayLike,
    *,
    low_rank: float = 0.01,
    sparse: float = 0.01,
    n_iter: int = 100,
    tolerance: float = 0.0,
) -> LowRankSparse:
    r"""Reconstruct a series as a background of low rank plus changes of few temporal frequencies.

    .. math:: \min_{L,S} \; \tfrac12 \sum_{c,t} \| M_t (F s_c (L_t + S_t) - y_{ct}) \|^2
              + \lambda_L\, \sigma_1 \| L \|_* + \lambda_S\, \max |T A^H y| \; \| T S \|_1

    by FISTA on both parts at once. L as a matrix has the frames as rows and the pixels as columns; T is the
    orthonormal Fourier transform over the frames. The largest singular value :math:`\sigma_1` of
    :math:`A^H y` and the largest magnitude of its transform make both strengths pure numbers.

    Parameters
    ----------
    kspace : array_like
        As in :func:`locally_low_rank`.
    sampled : array_like of bool
        As in :func:`locally_low_rank`.
    maps : array_like
        As in :func:`locally_low_rank`.
    low_rank : float, optional
        :math:`\lambda_L`.
    sparse : float, optional
        :math:`\lambda_S`.
    n_iter : int, optional
        Largest number of iterations.
    tolerance : float, optional
        Stop when both parts together change by at most this part of their norm.

    Returns
    -------
    LowRankSparse
        ``.image`` is the series, ``.low_rank`` and ``.sparse`` its parts.

    Raises
    ------
    ValueError
        As in :func:`locally_low_rank`.

    References
    ----------
    R. Otazo, E. Candès, D. K. Sodickson, Low-rank plus sparse matrix decomposition for accelerated dynamic
    MRI with separation of background and dynamic components, Magnetic Resonance in Medicine 73 (2015)
    1125-1136, doi:10.1002/mrm.25240.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import image_to_kspace, low_rank_plus_sparse
    >>> rng = np.random.default_rng(1)
    >>> truth = np.ones((8, 1, 1)) * rng.normal(size=(12, 16))
    >>> truth[:, 3, 4] += 4 * np.cos(2 * np.pi * np.arange(8) / 4)
    >>> sampled = rng.random((8, 12, 16)) < 0.6
    >>> found = low_rank_plus_sparse(image_to_kspace(truth)[None], sampled, np.ones((1, 12, 16)), n_iter=200)
    >>> bool(np.abs(found.image - truth).max() < 0.5), int(np.abs(found.sparse[0]).argmax())
    (True, 52)
    """
    operator, data = _problem(kspace, sampled, maps)
    both = _Sum(operator)
    start = operator.adjoint(data)
    rank = not_negative("low_rank", low_rank) * _largest(start.reshape(1, len(start), -1))
    few = not_negative("sparse", sparse) * float(np.abs(_over_time(start)).max())

    def proximal(x: Array, step: Array) -> Array:
        background = x[0].reshape(1, x.shape[1], -1)
        out = np.empty_like(x)
        out[0] = _shrunk(background, rank * float(step)).reshape(x.shape[1:])
        spectrum = _over_time(x[1])
        power = np.maximum(np.abs(spectrum), np.finfo(spectrum.real.dtype).tiny)
        spectrum *= np.maximum(1 - spectrum.real.dtype.type(few * float(step)) / power, 0)
        out[1] = scipy_fft.ifft(spectrum, axis=0, norm="ortho", workers=thread_count())
        return out

    found = _run(both, data, proximal, np.sqrt(2.0), n_iter, tolerance)
    return LowRankSparse(
        low_rank=found.image[0],
        sparse=found.image[1],
        residuals=found.residuals,
        n_iter=found.n_iter,
        converged=found.converged,
    )


@dataclass(frozen=True, eq=False)
class _Series(LinearOperator):
    """Coils and Fourier transform at the sampled places of every frame; origins in the first corner."""

    maps: ComplexArray
    sampled: npt.NDArray[np.floating[Any]]

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.sampled.shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (len(self.maps), *self.sampled.shape)

    @property
    def norm_bound(self) -> float:
        return float(np.sqrt((np.abs(self.maps) ** 2).sum(axis=0).max()))

    def forward(self, x: npt.ArrayLike) -> ComplexArray:
        images = scipy_fft.ifftshift(np.asarray(x), axes=(1, 2))
        out = scipy_fft.fft2(
            self.maps[:, None] * images, norm="ortho", overwrite_x=True, workers=thread_count()
        )
        out *= self.sampled
        return np.asarray(out)

    def adjoint(self, y: npt.ArrayLike) -> ComplexArray:
        images = scipy_fft.ifft2(
            np.asarray(y) * self.sampled, norm="ortho", overwrite_x=True, workers=thread_count()
        )
        images *= self.maps[:, None].conj()
        return np.asarray(scipy_fft.fftshift(images.sum(axis=0), axes=(1, 2)))


@dataclass(frozen=True, eq=False)
class _Sum(LinearOperator):
    """The projection of two series added up."""

    one: _Series

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (2, *self.one.input_shape)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.one.output_shape

    @property
    def norm_bound(self) -> float:
        return self.one.norm_bound

    def forward(self, x: npt.ArrayLike) -> ComplexArray:
        parts = np.asarray(x)
        return self.one.forward(parts[0] + parts[1])

    def adjoint(self, y: npt.ArrayLike) -> ComplexArray:
        back = self.one.adjoint(y)
        return np.stack([back, back])


def _run(
    operator: _Series | _Sum,
    data: ComplexArray,
    proximal: Callable[[Array, Array], Array],
    factor: float,
    n_iter: int,
    tolerance: float,
) -> Solution:
    step = 1 / (factor * operator.norm_bound) ** 2
    return fista(operator, data, proximal=proximal, step=step, n_iter=n_iter, tolerance=tolerance)


def _problem(
    kspace: npt.ArrayLike, sampled: npt.ArrayLike, maps: npt.ArrayLike
) -> tuple[_Series, ComplexArray]:
    data = complex_image("kspace", kspace, 4)
    sensitivities = complex_image("maps", maps, 3, data.shape[2:]).astype(data.dtype)
    if len(sensitivities) != len(data):
        raise ValueError(f"maps must have the {len(data)} coils of kspace, got {len(sensitivities)}")
    mask = sampled_places(sampled, data.shape[1:])
    kept = scipy_fft.ifftshift(data * mask, axes=(2, 3))
    if not kept.any() or not sensitivities.any():
        raise ValueError("kspace where it was sampled and maps must not be all zero")
    operator = _Series(
        scipy_fft.ifftshift(sensitivities, axes=(1, 2)),
        scipy_fft.ifftshift(mask, axes=(1, 2)).astype(data.real.dtype),
    )
    return operator, kept


def _block_of(block: tuple[int, int], shape: tuple[int, ...]) -> tuple[int, int]:
    rows, columns = (count("block", int(n)) for n in each("block", block, 2))
    if rows > shape[0] or columns > shape[1]:
        raise ValueError(f"block must fit into an image of {shape}, got {block}")
    return rows, columns


def _blocks(series: Array, size: tuple[int, int]) -> Array:
    """Matrices ``(block, frame, pixel)``; the image is padded with zeros to whole blocks."""
    n, ny, nx = series.shape
    rows, columns = -(-ny // size[0]), -(-nx // size[1])
    padded = np.zeros((n, rows * size[0], columns * size[1]), series.dtype)
    padded[:, :ny, :nx] = series
    pieces = padded.reshape(n, rows, size[0], columns, size[1])
    return pieces.transpose(1, 3, 0, 2, 4).reshape(rows * columns, n, -1)


def _joined(matrices: Array, size: tuple[int, int], shape: tuple[int, ...]) -> Array:
    """The series that :func:`_blocks` took apart."""
    n, ny, nx = shape
    rows, columns = -(-ny // size[0]), -(-nx // size[1])
    pieces = matrices.reshape(rows, columns, n, *size).transpose(2, 0, 3, 1, 4)
    return np.ascontiguousarray(pieces.reshape(n, rows * size[0], columns * size[1])[:, :ny, :nx])


def _largest(matrices: Array) -> float:
    """Largest singular value of all matrices."""
    gram = matrices.astype(np.complex128) @ np.swapaxes(matrices, 1, 2).conj()
    return float(np.sqrt(np.linalg.eigvalsh(gram)[:, -1].max()))


def _shrunk(matrices: Array, least: float) -> Array:
    """Matrices with singular values lowered by ``least``, at most to zero.

    The singular vectors over the frames are the eigenvectors of a small matrix of frames by frames.
    """
    double = matrices.astype(np.complex128)
    powers, vectors = np.linalg.eigh(double @ np.swapaxes(double, 1, 2).conj())
    values = np.sqrt(np.maximum(powers, np.finfo(np.float64).tiny))
    kept = vectors * np.maximum(1 - least / values, 0)[:, None, :]
    return np.asarray(kept @ (np.swapaxes(vectors, 1, 2).conj() @ double)).astype(matrices.dtype)


def _over_time(series: Array) -> Array:
    return np.asarray(scipy_fft.fft(series, axis=0, norm="ortho", workers=thread_count()))
