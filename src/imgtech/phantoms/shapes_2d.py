"""Ellipse and Gaussian in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import j1, ndtr

from imgtech.phantoms.placed import TINY, Floats, Shape2D, positive_pair


@dataclass(frozen=True, kw_only=True)
class Ellipse(Shape2D):
    """An ellipse of constant value.

    Parameters
    ----------
    semi_axes_mm : tuple of float
        Half lengths ``(y, x)`` of the axes before the rotation.
    value, center_mm, angle_rad
        See :class:`Shape2D`.

    Raises
    ------
    ValueError
        If a half length is not positive or another number is not finite.

    Examples
    --------
    >>> from imgtech.phantoms import Ellipse
    >>> ellipse = Ellipse(value=0.5, center_mm=(0.0, 10.0), semi_axes_mm=(3.0, 4.0))
    >>> float(ellipse.line_integral(0.0, 10.0))
    3.0
    """

    semi_axes_mm: tuple[float, float]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "semi_axes_mm", positive_pair("semi_axes_mm", self.semi_axes_mm))

    @property
    def _scale_mm(self) -> tuple[float, float]:
        return self.semi_axes_mm

    @property
    def _reach(self) -> float:
        return 1.0

    def _value(self, y: Floats, x: Floats) -> Floats:
        return np.where(y * y + x * x < 1.0, 1.0, 0.0)

    def _margin(self, y: Floats, x: Floats) -> Floats:
        return np.asarray(np.sqrt(y * y + x * x) - 1.0)

    def _line(self, position: Floats, ny: Floats, nx: Floats) -> Floats:
        return np.asarray(2.0 * np.sqrt(np.maximum(1.0 - position * position, 0.0)))

    def _below(self, position: Floats, ny: Floats, nx: Floats) -> Floats:
        s = np.clip(position, -1.0, 1.0)
        return np.asarray(s * np.sqrt(1.0 - s * s) + np.arcsin(s) + np.pi / 2)

    def _transform(self, ky: Floats, kx: Floats) -> Floats:
        k = 2 * np.pi * np.hypot(ky, kx)
        safe = np.maximum(k, TINY)
        return np.asarray(2 * np.pi * j1(safe) / safe)

    def _side(self, y0: Floats, x0: Floats, y1: Floats, x1: Floats) -> Floats:
        """Signed area of the unit disk inside the triangle of the origin and the segment."""
        dy, dx = y1 - y0, x1 - x0
        square, along = dy * dy + dx * dx, y0 * dy + x0 * dx
        root = np.sqrt(np.maximum(along**2 - square * (y0 * y0 + x0 * x0 - 1.0), 0.0))
        enter, leave = (np.clip((-along + sign * root) / square, 0.0, 1.0) for sign in (-1, 1))
        ya, xa, yb, xb = y0 + enter * dy, x0 + enter * dx, y0 + leave * dy, x0 + leave * dx
        before = np.where(enter > 0, _angle(y0, x0, ya, xa), 0.0)
        after = np.where(leave < 1, _angle(yb, xb, y1, x1), 0.0)
        return np.asarray((before + after + xa * yb - ya * xb) / 2)


@dataclass(frozen=True, kw_only=True)
class Gaussian(Shape2D):
    """A bell ``value * exp(-(y / sigma_y)**2 / 2 - (x / sigma_x)**2 / 2)``, in its own rotated frame.

    Parameters
    ----------
    sigma_mm : tuple of float
        Standard deviations ``(y, x)`` before the rotation.
    value, center_mm, angle_rad
        See :class:`Shape2D`; ``value`` is the peak.

    Raises
    ------
    ValueError
        If a standard deviation is not positive or another number is not finite.

    Examples
    --------
    >>> from imgtech.phantoms import Gaussian
    >>> round(float(Gaussian(sigma_mm=(2.0, 2.0)).line_integral(0.3, 0.0)), 6)
    5.013257
    """

    sigma_mm: tuple[float, float]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "sigma_mm", positive_pair("sigma_mm", self.sigma_mm))

    @property
    def _scale_mm(self) -> tuple[float, float]:
        return self.sigma_mm

    @property
    def _reach(self) -> float:
        return 9.0  # exp(-40.5) = 3e-18 of the peak is left out of the image beyond

    def _value(self, y: Floats, x: Floats) -> Floats:
        return np.asarray(np.exp(-(y * y + x * x) / 2))

    def _margin(self, y: Floats, x: Floats) -> Floats:
        return np.asarray(np.maximum(np.sqrt(y * y + x * x) - self._reach, 0.0))

    def _line(self, position: Floats, ny: Floats, nx: Floats) -> Floats:
        return np.asarray(math.sqrt(2 * np.pi) * np.exp(-position * position / 2))

    def _below(self, position: Floats, ny: Floats, nx: Floats) -> Floats:
        return np.asarray(2 * np.pi * ndtr(position))

    def _transform(self, ky: Floats, kx: Floats) -> Floats:
        return np.asarray(2 * np.pi * np.exp(-2 * np.pi**2 * (ky * ky + kx * kx)))

    def _side(self, y0: Floats, x0: Floats, y1: Floats, x1: Floats) -> Floats:
        """Integral of what lies at smaller x, along the segment over y, by Gauss-Legendre points."""
        longest = float(np.max(np.hypot(y1 - y0, x1 - x0), initial=0.0))
        nodes, weights = np.polynomial.legendre.leggauss(8 + math.ceil(4 * longest))
        total = np.zeros_like(y0)
        for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
            y, x = y0 + node * (y1 - y0), x0 + node * (x1 - x0)
            total += weight * np.exp(-y * y / 2) * ndtr(x)
        return np.asarray(math.sqrt(2 * np.pi) * total * (y1 - y0))


def _angle(y0: Floats, x0: Floats, y1: Floats, x1: Floats) -> Floats:
    return np.arctan2(x0 * y1 - y0 * x1, x0 * x1 + y0 * y1)
