"""Solids inside an MR phantom: flat shapes whose values add up to the mean signal over a slice."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import finite, positive
from imgtech.phantoms.placed import Shape2D, pair, positive_pair
from imgtech.phantoms.polygons import Rectangle
from imgtech.phantoms.shapes_2d import Ellipse
from imgtech.phantoms.twins.placement import SlicePlace

Floats = npt.NDArray[np.float64]

_STEPS = 12
_FACET_MM = 0.002


@dataclass(frozen=True, kw_only=True)
class MrSolid(ABC):
    """Something inside an MR phantom; signals add where solids overlap.

    Parameters
    ----------
    signal : float
        Signal on top of what surrounds it; minus the signal of the water for plastic.
    """

    signal: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "signal", finite("signal", self.signal))

    @abstractmethod
    def section(self, place: SlicePlace) -> Iterator[Shape2D]:
        """Flat shapes whose values add up to the mean over a slice."""

    @abstractmethod
    def faces(self) -> tuple[Floats, Floats]:
        """The solid as what lies behind all its faces, ``n . (v, u, z) <= c``.

        Returns
        -------
        tuple of numpy.ndarray
            Unit vectors n, shape ``(face, 3)``, and distances c; of a round wall the facets of a polygon
            around it that is 0.002 mm wider at its corners.
        """


@dataclass(frozen=True, kw_only=True)
class Cylinder(MrSolid):
    """A cylinder along the axis, round or elliptic.

    Parameters
    ----------
    center_mm : (float, float)
        ``(v, u)`` of its axis: v down, u to the right.
    semi_axes_mm : (float, float)
        Half lengths along v and u.
    z_mm : (float, float)
        Where it begins and ends along the axis of the phantom.
    signal : float
        Signal on top of what surrounds it.

    Raises
    ------
    ValueError
        If a half length is not positive, or ``z_mm`` does not rise.

    Examples
    --------
    >>> from imgtech.phantoms.twins import Cylinder
    >>> Cylinder(signal=1000.0, center_mm=(0.0, 0.0), semi_axes_mm=(95.0, 95.0), z_mm=(-24.0, 124.0)).signal
    1000.0
    """

    center_mm: tuple[float, float] = (0.0, 0.0)
    semi_axes_mm: tuple[float, float]
    z_mm: tuple[float, float]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "center_mm", pair("center_mm", self.center_mm))
        object.__setattr__(self, "semi_axes_mm", positive_pair("semi_axes_mm", self.semi_axes_mm))
        object.__setattr__(self, "z_mm", _span("z_mm", self.z_mm))

    def section(self, place: SlicePlace) -> Iterator[Shape2D]:
        share = place.share(self.z_mm)
        if share > 0:
            yield Ellipse(
                value=share * self.signal,
                center_mm=place.to_image(*self.center_mm),
                semi_axes_mm=self.semi_axes_mm,
                angle_rad=place.image_angle(0.0),
            )

    def faces(self) -> tuple[Floats, Floats]:
        high, wide = self.semi_axes_mm
        n = max(24, math.ceil(math.pi / math.sqrt(2 * _FACET_MM / max(high, wide))))
        angle = 2 * np.pi * np.arange(n) / n
        walls = np.stack([np.cos(angle) / high, np.sin(angle) / wide, np.zeros(n)], axis=1)
        away = 1 + walls[:, 0] * self.center_mm[0] + walls[:, 1] * self.center_mm[1]
        return _scaled([walls, _ALONG], [away, (self.z_mm[1], -self.z_mm[0])])


@dataclass(frozen=True, kw_only=True)
class Slab(MrSolid):
    """A rectangle in the plane, of some depth along the axis.

    Parameters
    ----------
    center_mm, size_mm : (float, float)
        ``(v, u)`` of its middle and full lengths along v and u.
    z_mm : (float, float)
        Where it begins and ends along the axis of the phantom.
    signal : float
        Signal on top of what surrounds it.

    Raises
    ------
    ValueError
        If a length is not positive, or ``z_mm`` does not rise.

    Examples
    --------
    >>> from imgtech.phantoms.twins import Slab
    >>> Slab(signal=-1000.0, center_mm=(38.2, -0.5), size_mm=(38.0, 113.8), z_mm=(-9.0, 9.0)).size_mm
    (38.0, 113.8)
    """

    center_mm: tuple[float, float]
    size_mm: tuple[float, float]
    z_mm: tuple[float, float]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "center_mm", pair("center_mm", self.center_mm))
        object.__setattr__(self, "size_mm", positive_pair("size_mm", self.size_mm))
        object.__setattr__(self, "z_mm", _span("z_mm", self.z_mm))

    def section(self, place: SlicePlace) -> Iterator[Shape2D]:
        share = place.share(self.z_mm)
        if share > 0:
            yield _rectangle(place, share * self.signal, self.center_mm, self.size_mm)

    def faces(self) -> tuple[Floats, Floats]:
        v, u = (_ends(c, d) for c, d in zip(self.center_mm, self.size_mm, strict=True))
        return _scaled([_DOWN, _RIGHT, _ALONG], [v, u, (self.z_mm[1], -self.z_mm[0])])


@dataclass(frozen=True, kw_only=True)
class RampSlot(MrSolid):
    """A thin inclined layer of water: a slice lights a part of it, and the length tells its thickness.

    A slice of thickness t lights ``t / |slope|`` at half height; the ends fall over ``height / |slope|``, in
    12 steps.

    Parameters
    ----------
    center_mm : (float, float)
        ``(v, u)`` of the place where the layer crosses ``z_mm``.
    width_mm : float
        Full length along v.
    height_mm : float
        Thickness of the layer along the axis; less than that of the slice.
    slope : float
        Rise of z over u.
    z_mm : float
        Where along the axis it is crossed at ``center_mm``.
    reach_mm : float
        How far from there it goes, either way; a slice beyond shows none of it.
    signal : float
        Signal of the water in it, on top of the block around it.

    Raises
    ------
    ValueError
        If a length is not positive, or the slope zero.

    Examples
    --------
    >>> from imgtech.phantoms.twins import RampSlot
    >>> RampSlot(signal=1000.0, center_mm=(-2.0, 0.0), width_mm=5.0, height_mm=0.8, slope=0.1).slope
    0.1
    """

    center_mm: tuple[float, float]
    width_mm: float
    height_mm: float
    slope: float
    z_mm: float = 0.0
    reach_mm: float = 6.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "center_mm", pair("center_mm", self.center_mm))
        for name in ("width_mm", "height_mm", "reach_mm"):
            positive(name, getattr(self, name))
        finite("z_mm", self.z_mm)
        if finite("slope", self.slope) == 0:
            raise ValueError(f"slope must not be zero, got {self.slope}")

    def section(self, place: SlicePlace) -> Iterator[Shape2D]:
        t, h = place.thickness_mm, self.height_mm
        if abs(sum(place.z_mm) / 2 - self.z_mm) > self.reach_mm:
            return
        if h >= t:
            raise ValueError(f"height_mm must be less than the thickness {t:g} mm of the slice, got {h:g}")
        u = self.center_mm[1] + (sum(place.z_mm) / 2 - self.z_mm) / self.slope
        for i in range(_STEPS):
            length = (t - h + 2 * h * (i + 0.5) / _STEPS) / abs(self.slope)
            value = self.signal * h / t / _STEPS
            yield _rectangle(place, value, (self.center_mm[0], u), (self.width_mm, length))

    def faces(self) -> tuple[Floats, Floats]:
        layer = np.array([[0.0, -self.slope, 1.0], [0.0, self.slope, -1.0]])
        height = _ends(self.z_mm - self.slope * self.center_mm[1], self.height_mm)
        width, reach = _ends(self.center_mm[0], self.width_mm), _ends(self.z_mm, 2 * self.reach_mm)
        return _scaled([_DOWN, layer, _ALONG], [width, height, reach])


@dataclass(frozen=True, kw_only=True)
class WedgeBar(MrSolid):
    """A bar whose end moves with the slice, as a 45-degree wedge shows it.

    Parameters
    ----------
    start_mm : (float, float)
        ``(v, u)`` of the middle of its fixed end.
    width_mm : float
        Full length along u.
    length_mm : float
        Length along v in a thin slice at ``middle_mm``.
    rise : float
        Change of that length per mm along the axis: 1 or -1.
    middle_mm : float
        Where along the axis the length is ``length_mm``.
    reach_mm : float
        How far from there the wedge goes, either way; beyond, there is no bar.
    signal : float
        Signal on top of what surrounds it.

    Raises
    ------
    ValueError
        If a length is not positive.

    Examples
    --------
    >>> from imgtech.phantoms.twins import WedgeBar
    >>> bar = WedgeBar(signal=-1000.0, start_mm=(-94.0, 2.85), width_mm=5.7, length_mm=31.0, rise=1.0)
    >>> bar.length_mm
    31.0
    """

    start_mm: tuple[float, float]
    width_mm: float
    length_mm: float
    rise: float
    middle_mm: float = 0.0
    reach_mm: float = 14.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "start_mm", pair("start_mm", self.start_mm))
        for name in ("width_mm", "length_mm", "reach_mm"):
            positive(name, getattr(self, name))
        for name in ("rise", "middle_mm"):
            finite(name, getattr(self, name))

    def section(self, place: SlicePlace) -> Iterator[Shape2D]:
        for i in range(_STEPS):
            z = place.z_mm[0] + place.thickness_mm * (i + 0.5) / _STEPS
            length = self.length_mm + self.rise * (z - self.middle_mm)
            if abs(z - self.middle_mm) <= self.reach_mm and length > 0:
                center = self.start_mm[0] + length / 2, self.start_mm[1]
                yield _rectangle(place, self.signal / _STEPS, center, (length, self.width_mm))

    def faces(self) -> tuple[Floats, Floats]:
        v, u = self.start_mm
        end = np.array([[1.0, 0.0, -self.rise], [-1.0, 0.0, 0.0]])
        ends = (v + self.length_mm - self.rise * self.middle_mm, -v)
        return _scaled(
            [end, _RIGHT, _ALONG],
            [ends, _ends(u, self.width_mm), _ends(self.middle_mm, 2 * self.reach_mm)],
        )


_DOWN, _RIGHT, _ALONG = (np.array([row, -row]) for row in np.eye(3))


def _ends(middle: float, length: float) -> tuple[float, float]:
    """Distances of the two faces of something of a length."""
    return middle + length / 2, length / 2 - middle


def _scaled(normals: list[Floats], distances: list[Any]) -> tuple[Floats, Floats]:
    """All faces, their normals of length 1."""
    n, c = np.concatenate(normals), np.concatenate([np.asarray(d, dtype=np.float64) for d in distances])
    size = np.linalg.norm(n, axis=1)
    return n / size[:, None], c / size


def _span(name: str, values: tuple[float, float]) -> tuple[float, float]:
    """Where something begins and ends, or what is wrong with it."""
    if not isinstance(values, tuple | list) or len(values) != 2:
        raise ValueError(f"{name} must be a pair (begin, end), got {values!r}")
    begin, end = (finite(name, v) for v in values)
    if begin >= end:
        raise ValueError(f"{name} must end above its begin, got {values!r}")
    return begin, end


def _rectangle(
    place: SlicePlace, value: float, center: tuple[float, float], size: tuple[float, float]
) -> Rectangle:
    turn = math.remainder(place.image_angle(0.0), math.pi)  # half a turn leaves a rectangle as it is
    return Rectangle(value=value, center_mm=place.to_image(*center), size_mm=size, angle_rad=turn)
