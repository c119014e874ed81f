"""The non-uniform FFT of a plane: an image to samples anywhere in its spectrum, and the adjoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from imgtech._core.jit import thread_count
from imgtech._core.validate import ComplexArray, complex_image, positive
from imgtech.geometry import ImageGrid, Trajectory
from imgtech.recon.gridding._kernels import interpolate, spread
from imgtech.recon.gridding._kernels_coils import COILS, interpolate_coils, spread_coils
from imgtech.recon.gridding._plan import Plan, make_plan
from imgtech.recon.linop import LinearOperator

_TOLERANCES = 1e-12, 0.1


@dataclass(frozen=True)
class Nufft(LinearOperator):
    r"""The spectrum of a pixel image at scattered positions, and the exact adjoint.

    With the image :math:`m` at the pixel centres :math:`r_p` and the pixel area :math:`d_y d_x`

    .. math:: S(k_j) = d_y d_x \sum_p m_p\, e^{-2 \pi i\, k_j \cdot r_p},
              \qquad (A^H y)_p = d_y d_x \sum_j y_j\, e^{2 \pi i\, k_j \cdot r_p},

    so that :meth:`forward` of the pixels of an object approximates its Fourier integral, in value times mm².
    Both sums are computed by a fast Fourier transform on a grid of at least twice the size and a
    Kaiser-Bessel window, whose width follows from ``tolerance``. Points are sorted into tiles and their
    weights stored when the operator is made, ``8 * width`` bytes a point (twice that below a tolerance of
    1e-6): make it once and use it often. The result has the same bits on any number of threads.

    Parameters
    ----------
    trajectory : Trajectory
        Where the samples lie in a plane, in cycles/mm. Positions beyond the band of the grid,
        ``1 / (2 spacing)``, are allowed: the sum is periodic in them, up to a phase.
    grid : ImageGrid
        Where the pixels are, anywhere; two axes.
    tolerance : float, optional
        Relative error against the sum, in the l2 norm, from 1e-12 to 0.1. Single-precision arrays do not
        reach below about 1e-6.

    Raises
    ------
    ValueError
        If the trajectory or the grid does not have two axes or the tolerance is out of range.

    References
    ----------
    P. J. Beatty, D. G. Nishimura, J. M. Pauly, Rapid gridding reconstruction with a minimal oversampling
    ratio, IEEE Transactions on Medical Imaging 24 (2005) 799-808, doi:10.1109/TMI.2005.848376.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid, Trajectory
    >>> from imgtech.recon.gridding import Nufft
    >>> spokes = Trajectory.radial(5, 16, spacing_mm=2.0, golden=True)
    >>> nufft = Nufft(spokes, ImageGrid(shape=(8, 9), spacing_mm=(2.0, 3.0), center_mm=(4.0, 1.0)))
    >>> samples = nufft.forward(np.ones((8, 9)))
    >>> samples.shape
    (5, 16)
    >>> print(round(samples[0, 8].real / (8 * 2.0 * 9 * 3.0), 3))
    1.0
    """

    trajectory: Trajectory
    grid: ImageGrid
    tolerance: float = 1e-4
    _plan: Plan = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.trajectory.ndim != 2:
            raise ValueError(f"trajectory must have 2 axes, got {self.trajectory.ndim}")
        if self.grid.ndim != 2:
            raise ValueError(f"grid must have 2 axes, got shape {self.grid.shape}")
        low, high = _TOLERANCES
        if not low <= positive("tolerance", self.tolerance) <= high:
            raise ValueError(f"tolerance must lie between {low} and {high}, got {self.tolerance!r}")
        object.__setattr__(self, "_plan", make_plan(self.trajectory, self.grid, self.tolerance))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an image, ``(y, x)``."""
        return self.grid.shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the samples of one coil, that of the trajectory."""
        return self.trajectory.shape

    def forward(self, x: npt.ArrayLike) -> ComplexArray:
        """Evaluate the spectrum of an image (type 2).

        Parameters
        ----------
        x : array_like
            Image ``(y, x)``, or ``(coil, y, x)``.

        Returns
        -------
        numpy.ndarray
            Samples of the shape of the trajectory, with the coil axis in front if there is one; complex128
            for double precision, else complex64.

        Raises
        ------
        ValueError
            If the image does not have the shape of the grid or is not finite.
        """
        images = complex_image("x", x, (2, 3), self.grid.shape)
        plan = self._plan
        out = np.empty((images.size // int(np.prod(self.grid.shape)), len(plan.order)), images.dtype)
        each = images.reshape(-1, *self.grid.shape)
        for block in _blocks(len(each)):
            fine = _to_fine(each[block], plan)
            work = plan.weights.size * plan.width * (block.stop - block.start)
            if block.stop - block.start == 1:
                interpolate.sized(work)(_rows(fine), *plan.points, _parts(out[block.start]))
            else:
                interpolate_coils.sized(work)(_rows(fine), *plan.flat_points, _parts(out[block]))
        return out.reshape(images.shape[:-2] + self.trajectory.shape)

    def adjoint(self, y: npt.ArrayLike) -> ComplexArray:
        """Apply the adjoint of :meth:`forward` (type 1).

        Parameters
        ----------
        y : array_like
            Samples of the shape of the trajectory, or with a coil axis in front.

        Returns
        -------
        numpy.ndarray
            Image ``(y, x)`` or ``(coil, y, x)``; complex128 for double precision, else complex64.

        Raises
        ------
        ValueError
            If the samples do not have the shape of the trajectory or are not finite.
        """
        n_axes = len(self.trajectory.shape)
        samples = complex_image("y", y, (n_axes, n_axes + 1), self.trajectory.shape)
        plan = self._plan
        flat = np.ascontiguousarray(samples.reshape(-1, len(plan.order)))
        images = np.empty((len(flat), *self.grid.shape), flat.dtype)
        for block in _blocks(len(flat)):
            fine = np.empty((*plan.fine_shape, block.stop - block.start), flat.dtype)
            work = plan.weights.size * plan.width * (block.stop - block.start)
            if block.stop - block.start == 1:
                spread.sized(work)(_parts(flat[block.start]), *plan.points, _rows(fine))
            else:
                spread_coils.sized(work)(_parts(flat[block]), *plan.flat_points, _rows(fine))
            _from_fine(fine, plan, images[block])
        return images.reshape(samples.shape[: samples.ndim - n_axes] + self.grid.shape)


def _blocks(n_coils: int) -> list[slice]:
    """Coils that go through the kernels together."""
    return [slice(c, min(c + COILS, n_coils)) for c in range(0, n_coils, COILS)]


def _parts(values: ComplexArray) -> npt.NDArray[np.floating[Any]]:
    """Real and imaginary parts side by side along the last axis."""
    return values.view(values.real.dtype)


def _rows(fine: ComplexArray) -> npt.NDArray[np.floating[Any]]:
    """The fine grid ``(y, x, coil)`` as real rows."""
    return _parts(fine).reshape(len(fine), -1)


def _to_fine(images: ComplexArray, plan: Plan) -> ComplexArray:
    """Correct for the window, pad with zeros and transform; the origin is bin 0, coils come last."""
    (n_coils, n_rows, n_columns), (ny, nx) = images.shape, plan.fine_shape
    down, right = n_rows // 2, n_columns // 2
    weights = (plan.correction[0][:, None] * plan.correction[1]).astype(images.real.dtype)
    rows = np.zeros((n_rows, nx, n_coils), images.dtype)
    for c, image in enumerate(images):
        np.multiply(image[:, right:], weights[:, right:], out=rows[:, : n_columns - right, c])
        np.multiply(image[:, :right], weights[:, :right], out=rows[:, nx - right :, c])
    rows = scipy.fft.fft(rows, axis=1, overwrite_x=True, workers=thread_count())
    fine = np.empty((ny, nx, n_coils), images.dtype)
    fine[: n_rows - down] = rows[down:]
    fine[n_rows - down : ny - down] = 0
    fine[ny - down :] = rows[:down]
    return np.ascontiguousarray(scipy.fft.fft(fine, axis=0, overwrite_x=True, workers=thread_count()))


def _from_fine(fine: ComplexArray, plan: Plan, images: ComplexArray) -> None:
    """The adjoint of :func:`_to_fine`, step by step, into ``images``; uses up the grid."""
    (_, n_rows, n_columns), (ny, nx) = images.shape, plan.fine_shape
    down, right = n_rows // 2, n_columns // 2
    weights = (plan.correction[0][:, None] * plan.correction[1]).astype(images.real.dtype)
    fine = scipy.fft.ifft(fine, axis=0, norm="forward", overwrite_x=True, workers=thread_count())
    rows = np.concatenate([fine[ny - down :], fine[: n_rows - down]])
    rows = scipy.fft.ifft(rows, axis=1, norm="forward", overwrite_x=True, workers=thread_count())
    for c, image in enumerate(images):
        np.multiply(rows[:, : n_columns - right, c], weights[:, right:], out=image[:, right:])
        np.multiply(rows[:, nx - right :, c], weights[:, :right], out=image[:, :right])
