"""MRI trajectories: where in k-space the samples lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import count, positive
from imgtech.geometry.grid import ImageGrid


@dataclass(frozen=True, kw_only=True, eq=False)
class Trajectory(ArrayValue):
    r"""Positions in k-space, in cycles per millimetre.

    The signal of an object :math:`m(r)` at position :math:`k` is
    :math:`S(k) = \int m(r)\, e^{-2 \pi i\, k \cdot r}\, dr`.

    Parameters
    ----------
    positions_per_mm : array_like of float
        Shape ``(..., n_axes)``: the last axis holds ``(ky, kx)`` or ``(kz, ky, kx)``, in the order of
        the image axes. The leading axes are those of the k-space data.

    Raises
    ------
    ValueError
        If the last axis does not have length 2 or 3 or a position is not finite.

    Examples
    --------
    >>> from imgtech.geometry import Trajectory
    >>> t = Trajectory.cartesian((4, 2), spacing_mm=(1.0, 5.0))
    >>> t.positions_per_mm[:, 0, 0]
    array([-0.5 , -0.25,  0.  ,  0.25])
    """

    positions_per_mm: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        positions = np.array(self.positions_per_mm, dtype=np.float64)
        if positions.ndim < 2 or positions.shape[-1] not in (2, 3) or positions.size == 0:
            raise ValueError(
                f"positions_per_mm must have a last axis of length 2 or 3, got shape {positions.shape}"
            )
        if not np.isfinite(positions).all():
            raise ValueError("positions_per_mm must be finite")
        positions.setflags(write=False)
        object.__setattr__(self, "positions_per_mm", positions)

    @classmethod
    def cartesian(cls, shape: tuple[int, ...], *, spacing_mm: tuple[float, ...]) -> Trajectory:
        """The full Cartesian raster that belongs to an image of ``shape`` and ``spacing_mm``.

        Sample i of an axis with n samples lies at ``(i - n // 2) / (n * spacing)``: the centre of
        k-space is sample ``n // 2``, as in a centred FFT (:meth:`ImageGrid.fft`).
        """
        axes = [
            (np.arange(count("shape", n)) - n // 2) / (n * positive("spacing_mm", d))
            for n, d in zip(shape, spacing_mm, strict=True)
        ]
        return cls(positions_per_mm=np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1))

    @classmethod
    def of_grid(cls, grid: ImageGrid) -> Trajectory:
        """The full Cartesian raster for the shape and the spacing of ``grid``."""
        return cls.cartesian(grid.shape, spacing_mm=grid.spacing_mm)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the k-space data of one coil."""
        return self.positions_per_mm.shape[:-1]

    @property
    def ndim(self) -> int:
        """Number of k-space axes, 2 or 3."""
        return self.positions_per_mm.shape[-1]
