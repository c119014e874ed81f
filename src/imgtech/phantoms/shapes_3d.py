"""Solid shapes in closed form: ellipsoid and cylinder.

As in the plane, a shape is written in a frame of its own and placed once for all. Cut at constant z,
each is an ellipse: its voxels are the exact pixels of such cuts, integrated along z.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import j1, spherical_jn

from imgtech._core.validate import finite, positive
from imgtech.geometry import ImageGrid
from imgtech.phantoms.placed import TINY, Complexes, Floats, points_of, positive_pair
from imgtech.phantoms.shapes_2d import Ellipse

_POLE_NODES = 6


@dataclass(frozen=True, kw_only=True)
class Shape3D(ABC):
    """A solid with its value, place and rotation about z; what all solids have in common.

    Parameters
    ----------
    value : float, optional
        Value inside. Values of overlapping shapes add.
    center_mm : tuple of float, optional
        ``(z, y, x)`` of the middle.
    angle_rad : float, optional
        Rotation about z, counter-clockwise from x towards y.
    """

    value: float = 1.0
    center_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    angle_rad: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", finite("value", self.value))
        object.__setattr__(self, "center_mm", _triple("center_mm", self.center_mm))
        object.__setattr__(self, "angle_rad", finite("angle_rad", self.angle_rad))

    @property
    def ndim(self) -> int:
        """Number of axes, 3."""
        return 3

    @property
    def own_frame_map(self) -> Floats:
        """The map of points in mm to the frame in which the solid has unit size: ``M[:, :3] r + M[:, 3]``."""
        linear = np.stack(self._to_own(*np.eye(3)))
        return np.column_stack([linear, -linear @ self.center_mm])

    def at(self, z_mm: npt.ArrayLike, y_mm: npt.ArrayLike, x_mm: npt.ArrayLike) -> Floats:
        """Value at points; the three arrays are broadcast."""
        points = points_of("z_mm, y_mm and x_mm", z_mm, y_mm, x_mm)
        offsets = (p - c for p, c in zip(points, self.center_mm, strict=True))
        return np.where(self._holds(*self._to_own(*offsets)), self.value, 0.0)

    def line_integral(self, origins_mm: npt.ArrayLike, directions: npt.ArrayLike) -> Floats:
        """Integral along whole lines, in value times mm; see :meth:`Phantom.ray_integrals`."""
        origin, direction = points_of("origins_mm and directions", origins_mm, directions)
        if origin.shape[-1:] != (3,) or direction.shape[-1:] != (3,):
            raise ValueError(
                "origins_mm and directions must have a last axis of length 3, "
                f"got shapes {origin.shape} and {direction.shape}"
            )
        length = np.sqrt((direction * direction).sum(axis=-1))
        if (length == 0).any():
            raise ValueError("directions must not be zero, got (0, 0, 0)")
        own_origin = self._to_own(*np.moveaxis(origin - self.center_mm, -1, 0))
        own_direction = self._to_own(*np.moveaxis(direction / length[..., None], -1, 0))
        enter, leave = self._crossing(own_origin, own_direction)
        return np.asarray(self.value * np.maximum(leave - enter, 0.0))

    def spectrum(
        self, kz_per_mm: npt.ArrayLike, ky_per_mm: npt.ArrayLike, kx_per_mm: npt.ArrayLike
    ) -> Complexes:
        r"""Fourier transform :math:`\int m(r) e^{-2 \pi i k \cdot r} dr`, in value times mm^3."""
        k = points_of("kz_per_mm, ky_per_mm and kx_per_mm", kz_per_mm, ky_per_mm, kx_per_mm)
        phase = np.exp(-2j * np.pi * sum(axis * c for axis, c in zip(k, self.center_mm, strict=True)))
        own = (s * axis for s, axis in zip(self._scale_mm, self._turn(*k), strict=True))
        return np.asarray(self.value * math.prod(self._scale_mm) * phase * self._transform(*own))

    def add_to_image(self, image: Floats, grid: ImageGrid) -> None:
        """Add the mean over every voxel of ``grid`` to ``image``, in place."""
        flat = ImageGrid(shape=grid.shape[1:], spacing_mm=grid.spacing_mm[1:], center_mm=_tail(grid))
        thickness = grid.spacing_mm[0]
        for plane, z in zip(image, grid.coordinates_mm[0] - self.center_mm[0], strict=True):
            for offset, weight in self._cuts(z - thickness / 2, z + thickness / 2):
                shrink = self._shrink(offset / self._scale_mm[0])
                section = Ellipse(
                    value=self.value * weight / thickness,
                    center_mm=self.center_mm[1:],
                    semi_axes_mm=(shrink * self._scale_mm[1], shrink * self._scale_mm[2]),
                    angle_rad=self.angle_rad,
                )
                section.add_to_image(plane, flat)

    def _turn(self, z: Floats, y: Floats, x: Floats) -> tuple[Floats, Floats, Floats]:
        cos, sin = math.cos(self.angle_rad), math.sin(self.angle_rad)
        return z, cos * y - sin * x, cos * x + sin * y

    def _to_own(self, z: Floats, y: Floats, x: Floats) -> tuple[Floats, Floats, Floats]:
        own_z, own_y, own_x = self._turn(z, y, x)
        scale_z, scale_y, scale_x = self._scale_mm
        return own_z / scale_z, own_y / scale_y, own_x / scale_x

    @property
    @abstractmethod
    def _scale_mm(self) -> tuple[float, float, float]:
        """Millimetres of one unit of the own frame along z, y and x."""

    @abstractmethod
    def _holds(self, z: Floats, y: Floats, x: Floats) -> npt.NDArray[np.bool_]:
        """Whether a point lies inside."""

    @abstractmethod
    def _crossing(self, origin: tuple[Floats, ...], direction: tuple[Floats, ...]) -> tuple[Floats, Floats]:
        """Parameters at which lines enter and leave; the second is not above the first for a miss."""

    @abstractmethod
    def _transform(self, kz: Floats, ky: Floats, kx: Floats) -> Floats:
        """Fourier transform."""

    @abstractmethod
    def _cuts(self, low: float, high: float) -> list[tuple[float, float]]:
        """Cuts ``(z in mm from the middle, weight in mm)`` that integrate the shape from low to high."""

    @abstractmethod
    def _shrink(self, z: float) -> float:
        """Radius of the cut at z, in the own frame."""


@dataclass(frozen=True, kw_only=True)
class Ellipsoid(Shape3D):
    """An ellipsoid of constant value.

    Its voxels are integrated along z with six Gauss-Legendre cuts each, every cut exact. The error
    stays below 0.002 of the value where the surface is steep, and below 0.02 in voxels at the poles.

    Parameters
    ----------
    semi_axes_mm : tuple of float
        Half lengths ``(z, y, x)`` of the axes before the rotation.
    value, center_mm, angle_rad
        See :class:`Shape3D`.

    Raises
    ------
    ValueError
        If a half length is not positive or another number is not finite.

    Examples
    --------
    >>> from imgtech.phantoms import Ellipsoid
    >>> ball = Ellipsoid(semi_axes_mm=(2.0, 2.0, 2.0), center_mm=(5.0, 0.0, 0.0))
    >>> round(float(ball.spectrum(0.0, 0.0, 0.0).real), 3)
    33.51
    """

    semi_axes_mm: tuple[float, float, float]

    def __post_init__(self) -> None:
        super().__post_init__()
        axes = _triple("semi_axes_mm", self.semi_axes_mm)
        object.__setattr__(self, "semi_axes_mm", tuple(positive("semi_axes_mm", axis) for axis in axes))

    @property
    def _scale_mm(self) -> tuple[float, float, float]:
        return self.semi_axes_mm

    def _holds(self, z: Floats, y: Floats, x: Floats) -> npt.NDArray[np.bool_]:
        return np.asarray(z * z + y * y + x * x < 1.0)

    def _crossing(self, origin: tuple[Floats, ...], direction: tuple[Floats, ...]) -> tuple[Floats, Floats]:
        return _round_crossing(origin, direction)

    def _transform(self, kz: Floats, ky: Floats, kx: Floats) -> Floats:
        k = 2 * np.pi * np.sqrt(kz * kz + ky * ky + kx * kx)
        safe = np.maximum(k, TINY)
        return np.asarray(4 * np.pi * spherical_jn(1, safe) / safe)

    def _cuts(self, low: float, high: float) -> list[tuple[float, float]]:
        low, high = max(low, -self.semi_axes_mm[0]), min(high, self.semi_axes_mm[0])
        if high - low < 1e-12 * self.semi_axes_mm[0]:  # touches the pole within rounding
            return []
        nodes, weights = np.polynomial.legendre.leggauss(_POLE_NODES)
        half, middle = (high - low) / 2, (high + low) / 2
        return [(middle + half * float(n), half * float(w)) for n, w in zip(nodes, weights, strict=True)]

    def _shrink(self, z: float) -> float:
        return math.sqrt((1.0 - z) * (1.0 + z))


@dataclass(frozen=True, kw_only=True)
class Cylinder(Shape3D):
    """A cylinder of finite length along z, with an ellipse as its cross-section.

    Parameters
    ----------
    length_mm : float
        Full length along z.
    semi_axes_mm : tuple of float
        Half lengths ``(y, x)`` of the axes of the cross-section before the rotation.
    value, center_mm, angle_rad
        See :class:`Shape3D`.

    Raises
    ------
    ValueError
        If a length is not positive or another number is not finite.

    Examples
    --------
    >>> from imgtech.phantoms import Cylinder
    >>> rod = Cylinder(length_mm=20.0, semi_axes_mm=(3.0, 3.0), center_mm=(4.0, 1.0, 0.0))
    >>> round(float(rod.line_integral((0.0, 1.0, 0.0), (1.0, 0.0, 0.0))), 9)
    20.0
    """

    length_mm: float
    semi_axes_mm: tuple[float, float]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "length_mm", positive("length_mm", self.length_mm))
        object.__setattr__(self, "semi_axes_mm", positive_pair("semi_axes_mm", self.semi_axes_mm))

    @property
    def _scale_mm(self) -> tuple[float, float, float]:
        return self.length_mm, *self.semi_axes_mm

    def _holds(self, z: Floats, y: Floats, x: Floats) -> npt.NDArray[np.bool_]:
        return np.asarray((np.abs(z) < 0.5) & (y * y + x * x < 1.0))

    def _crossing(self, origin: tuple[Floats, ...], direction: tuple[Floats, ...]) -> tuple[Floats, Floats]:
        enter, leave = _round_crossing(origin[1:], direction[1:])
        flat = np.abs(direction[0]) < TINY
        slope = np.where(flat, 1.0, direction[0])
        ends = (-0.5 - origin[0]) / slope, (0.5 - origin[0]) / slope
        reach = np.where(np.abs(origin[0]) < 0.5, np.inf, -np.inf)
        first = np.where(flat, -reach, np.minimum(*ends))
        last = np.where(flat, reach, np.maximum(*ends))
        return np.maximum(enter, first), np.minimum(leave, last)

    def _transform(self, kz: Floats, ky: Floats, kx: Floats) -> Floats:
        k = np.maximum(2 * np.pi * np.hypot(ky, kx), TINY)
        return np.asarray(np.sinc(kz) * 2 * np.pi * j1(k) / k)

    def _cuts(self, low: float, high: float) -> list[tuple[float, float]]:
        low, high = max(low, -self.length_mm / 2), min(high, self.length_mm / 2)
        return [(0.0, high - low)] if low < high else []

    def _shrink(self, z: float) -> float:
        return 1.0


def _round_crossing(origin: tuple[Floats, ...], direction: tuple[Floats, ...]) -> tuple[Floats, Floats]:
    """Where lines enter and leave the unit ball of as many axes as they have."""
    square = sum(d * d for d in direction)
    along = sum(o * d for o, d in zip(origin, direction, strict=True))
    beyond = sum(o * o for o in origin) - 1.0
    still = square < TINY
    safe = np.where(still, 1.0, square)
    inside = along * along - safe * beyond
    root = np.sqrt(np.maximum(inside, 0.0))
    reach = np.where(beyond < 0, np.inf, -np.inf)
    enter = np.where(still, -reach, (-along - root) / safe)
    return enter, np.where(still, reach, (-along + root) / safe)


def _triple(name: str, values: tuple[float, float, float]) -> tuple[float, float, float]:
    if not isinstance(values, tuple | list | np.ndarray) or len(values) != 3:
        raise ValueError(f"{name} must hold three numbers (z, y, x), got {values!r}")
    return finite(name, values[0]), finite(name, values[1]), finite(name, values[2])


def _tail(grid: ImageGrid) -> tuple[float, ...]:
    assert grid.center_mm is not None
    return grid.center_mm[1:]
