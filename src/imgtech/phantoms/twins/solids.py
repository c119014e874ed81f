"""Solids along the axis of a CT phantom, imaged in closed form: mean over a slice, blurred by a Gaussian."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import i0e, ndtr

from imgtech._core.validate import finite, not_negative, positive
from imgtech.geometry import ImageGrid
from imgtech.phantoms.placed import Shape2D, pair
from imgtech.phantoms.polygons import Rectangle
from imgtech.phantoms.shapes_2d import Ellipse
from imgtech.phantoms.twins.placement import SlicePlace

Floats = npt.NDArray[np.float64]

_REACH = 6.5
_NODES = 80
_TABLE = 600


@dataclass(frozen=True, kw_only=True)
class Solid(ABC):
    """Something inside a phantom; values add where solids overlap.

    Parameters
    ----------
    value_hu : float
        CT number, on top of what surrounds it.
    """

    value_hu: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "value_hu", finite("value_hu", self.value_hu))

    @abstractmethod
    def add(self, image: Floats, grid: ImageGrid, place: SlicePlace, sigma_mm: float) -> None:
        """Add the mean over a slice, blurred by a Gaussian, to an image in place."""

    @abstractmethod
    def section(self, place: SlicePlace) -> Iterator[Shape2D]:
        """Flat shapes whose values add up to the mean over a slice, not blurred."""


@dataclass(frozen=True, kw_only=True)
class Rod(Solid):
    """A cylinder along the axis.

    Parameters
    ----------
    center_mm : (float, float)
        ``(v, u)`` of its axis: v down, u to the right.
    radius_mm : float
        Radius.
    z_mm : (float, float)
        Where it begins and ends along the axis of the phantom.
    value_hu : float
        CT number, on top of what surrounds it.

    Raises
    ------
    ValueError
        If the radius is not positive or the ends do not rise.

    Examples
    --------
    >>> from imgtech.phantoms.twins import Rod
    >>> Rod(value_hu=-100.0, center_mm=(0.0, 58.4), radius_mm=6.1, z_mm=(-12.5, 12.5)).radius_mm
    6.1
    """

    center_mm: tuple[float, float]
    radius_mm: float
    z_mm: tuple[float, float]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "center_mm", pair("center_mm", self.center_mm))
        object.__setattr__(self, "radius_mm", positive("radius_mm", self.radius_mm))
        _rising(self.z_mm)

    def add(self, image: Floats, grid: ImageGrid, place: SlicePlace, sigma_mm: float) -> None:
        share = place.share(self.z_mm)
        if share == 0:
            return
        cy, cx = place.to_image(*self.center_mm)
        box, y, x = _window(grid, (cy, cx), self.radius_mm + _REACH * sigma_mm)
        if box is None:
            return
        r = np.hypot(y - cy, x - cx)
        image[box] += share * self.value_hu * blurred_disk(r, self.radius_mm, sigma_mm)

    def section(self, place: SlicePlace) -> Iterator[Shape2D]:
        share = place.share(self.z_mm)
        if share > 0:
            yield Ellipse(
                value=share * self.value_hu,
                center_mm=place.to_image(*self.center_mm),
                semi_axes_mm=(self.radius_mm, self.radius_mm),
            )


@dataclass(frozen=True, kw_only=True)
class Block(Solid):
    """A rectangular bar along the axis.

    Parameters
    ----------
    center_mm, size_mm : (float, float)
        ``(v, u)`` of the middle and full lengths before the rotation.
    angle_rad : float
        Rotation from u towards v.
    z_mm : (float, float)
        Where it begins and ends along the axis of the phantom.
    value_hu : float
        CT number, on top of what surrounds it.

    Raises
    ------
    ValueError
        If a length is not positive or the ends do not rise.

    Examples
    --------
    >>> from imgtech.phantoms.twins import Block
    >>> Block(value_hu=2000.0, center_mm=(0.0, 47.0), size_mm=(0.5, 4.7), z_mm=(29.0, 31.0)).angle_rad
    0.0
    """

    center_mm: tuple[float, float]
    size_mm: tuple[float, float]
    z_mm: tuple[float, float]
    angle_rad: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for side in self.size_mm:
            positive("size_mm", side)
        _rising(self.z_mm)

    def add(self, image: Floats, grid: ImageGrid, place: SlicePlace, sigma_mm: float) -> None:
        share = place.share(self.z_mm)
        if share == 0:
            return
        cy, cx = place.to_image(*self.center_mm)
        reach = math.hypot(*self.size_mm) / 2 + _REACH * sigma_mm
        box, y, x = _window(grid, (cy, cx), reach)
        if box is None:
            return
        v, u = place.along(y - cy, x - cx, self.angle_rad)
        height = _step(v, self.size_mm[0], sigma_mm) * _step(u, self.size_mm[1], sigma_mm)
        image[box] += share * self.value_hu * height

    def section(self, place: SlicePlace) -> Iterator[Shape2D]:
        share = place.share(self.z_mm)
        if share > 0:
            yield Rectangle(
                value=share * self.value_hu,
                center_mm=place.to_image(*self.center_mm),
                size_mm=self.size_mm,
                angle_rad=place.image_angle(self.angle_rad),
            )


@dataclass(frozen=True, kw_only=True)
class Wire(Solid):
    """A thin straight wire at any slant.

    Parameters
    ----------
    start_mm, end_mm : (float, float, float)
        Its ends ``(z, v, u)``; they differ in z.
    diameter_mm : float
        Diameter, small against the blur.
    value_hu : float
        CT number, on top of what surrounds it.

    Raises
    ------
    ValueError
        If the ends lie at the same z or the diameter is not positive.

    Examples
    --------
    >>> from imgtech.phantoms.twins import Wire
    >>> ramp = Wire(value_hu=3000.0, start_mm=(-12.5, -38.0, -29.4), end_mm=(12.5, -38.0, 29.4),
    ...             diameter_mm=0.28)
    >>> round(ramp.rise, 3)
    0.425
    """

    start_mm: tuple[float, float, float]
    end_mm: tuple[float, float, float]
    diameter_mm: float

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("diameter_mm", self.diameter_mm)
        if self.start_mm[0] == self.end_mm[0]:
            raise ValueError(f"start_mm and end_mm must differ in z, got {self.start_mm} and {self.end_mm}")

    @property
    def rise(self) -> float:
        """Height over length in the plane; infinite for a wire along the axis."""
        flat = math.hypot(self.end_mm[1] - self.start_mm[1], self.end_mm[2] - self.start_mm[2])
        return abs(self.end_mm[0] - self.start_mm[0]) / flat if flat else math.inf

    def add(self, image: Floats, grid: ImageGrid, place: SlicePlace, sigma_mm: float) -> None:
        lit = self._lit(place)
        if lit is None:
            return
        (cy, cx), length, angle, mass = lit
        box, y, x = _window(grid, (cy, cx), length / 2 + _REACH * sigma_mm)
        if box is None:
            return
        dy, dx = y - cy, x - cx
        along = dx * math.cos(angle) + dy * math.sin(angle)
        across = dy * math.cos(angle) - dx * math.sin(angle)
        s = math.hypot(sigma_mm, self.diameter_mm / 4)
        bell = np.exp(-(across**2) / (2 * s * s)) / (s * math.sqrt(2 * math.pi))
        image[box] += mass / length * bell * _step(along, length, sigma_mm)

    def section(self, place: SlicePlace) -> Iterator[Shape2D]:
        lit = self._lit(place)
        if lit is not None:
            center, length, angle, mass = lit
            width = self.diameter_mm * math.sqrt(3) / 2  # a box of the same second moment
            size = (width, max(length, width))
            yield Rectangle(value=mass / (size[0] * size[1]), center_mm=center, size_mm=size, angle_rad=angle)

    def _lit(self, place: SlicePlace) -> tuple[tuple[float, float], float, float, float] | None:
        """Middle, length and direction of the part inside a slice, and its value times mm2."""
        span = self.end_mm[0] - self.start_mm[0]
        ends = sorted((z - self.start_mm[0]) / span for z in place.z_mm)
        first, last = max(ends[0], 0.0), min(ends[1], 1.0)
        if last <= first:
            return None
        corners = []
        for part in (first, last):
            z, v, u = (a + part * (b - a) for a, b in zip(self.start_mm, self.end_mm, strict=True))
            corners.append(place.to_image(v, u, z))
        (y0, x0), (y1, x1) = corners
        long = math.dist(self.start_mm, self.end_mm) * (last - first)
        area = math.pi / 4 * self.diameter_mm**2
        mass = self.value_hu * area * long / place.thickness_mm
        flat = max(math.hypot(y1 - y0, x1 - x0), 1e-6)
        return ((y0 + y1) / 2, (x0 + x1) / 2), flat, math.atan2(y1 - y0, x1 - x0), mass


@dataclass(frozen=True, kw_only=True)
class Bead(Solid):
    """A small ball.

    Parameters
    ----------
    center_mm : (float, float, float)
        ``(z, v, u)`` of its middle.
    diameter_mm : float
        Diameter, small against the blur.
    value_hu : float
        CT number, on top of what surrounds it.

    Raises
    ------
    ValueError
        If the diameter is not positive.

    Examples
    --------
    >>> from imgtech.phantoms.twins import Bead
    >>> Bead(value_hu=8000.0, center_mm=(40.0, 20.0, 0.0), diameter_mm=0.28).diameter_mm
    0.28
    """

    center_mm: tuple[float, float, float]
    diameter_mm: float

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("diameter_mm", self.diameter_mm)

    def add(self, image: Floats, grid: ImageGrid, place: SlicePlace, sigma_mm: float) -> None:
        mass = self._mass(place)
        if mass == 0:
            return
        s = math.hypot(sigma_mm, self.diameter_mm / math.sqrt(20))
        cy, cx = place.to_image(self.center_mm[1], self.center_mm[2], self.center_mm[0])
        box, y, x = _window(grid, (cy, cx), _REACH * s)
        if box is None:
            return
        square = (y - cy) ** 2 + (x - cx) ** 2
        image[box] += mass / (2 * math.pi * s * s) * np.exp(-square / (2 * s * s))

    def section(self, place: SlicePlace) -> Iterator[Shape2D]:
        mass = self._mass(place)
        if mass != 0:
            radius = self.diameter_mm / math.sqrt(5)  # a disk of the same second moment
            yield Ellipse(
                value=mass / (math.pi * radius**2),
                center_mm=place.to_image(self.center_mm[1], self.center_mm[2], self.center_mm[0]),
                semi_axes_mm=(radius, radius),
            )

    def _mass(self, place: SlicePlace) -> float:
        """Value times mm2 of the mean over a slice."""
        radius = self.diameter_mm / 2
        ends = [min(max((z - self.center_mm[0]) / radius, -1.0), 1.0) for z in place.z_mm]
        inside = [(2 + 3 * t - t**3) / 4 for t in ends]
        volume = math.pi / 6 * self.diameter_mm**3
        return self.value_hu * volume * (inside[1] - inside[0]) / place.thickness_mm


def blurred_disk(r_mm: npt.ArrayLike, radius_mm: float, sigma_mm: float) -> Floats:
    r"""A disk of height 1, blurred by a Gaussian, at distances from its middle.

    .. math:: B(r) = \int_0^R \frac{\rho}{s^2}\, e^{-(r^2+\rho^2)/2s^2}\, I_0(r \rho / s^2)\, d\rho

    Parameters
    ----------
    r_mm : array_like
        Distances.
    radius_mm : float
        Radius of the disk.
    sigma_mm : float
        Standard deviation of the Gaussian; 0 for none.

    Returns
    -------
    numpy.ndarray
        Values between 0 and 1, good to 1e-5.

    Examples
    --------
    >>> from imgtech.phantoms.twins import blurred_disk
    >>> blurred_disk([0.0, 5.0, 9.0], 5.0, 0.5).round(3)
    array([1.  , 0.48, 0.  ])
    """
    r, radius = np.asarray(r_mm, dtype=np.float64), positive("radius_mm", radius_mm)
    s = not_negative("sigma_mm", sigma_mm)
    if s == 0:
        return np.where(r < radius, 1.0, 0.0)
    at, height = _disk_table(radius, s)
    return np.asarray(np.interp(r, at, height, left=height[0], right=0.0))


@lru_cache(maxsize=256)
def _disk_table(radius: float, s: float) -> tuple[Floats, Floats]:
    at = np.linspace(max(radius - _REACH * s, 0.0), radius + _REACH * s, _TABLE)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    low = np.maximum(at - (_REACH + 1) * s, 0.0)
    high = np.clip(at + (_REACH + 1) * s, 0.0, radius)
    half = np.maximum(high - low, 0.0)[:, None] / 2
    rho = (low + half[:, 0])[:, None] + half * nodes
    inner = rho / s**2 * np.exp(-((at[:, None] - rho) ** 2) / (2 * s * s)) * i0e(at[:, None] * rho / s**2)
    return at, (half * inner) @ weights


def _step(position: Floats, length: float, sigma: float) -> Floats:
    """A box of height 1, blurred by a Gaussian."""
    if sigma == 0:
        return np.where(np.abs(position) < length / 2, 1.0, 0.0)
    return np.asarray(ndtr((position + length / 2) / sigma) - ndtr((position - length / 2) / sigma))


def _window(
    grid: ImageGrid, center: tuple[float, float], reach: float
) -> tuple[tuple[slice, slice] | None, Floats, Floats]:
    """The pixels within reach of a point, with their positions; None where there are none."""
    box, places = [], []
    for positions, c in zip(grid.coordinates_mm, center, strict=True):
        first, last = np.searchsorted(positions, [c - reach, c + reach])
        if first == last:
            return None, positions, positions
        box.append(slice(int(first), int(last)))
        places.append(positions[first:last])
    return (box[0], box[1]), places[0][:, None], places[1]


def _rising(z_mm: tuple[float, float]) -> None:
    if not z_mm[0] < z_mm[1]:
        raise ValueError(f"z_mm must rise, got {z_mm}")
