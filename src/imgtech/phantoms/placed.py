"""How a shape of the plane is placed: shift, rotation and scale, written once.

A shape is a handful of one-liners in a frame of its own, where it has unit size and sits at the
origin. :class:`Shape2D` maps that frame to millimetres, once for all shapes: a point ``u`` of the own
frame lies at ``r = center + R S u`` with the scales ``S`` and the rotation ``R``. Line integrals along
``n . r = s`` and the Fourier transform then follow from the own ones with ``w = S R^T n``:

* integral over the half-plane below s: ``det S * below((s - n . center) / |w|, w / |w|)``
* line integral: ``det S / |w| * line((s - n . center) / |w|, w / |w|)``
* spectrum: ``det S * exp(-2 pi i k . center) * transform(S R^T k)``
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import finite, positive, two
from imgtech.geometry import ImageGrid

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]
TINY = 1e-100  # what is smaller counts as zero: subnormal numbers have too few digits to divide by


@dataclass(frozen=True, kw_only=True)
class Shape2D(ABC):
    """A shape in the plane with its value, place and rotation; what all shapes have in common.

    Parameters
    ----------
    value : float, optional
        Value inside the shape (of a Gaussian: at its peak). Values of overlapping shapes add.
    center_mm : tuple of float, optional
        ``(y, x)`` of the origin of the shape's own frame.
    angle_rad : float, optional
        Rotation about that origin, counter-clockwise from x towards y.
    """

    value: float = 1.0
    center_mm: tuple[float, float] = (0.0, 0.0)
    angle_rad: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", finite("value", self.value))
        object.__setattr__(self, "center_mm", pair("center_mm", self.center_mm))
        object.__setattr__(self, "angle_rad", finite("angle_rad", self.angle_rad))

    @property
    def ndim(self) -> int:
        """Number of axes, 2."""
        return 2

    def at(self, y_mm: npt.ArrayLike, x_mm: npt.ArrayLike) -> Floats:
        """Value at points; the two arrays are broadcast."""
        return self.value * self._value(*self._to_own(*points_of("y_mm and x_mm", y_mm, x_mm)))

    def line_integral(self, angle_rad: npt.ArrayLike, position_mm: npt.ArrayLike) -> Floats:
        """Integral along the lines ``x cos(angle) + y sin(angle) = position``, in value times mm."""
        position, ny, nx, length = self._own_line(angle_rad, position_mm)
        return self.value * self._area / length * self._line(position, ny, nx)

    def half_plane_integral(self, angle_rad: npt.ArrayLike, position_mm: npt.ArrayLike) -> Floats:
        """Integral over ``x cos(angle) + y sin(angle) < position``, in value times mm^2.

        Its differences over the two edges of a channel are the exact mean of the line integrals.
        """
        position, ny, nx, _ = self._own_line(angle_rad, position_mm)
        return self.value * self._area * self._below(position, ny, nx)

    def spectrum(self, ky_per_mm: npt.ArrayLike, kx_per_mm: npt.ArrayLike) -> Complexes:
        r"""Fourier transform :math:`\int m(r) e^{-2 \pi i k \cdot r} dr`, in value times mm^2."""
        ky, kx = points_of("ky_per_mm and kx_per_mm", ky_per_mm, kx_per_mm)
        phase = np.exp(-2j * np.pi * (ky * self.center_mm[0] + kx * self.center_mm[1]))
        own_y, own_x = self._turn(ky, kx)
        scale_y, scale_x = self._scale_mm
        return np.asarray(self.value * self._area * phase * self._transform(scale_y * own_y, scale_x * own_x))

    def add_to_image(self, image: Floats, grid: ImageGrid) -> None:
        """Add the mean over every pixel of ``grid`` to ``image``, in place.

        Pixels that no edge crosses take the value itself; the others the closed-form integral of the
        shape over the pixel, a sum of one term for each of its four sides.
        """
        window = tuple(
            slice(int(np.searchsorted(c, m - e - d)), int(np.searchsorted(c, m + e + d)))
            for c, m, e, d in zip(
                grid.coordinates_mm, self.center_mm, self._reach_mm(), grid.spacing_mm, strict=True
            )
        )
        y, x = (c[w] for c, w in zip(grid.coordinates_mm, window, strict=True))
        half_y, half_x = grid.spacing_mm[0] / 2, grid.spacing_mm[1] / 2
        pixel_radius = max(self._own_length(half_y, half_x), self._own_length(half_y, -half_x))
        margin = self._margin(*self._to_own(y[:, None], x[None, :]))
        view = image[window]
        view[margin <= -pixel_radius] += self.value
        rows, columns = np.nonzero(np.abs(margin) < pixel_radius)
        low, high, left, right = y[rows] - half_y, y[rows] + half_y, x[columns] - half_x, x[columns] + half_x
        corners = [self._to_own(*at) for at in ((low, left), (low, right), (high, right), (high, left))]
        integral = sum(self._side(*a, *b) for a, b in zip(corners, corners[1:] + corners[:1], strict=True))
        view[rows, columns] += self.value * self._area * integral / (4 * half_y * half_x)

    def _turn(self, y: Floats, x: Floats) -> tuple[Floats, Floats]:
        cos, sin = math.cos(self.angle_rad), math.sin(self.angle_rad)
        return cos * y - sin * x, cos * x + sin * y

    def _own_length(self, y: float, x: float) -> float:
        own_y, own_x = self._turn(np.asarray(y), np.asarray(x))
        return math.hypot(float(own_y) / self._scale_mm[0], float(own_x) / self._scale_mm[1])

    def _to_own(self, y: Floats, x: Floats) -> tuple[Floats, Floats]:
        own_y, own_x = self._turn(y - self.center_mm[0], x - self.center_mm[1])
        return own_y / self._scale_mm[0], own_x / self._scale_mm[1]

    def _own_line(
        self, angle_rad: npt.ArrayLike, position_mm: npt.ArrayLike
    ) -> tuple[Floats, Floats, Floats, Floats]:
        angle, position = points_of("angle_rad and position_mm", angle_rad, position_mm)
        normal_y, normal_x = np.sin(angle), np.cos(angle)
        own_y, own_x = self._turn(normal_y, normal_x)
        own_y, own_x = self._scale_mm[0] * own_y, self._scale_mm[1] * own_x
        length = np.hypot(own_y, own_x)
        shift = normal_y * self.center_mm[0] + normal_x * self.center_mm[1]
        return (position - shift) / length, own_y / length, own_x / length, length

    def _reach_mm(self) -> tuple[float, float]:
        cos, sin = math.cos(self.angle_rad), math.sin(self.angle_rad)
        scale_y, scale_x = self._scale_mm
        reach_y = math.hypot(cos * scale_y, sin * scale_x)
        return self._reach * reach_y, self._reach * math.hypot(sin * scale_y, cos * scale_x)

    @property
    def _area(self) -> float:
        return self._scale_mm[0] * self._scale_mm[1]

    @property
    @abstractmethod
    def _scale_mm(self) -> tuple[float, float]:
        """Millimetres of one unit of the own frame along y and x."""

    @property
    @abstractmethod
    def _reach(self) -> float:
        """Radius of a circle about the own origin that holds the shape."""

    @abstractmethod
    def _value(self, y: Floats, x: Floats) -> Floats:
        """Value at a point."""

    @abstractmethod
    def _margin(self, y: Floats, x: Floats) -> Floats:
        """At most the distance to the nearest point where the value changes; negative inside."""

    @abstractmethod
    def _line(self, position: Floats, ny: Floats, nx: Floats) -> Floats:
        """Integral along ``n . u = position``."""

    @abstractmethod
    def _below(self, position: Floats, ny: Floats, nx: Floats) -> Floats:
        """Integral over ``n . u < position``."""

    @abstractmethod
    def _transform(self, ky: Floats, kx: Floats) -> Floats | Complexes:
        """Fourier transform."""

    @abstractmethod
    def _side(self, y0: Floats, x0: Floats, y1: Floats, x1: Floats) -> Floats:
        """Term of a directed segment; summed around a counter-clockwise path: the integral inside."""


def pair(name: str, values: tuple[float, float]) -> tuple[float, float]:
    """Return two finite floats ``(y, x)``, or say what is wrong."""
    y, x = two(name, values)
    return finite(name, y), finite(name, x)


def positive_pair(name: str, values: tuple[float, float]) -> tuple[float, float]:
    """Return two positive floats ``(y, x)``, or say what is wrong."""
    y, x = pair(name, values)
    return positive(name, y), positive(name, x)


def points_of(names: str, *values: npt.ArrayLike) -> list[Floats]:
    """Return finite float64 arrays of any shape, or say which are not."""
    arrays = [np.asarray(v, dtype=np.float64) for v in values]
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError(f"{names} must be finite, got NaN or infinity")
    return arrays
