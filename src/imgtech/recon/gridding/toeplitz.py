"""A non-uniform Fourier transform followed by its adjoint, by Fourier transforms of twice the size."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from imgtech._core.jit import thread_count
from imgtech._core.validate import ComplexArray, complex_image, real_image
from imgtech.geometry import ImageGrid, Trajectory
from imgtech.recon.gridding._coil_normal import CoilNormal
from imgtech.recon.gridding.nufft import Nufft
from imgtech.recon.linop import LinearOperator

_SINGLE_FROM = 5e-6  # tolerances that single precision meets


@dataclass(frozen=True, eq=False)
class ToeplitzNormal(LinearOperator):
    r""":math:`A^H W A` of a :class:`Nufft` :math:`A` with weights W of the samples, without any gridding.

    The operator only depends on the distance between two pixels,

    .. math:: (A^H W A\, m)_p = \sum_q h(r_p - r_q)\, m_q, \qquad
              h(d) = V^2 \sum_j w_j\, e^{2 \pi i\, k_j \cdot d},

    with the area or volume V of a pixel, so it is a convolution, exact on images padded with zeros to twice
    their size (Fessler et al. 2005). The spectrum of h is real and computed once, by one adjoint transform
    of the weights; applying the operator to an image costs two Fourier transforms, whatever the number of
    samples. It is its own adjoint.

    Parameters
    ----------
    trajectory : Trajectory
        Where the samples lie, in a plane or in space.
    grid : ImageGrid
        Where the pixels are; as many axes.
    weights : array_like, optional
        W, of the shape of the trajectory, not negative: density compensation or inverse variances; 1 by
        default.
    tolerance : float, optional
        Relative error of h, as of :class:`Nufft`.

    Raises
    ------
    ValueError
        If trajectory and grid do not have the same axes, or the weights do not have the shape of the
        trajectory, are negative or not finite.

    References
    ----------
    J. A. Fessler et al., Toeplitz-based iterative image reconstruction for MRI with correction for magnetic
    field inhomogeneity, IEEE Transactions on Signal Processing 53 (2005) 3393-3402,
    doi:10.1109/TSP.2005.853152.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid, Trajectory
    >>> from imgtech.recon.gridding import Nufft, ToeplitzNormal
    >>> spokes = Trajectory.radial(7, 16, spacing_mm=2.0, golden=True)
    >>> grid = ImageGrid.fft((8, 6), spacing_mm=(2.0, 2.5))
    >>> nufft, image = Nufft(spokes, grid, tolerance=1e-9), np.random.default_rng(1).normal(size=(8, 6))
    >>> direct = nufft.adjoint(nufft.forward(image))
    >>> bool(np.allclose(ToeplitzNormal(spokes, grid, tolerance=1e-9).forward(image), direct))
    True
    """

    trajectory: Trajectory
    grid: ImageGrid
    weights: npt.ArrayLike | None = None
    tolerance: float = 1e-5
    _spectrum: npt.NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        weights = self.weights
        given = np.ones(self.trajectory.shape) if weights is None else np.asarray(weights, dtype=np.float64)
        w = real_image("weights", given, len(self.trajectory.shape), self.trajectory.shape)
        if w.min() < 0:
            raise ValueError(f"weights must not be negative, got {w.min()}")
        if self.grid.ndim != self.trajectory.ndim:
            raise ValueError(
                f"grid must have {self.trajectory.ndim} axes like the trajectory, got shape {self.grid.shape}"
            )
        twice = tuple(2 * n for n in self.grid.shape)
        distances = ImageGrid.fft(twice, spacing_mm=self.grid.spacing_mm)
        precise = np.complex128 if self.tolerance < _SINGLE_FROM else np.complex64
        h = Nufft(self.trajectory, distances, self.tolerance).adjoint(w.astype(precise))
        h = h.astype(np.complex128) * float(np.prod(self.grid.spacing_mm))
        for axis in range(h.ndim):  # no two pixels are that far apart; without them h is Hermitian
            np.moveaxis(h, axis, 0)[0] = 0
        spectrum = scipy.fft.fftn(scipy.fft.ifftshift(h), workers=thread_count()).real
        object.__setattr__(self, "weights", None if weights is None else w)
        object.__setattr__(self, "_spectrum", np.ascontiguousarray(spectrum))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an image, ``(y, x)`` or ``(z, y, x)``."""
        return self.grid.shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of an image, ``(y, x)`` or ``(z, y, x)``."""
        return self.grid.shape

    @property
    def diagonal(self) -> float:
        """The number that every pixel is multiplied with itself by, h at distance zero."""
        return float(self._spectrum.mean())

    def forward(self, x: npt.ArrayLike) -> ComplexArray:
        """Apply the operator.

        Parameters
        ----------
        x : array_like
            Image of the shape of the grid, or with a coil axis in front.

        Returns
        -------
        numpy.ndarray
            Of the same shape; complex128 for double precision, else complex64.

        Raises
        ------
        ValueError
            If the image does not have the shape of the grid or is not finite.
        """
        images = complex_image("x", x, (self.grid.ndim, self.grid.ndim + 1), self.grid.shape)
        out = np.empty(images.shape, images.dtype)
        spectrum = self._spectrum.astype(images.real.dtype, copy=False)
        plane = np.empty(spectrum.shape, images.dtype)
        for image, target in zip(
            images.reshape(-1, *self.grid.shape), out.reshape(-1, *self.grid.shape), strict=True
        ):
            convolve(image, spectrum, plane, target)
        return out

    def adjoint(self, y: npt.ArrayLike) -> ComplexArray:
        """Apply the operator, which is its own adjoint.

        Parameters
        ----------
        y : array_like
            Image of the shape of the grid, or with a coil axis in front.

        Returns
        -------
        numpy.ndarray
            Of the same shape; complex128 for double precision, else complex64.
        """
        return self.forward(y)


def normal_of_coils(normal: ToeplitzNormal, maps: ComplexArray) -> CoilNormal | None:
    """The sum over coils of conj(map) * normal(map * image) in one kernel, if it has code for the size."""
    spectrum = normal._spectrum
    if spectrum.ndim != 2:
        return None
    high, wide = spectrum.shape
    return CoilNormal(maps, spectrum) if CoilNormal.suits(len(maps), (high, wide)) else None


def convolve(
    image: ComplexArray,
    spectrum: npt.NDArray[np.floating[Any]],
    plane: ComplexArray,
    out: ComplexArray,
) -> None:
    """Multiply the spectrum of the padded image, in ``plane``; rows of zeros are not transformed."""
    workers = thread_count()
    whole = plane
    for axis in reversed(range(image.ndim)):
        part = plane[tuple(slice(n) for n in image.shape[:axis])]
        ahead = (slice(None),) * axis
        if axis == image.ndim - 1:
            part[(*ahead, slice(image.shape[axis]))] = image
        part[(*ahead, slice(image.shape[axis], None))] = 0
        whole = scipy.fft.fft(part, axis=axis, overwrite_x=True, workers=workers)
        if axis > 0:
            part[:] = whole
    whole *= spectrum
    for axis, n in enumerate(image.shape):
        whole = scipy.fft.ifft(whole, axis=axis, overwrite_x=True, workers=workers)
        whole = whole[(*(slice(None),) * axis, slice(n))]
    out[:] = whole
