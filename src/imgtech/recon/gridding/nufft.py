"""The non-uniform FFT: an image to samples anywhere in its spectrum, and the adjoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import ComplexArray, complex_image, positive
from imgtech.geometry import ImageGrid, Trajectory
from imgtech.recon.gridding._fine import from_fine, to_fine
from imgtech.recon.gridding._kernels import interpolate, spread
from imgtech.recon.gridding._kernels_coils import COILS, interpolate_coils, spread_coils
from imgtech.recon.gridding._kernels_space import interpolate_space, spread_space
from imgtech.recon.gridding._plan import Plan, make_plan
from imgtech.recon.linop import LinearOperator

_TOLERANCES = 1e-12, 0.1


@dataclass(frozen=True)
class Nufft(LinearOperator):
    r"""The spectrum of a pixel image at scattered positions, and the exact adjoint, in a plane or in space.

    With the image :math:`m` at the pixel centres :math:`r_p` and the area or volume V of a pixel

    .. math:: S(k_j) = V \sum_p m_p\, e^{-2 \pi i\, k_j \cdot r_p},
              \qquad (A^H y)_p = V \sum_j y_j\, e^{2 \pi i\, k_j \cdot r_p},

    so that :meth:`forward` of the pixels of an object approximates its Fourier integral, in value times mm²
    or mm³. Both sums are computed by a fast Fourier transform on a grid of at least twice the size and a
    Kaiser-Bessel window, whose width follows from ``tolerance``. Points are sorted into tiles and their
    weights stored when the operator is made, ``8 * width`` bytes a point in a plane, ``12 * width`` in space
    (twice that below a tolerance of 1e-6): make it once and use it often. Up to eight coils go through the
    sums of a plane together, those of a volume one after the other. The result has the same bits on any
    number of threads.

    Parameters
    ----------
    trajectory : Trajectory
        Where the samples lie, in cycles/mm. Positions beyond the band of the grid, ``1 / (2 spacing)``, are
        allowed: the sum is periodic in them, up to a phase.
    grid : ImageGrid
        Where the pixels are, anywhere; as many axes as the trajectory.
    tolerance : float, optional
        Relative error against the sum, in the l2 norm, from 1e-12 to 0.1. Single-precision arrays do not
        reach below about 1e-6.

    Raises
    ------
    ValueError
        If trajectory and grid do not have the same number of axes or the tolerance is out of range.

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
        if self.grid.ndim != self.trajectory.ndim:
            raise ValueError(
                f"grid must have {self.trajectory.ndim} axes like the trajectory, got shape {self.grid.shape}"
            )
        low, high = _TOLERANCES
        if not low <= positive("tolerance", self.tolerance) <= high:
            raise ValueError(f"tolerance must lie between {low} and {high}, got {self.tolerance!r}")
        object.__setattr__(self, "_plan", make_plan(self.trajectory, self.grid, self.tolerance))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an image, ``(y, x)`` or ``(z, y, x)``."""
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
            Image of the shape of the grid, or with a coil axis in front.

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
        n_axes = self.grid.ndim
        images = complex_image("x", x, (n_axes, n_axes + 1), self.grid.shape)
        plan = self._plan
        each = images.reshape(-1, *self.grid.shape)
        out = np.empty((len(each), len(plan.order)), images.dtype)
        for block in _blocks(len(each), COILS if n_axes == 2 else 1):
            fine = to_fine(each[block], plan)
            work = plan.n_updates * (block.stop - block.start)
            if n_axes == 3:
                target = _parts(out[block.start])
                interpolate_space.sized(work)(_rows(fine), *plan.flat_points, plan.tile_shape, target)
            elif block.stop - block.start == 1:
                interpolate.sized(work)(_rows(fine), *plan.points, _parts(out[block.start]))
            else:
                interpolate_coils.sized(work)(_rows(fine), *plan.flat_points, _parts(out[block]))
        return out.reshape(images.shape[:-n_axes] + self.trajectory.shape)

    def adjoint(self, y: npt.ArrayLike) -> ComplexArray:
        """Apply the adjoint of :meth:`forward` (type 1).

        Parameters
        ----------
        y : array_like
            Samples of the shape of the trajectory, or with a coil axis in front.

        Returns
        -------
        numpy.ndarray
            Image of the shape of the grid, with the coil axis in front if there is one; complex128 for
            double precision, else complex64.

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
        for block in _blocks(len(flat), COILS if self.grid.ndim == 2 else 1):
            fine = np.empty((*plan.fine_shape, block.stop - block.start), flat.dtype)
            work = plan.n_updates * (block.stop - block.start)
            if self.grid.ndim == 3:
                source = _parts(flat[block.start])
                spread_space.sized(work)(source, *plan.flat_points, plan.tile_shape, _rows(fine))
            elif block.stop - block.start == 1:
                spread.sized(work)(_parts(flat[block.start]), *plan.points, _rows(fine))
            else:
                spread_coils.sized(work)(_parts(flat[block]), *plan.flat_points, _rows(fine))
            from_fine(fine, plan, images[block])
        return images.reshape(samples.shape[: samples.ndim - n_axes] + self.grid.shape)


def _blocks(n_coils: int, together: int) -> list[slice]:
    """Coils that go through the kernels together."""
    return [slice(c, min(c + together, n_coils)) for c in range(0, n_coils, together)]


def _parts(values: ComplexArray) -> npt.NDArray[np.floating[Any]]:
    """Real and imaginary parts side by side along the last axis."""
    return values.view(values.real.dtype)


def _rows(fine: ComplexArray) -> npt.NDArray[np.floating[Any]]:
    """The fine grid, coils last, as real rows."""
    return _parts(fine).reshape(*fine.shape[:-2], -1)
