"""A blurred disk with its modulation transfer function, both in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline
from scipy.special import i1e

from imgtech._core.validate import finite, positive
from imgtech.geometry import ImageGrid
from imgtech.phantoms._blur import transfer

Floats = npt.NDArray[np.float64]

_REACH = 9.0
_STEPS_PER_SIGMA = 40
_NODES = 8


@dataclass(frozen=True, kw_only=True)
class BlurredDisk:
    r"""A disk blurred by a Gaussian: a rod in a slice of a phantom.

    At the distance r from the centre the blurred disk of radius R has the value

    .. math:: P(r) = 1 - Q_1(r/\sigma, R/\sigma), \qquad
              \frac{dP}{dr} = -\frac{R}{\sigma^2}\, e^{-(r^2 + R^2) / 2 \sigma^2}\, I_1(r R / \sigma^2)

    with Marcum's Q function: the chance that a normally distributed point around r lies in the disk.

    Parameters
    ----------
    center_mm : tuple of float
        Centre ``(y, x)``.
    radius_mm : float
        Radius.
    sigma_mm : float
        Standard deviation of the blur; for a sharp disk use :class:`Ellipse`.
    low, high : float, optional
        Values outside and inside.

    Raises
    ------
    ValueError
        If radius or blur are not positive or a number is not finite.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import BlurredDisk
    >>> rod = BlurredDisk(center_mm=(0.2, -0.3), radius_mm=5.0, sigma_mm=0.6)
    >>> image = rod.image(ImageGrid.square(64, fov_mm=32.0))
    >>> round(float(image.sum()) * 0.25, 2)
    78.54
    """

    center_mm: tuple[float, float]
    radius_mm: float
    sigma_mm: float
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        y, x = (finite("center_mm", c) for c in self.center_mm)
        object.__setattr__(self, "center_mm", (y, x))
        for name in ("radius_mm", "sigma_mm"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))
        for name in ("low", "high"):
            object.__setattr__(self, name, finite(name, getattr(self, name)))

    def image(self, grid: ImageGrid, *, dtype: npt.DTypeLike = np.float32) -> npt.NDArray[np.floating[Any]]:
        """Mean over every pixel of a grid, by 64 Gauss-Legendre points in each pixel of the rim.

        Parameters
        ----------
        grid : ImageGrid
            Where the pixels are; two axes, not coarser than three times the blur.
        dtype : dtype, optional
            float32 or float64.

        Returns
        -------
        numpy.ndarray
            Array of ``grid.shape``; error below 1e-6 of the step.

        Raises
        ------
        ValueError
            If the grid does not have two axes, is too coarse, or the dtype is another.
        """
        kind = np.dtype(dtype)
        if kind not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64, got {kind.name}")
        if grid.ndim != 2:
            raise ValueError(f"grid must have 2 axes, got {grid.ndim}")
        if max(grid.spacing_mm) > 3 * self.sigma_mm:
            raise ValueError(
                f"grid must not be coarser than three times the blur of {self.sigma_mm:g} mm, "
                f"got {grid.spacing_mm}"
            )
        y, x = (c - p for c, p in zip(grid.coordinates_mm, self.center_mm, strict=True))
        r = np.hypot(y[:, None], x)
        rim = np.abs(r - self.radius_mm) < _REACH * self.sigma_mm + max(grid.spacing_mm)
        share = np.where(r < self.radius_mm, 1.0, 0.0)
        rows, columns = np.nonzero(rim)
        profile = self._profile()
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        total = np.zeros(len(rows))
        for a, u in zip(nodes / 2, weights / 2, strict=True):
            for b, v in zip(nodes / 2, weights / 2, strict=True):
                dy, dx = y[rows] + a * grid.spacing_mm[0], x[columns] + b * grid.spacing_mm[1]
                total += u * v * profile(np.hypot(dy, dx))
        share[rows, columns] = total
        return np.asarray(self.low + (self.high - self.low) * share, dtype=kind)

    def mtf(
        self,
        frequencies_per_mm: npt.ArrayLike,
        *,
        spacing_mm: tuple[float, float],
        direction_rad: float | None = None,
    ) -> npt.NDArray[np.float64]:
        """Modulation transfer function, blur times pixel area; also called task transfer function.

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
        return transfer(
            frequencies_per_mm,
            sigma_mm=(self.sigma_mm, self.sigma_mm),
            spacing_mm=spacing_mm,
            direction_rad=direction_rad,
        )

    def _profile(self) -> CubicSpline:
        """P(r) around the rim, integrated inwards from where it is zero."""
        sigma, radius = self.sigma_mm, self.radius_mm
        start, stop = max(0.0, radius - (_REACH + 5) * sigma), radius + (_REACH + 5) * sigma
        r = np.linspace(start, stop, math.ceil((stop - start) / sigma * _STEPS_PER_SIGMA) + 1)
        slope = -radius / sigma**2 * np.exp(-(((r - radius) / sigma) ** 2) / 2) * i1e(r * radius / sigma**2)
        whole = CubicSpline(r, slope).antiderivative()
        return CubicSpline(r, whole(r) - whole(stop))
