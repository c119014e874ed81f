"""A blurred point and a blurred bar pattern with their modulation transfer functions in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from imgtech._core.validate import count, finite, not_negative, positive
from imgtech.geometry import ImageGrid
from imgtech.phantoms._blur import transfer
from imgtech.phantoms.edge import BlurredEdge


@dataclass(frozen=True, kw_only=True)
class BlurredPoint:
    r"""A point blurred by a Gaussian: a thin wire seen along its length, or a bead in a volume.

    The value is :math:`\mathrm{background} + \mathrm{total} \prod_a g(x_a - p_a; \sigma_a)` with normal
    densities g; averaged over pixels it is a product of differences of the normal distribution.

    Parameters
    ----------
    position_mm : tuple of float
        Position ``(y, x)`` or ``(z, y, x)``.
    sigma_mm : tuple of float
        Standard deviation of the blur along every axis.
    total : float, optional
        Integral over the plane or the space, in pixel values times mm2 or mm3.
    background : float, optional
        Value far away.

    Raises
    ------
    ValueError
        If the tuples differ in length, a blur is not positive or a number not finite.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import BlurredPoint
    >>> wire = BlurredPoint(position_mm=(0.1, -0.2), sigma_mm=(0.6, 0.5), total=3.0)
    >>> image = wire.image(ImageGrid.square(32, fov_mm=16.0))
    >>> round(float(image.sum()) * 0.5 * 0.5, 4)
    3.0
    """

    position_mm: tuple[float, ...]
    sigma_mm: tuple[float, ...]
    total: float = 1.0
    background: float = 0.0

    def __post_init__(self) -> None:
        if len(self.position_mm) not in (2, 3) or len(self.sigma_mm) != len(self.position_mm):
            raise ValueError(
                "position_mm and sigma_mm must both have 2 or 3 numbers, "
                f"got {self.position_mm!r} and {self.sigma_mm!r}"
            )
        place = tuple(finite("position_mm", p) for p in self.position_mm)
        object.__setattr__(self, "position_mm", place)
        object.__setattr__(self, "sigma_mm", tuple(positive("sigma_mm", s) for s in self.sigma_mm))
        for name in ("total", "background"):
            object.__setattr__(self, name, finite(name, getattr(self, name)))

    def image(self, grid: ImageGrid, *, dtype: npt.DTypeLike = np.float32) -> npt.NDArray[np.floating[Any]]:
        """Mean over every pixel or voxel of a grid.

        Parameters
        ----------
        grid : ImageGrid
            Where the pixels are, with as many axes as the point.
        dtype : dtype, optional
            float32 or float64.

        Returns
        -------
        numpy.ndarray
            Array of ``grid.shape``.

        Raises
        ------
        ValueError
            If the grid has another number of axes or the dtype is another.
        """
        kind = _checked_kind(grid, len(self.position_mm), dtype)
        values = np.array(self.total)
        axes = zip(grid.coordinates_mm, grid.spacing_mm, self.position_mm, self.sigma_mm, strict=True)
        for x, spacing, place, sigma in axes:
            rise = ndtr((x - place + spacing / 2) / sigma) - ndtr((x - place - spacing / 2) / sigma)
            values = values[..., None] * (rise / spacing)
        return np.asarray(self.background + values, dtype=kind)

    def mtf(
        self,
        frequencies_per_mm: npt.ArrayLike,
        *,
        spacing_mm: tuple[float, float],
        direction_rad: float | None = None,
    ) -> npt.NDArray[np.float64]:
        r"""Modulation transfer function in the plane that belongs to :meth:`image`.

        .. math::

            e^{-2 \pi^2 (\sigma_y^2 f_y^2 + \sigma_x^2 f_x^2)}\, |\mathrm{sinc}(f_y d_y)\,
            \mathrm{sinc}(f_x d_x)|

        Parameters
        ----------
        frequencies_per_mm : array_like of float
            Spatial frequencies in cycles per mm.
        spacing_mm : tuple of float
            Size ``(y, x)`` of a pixel, over which the image averages.
        direction_rad : float, optional
            From the x axis towards the y axis; the mean over all directions by default.

        Returns
        -------
        numpy.ndarray
            float64, of the shape of the frequencies.

        Raises
        ------
        ValueError
            If a frequency is not finite or a spacing is not positive.
        """
        sigma = (self.sigma_mm[-2], self.sigma_mm[-1])
        return transfer(
            frequencies_per_mm, sigma_mm=sigma, spacing_mm=spacing_mm, direction_rad=direction_rad
        )


@dataclass(frozen=True, kw_only=True)
class BlurredBars:
    r"""Endless parallel bars, one gap as wide as a bar between two of them, blurred by a Gaussian.

    A bar is the difference of two blurred edges. The bars have the value ``high`` before the blur; the
    middle of the pattern lies at ``position_mm`` along the normal.

    Parameters
    ----------
    angle_rad : float
        Direction of the normal to the bars, from x towards y.
    period_mm : float
        Width of a bar and a gap: one over the number of line pairs per mm.
    n_bars : int
        Number of bars.
    position_mm : float, optional
        Distance of the middle of the pattern from the origin along the normal.
    low, high : float, optional
        Values of the gaps and of the bars.
    sigma_mm : float, optional
        Standard deviation of the blur.

    Raises
    ------
    ValueError
        If the period is not positive, there is no bar, the blur is negative, or a number is not finite.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import BlurredBars
    >>> bars = BlurredBars(angle_rad=0.0, period_mm=4.0, n_bars=2)
    >>> bars.image(ImageGrid.square(8, fov_mm=8.0))[0]
    array([0., 1., 1., 0., 0., 1., 1., 0.], dtype=float32)
    """

    angle_rad: float
    period_mm: float
    n_bars: int
    position_mm: float = 0.0
    low: float = 0.0
    high: float = 1.0
    sigma_mm: float = 0.0

    def __post_init__(self) -> None:
        for name in ("angle_rad", "position_mm", "low", "high"):
            object.__setattr__(self, name, finite(name, getattr(self, name)))
        object.__setattr__(self, "period_mm", positive("period_mm", self.period_mm))
        object.__setattr__(self, "n_bars", count("n_bars", self.n_bars))
        object.__setattr__(self, "sigma_mm", not_negative("sigma_mm", self.sigma_mm))

    def image(self, grid: ImageGrid, *, dtype: npt.DTypeLike = np.float32) -> npt.NDArray[np.floating[Any]]:
        """Mean over every pixel of a grid, from the second integral of the edge profile.

        Parameters
        ----------
        grid : ImageGrid
            Where the pixels are; two axes.
        dtype : dtype, optional
            float32 or float64.

        Returns
        -------
        numpy.ndarray
            Array of ``grid.shape``.

        Raises
        ------
        ValueError
            If the grid does not have two axes or the dtype is another.
        """
        kind = _checked_kind(grid, 2, dtype)
        share = np.zeros(grid.shape)
        half = self.period_mm / 2
        first = self.position_mm - (2 * self.n_bars - 1) * half / 2
        for i in range(2 * self.n_bars):
            edge = BlurredEdge(angle_rad=self.angle_rad, position_mm=first + i * half, sigma_mm=self.sigma_mm)
            share += (-1) ** i * edge.image(grid, dtype=np.float64)
        return np.asarray(self.low + (self.high - self.low) * share, dtype=kind)

    def mtf(
        self, frequencies_per_mm: npt.ArrayLike, *, spacing_mm: tuple[float, float]
    ) -> npt.NDArray[np.float64]:
        """Modulation transfer function along the normal, blur times pixel area, as for an edge.

        Parameters
        ----------
        frequencies_per_mm : array_like of float
            Spatial frequencies in cycles per mm.
        spacing_mm : tuple of float
            Size ``(y, x)`` of a pixel, over which the image averages.

        Returns
        -------
        numpy.ndarray
            float64, of the shape of the frequencies.

        Raises
        ------
        ValueError
            If a frequency is not finite or a spacing is not positive.
        """
        return transfer(
            frequencies_per_mm,
            sigma_mm=(self.sigma_mm, self.sigma_mm),
            spacing_mm=spacing_mm,
            direction_rad=self.angle_rad,
        )


def _checked_kind(grid: ImageGrid, ndim: int, dtype: npt.DTypeLike) -> np.dtype[Any]:
    kind = np.dtype(dtype)
    if kind not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {kind.name}")
    if grid.ndim != ndim:
        raise ValueError(f"grid must have {ndim} axes, got {grid.ndim}")
    return kind
