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

    @classmethod
    def radial(
        cls, n_spokes: int, n_samples: int, *, spacing_mm: float, golden: bool | int = False
    ) -> Trajectory:
        r"""Spokes through the centre of k-space, as data of shape ``(spoke, sample)``.

        Sample i of spoke j lies at the radius :math:`\rho_i = (i - \lfloor n/2 \rfloor) / (n\,
        \text{spacing})`, as on a Cartesian axis, in the direction :math:`(k_y, k_x) = \rho_i
        (\sin\varphi_j, \cos\varphi_j)`. The angles are :math:`\varphi_j = j \pi / n_\text{spokes}`, or
        :math:`\varphi_j = j \pi / \Phi` with the golden ratio :math:`\Phi = (1 + \sqrt 5) / 2`: steps of
        111.25 degrees, of which any number of spokes in a row covers the circle almost evenly. The tiny
        golden angles :math:`\pi / (\Phi + N - 1)` of order N do so too, with smaller steps: 68.75 degrees
        for N = 2, 23.63 for N = 7.

        Parameters
        ----------
        n_spokes : int
            Number of spokes.
        n_samples : int
            Samples of a spoke, over its full diameter.
        spacing_mm : float
            Pixel spacing that the diameter ``1 / spacing_mm`` resolves; ``n_samples * spacing_mm`` is the
            field of view. A readout with twofold oversampling has twice the samples at the same spacing.
        golden : bool or int, optional
            Golden-angle order in place of even steps over half a turn; a number N above 1 for the tiny
            golden angle of that order.

        Raises
        ------
        ValueError
            If a number is below 1 or the spacing is not positive.

        References
        ----------
        S. Winkelmann et al., An optimal radial profile order based on the golden ratio for time-resolved
        MRI, IEEE Transactions on Medical Imaging 26 (2007) 68-76, doi:10.1109/TMI.2006.885337. S. Wundrak
        et al., A small surrogate for the golden angle in time-resolved radial MRI based on generalized
        Fibonacci sequences, IEEE Transactions on Medical Imaging 34 (2015) 1262-1269,
        doi:10.1109/TMI.2014.2382572.

        Examples
        --------
        >>> Trajectory.radial(2, 4, spacing_mm=5.0).positions_per_mm[1].round(3)
        array([[-0.1 , -0.  ],
               [-0.05, -0.  ],
               [ 0.  ,  0.  ],
               [ 0.05,  0.  ]])
        """
        n = count("n_samples", n_samples)
        m = count("n_spokes", n_spokes)
        order = int(golden) if isinstance(golden, bool | np.bool_) else count("golden", golden, minimum=0)
        step = np.pi / ((1 + np.sqrt(5)) / 2 + order - 1) if order else np.pi / m
        angles = np.arange(m) * step
        radii = (np.arange(n) - n // 2) / (n * positive("spacing_mm", spacing_mm))
        directions = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
        return cls(positions_per_mm=radii[:, None] * directions[:, None, :])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the k-space data of one coil."""
        return self.positions_per_mm.shape[:-1]

    @property
    def ndim(self) -> int:
        """Number of k-space axes, 2 or 3."""
        return self.positions_per_mm.shape[-1]
