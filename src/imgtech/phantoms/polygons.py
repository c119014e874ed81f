"""Polygons and rectangles in closed form.

Everything reduces to one fact: along an edge a coordinate changes linearly, and the mean of the
positive part of a linear function is known. The area of a polygon at smaller x than some line is a
sum over its edges of such means, whether the line is a ray or the side of a pixel.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import floats
from imgtech.phantoms.placed import TINY, Complexes, Floats, Shape2D, positive_pair


class _Edges(Shape2D):
    """What polygon and rectangle share: formulas that need the own corners only."""

    @property
    @abstractmethod
    def _corners(self) -> tuple[tuple[float, float], ...]:
        """Corners (y, x) in the own frame, counter-clockwise."""

    @property
    def _reach(self) -> float:
        return float(np.hypot(*np.array(self._corners).T).max())

    def _pairs(self) -> list[tuple[float, float, float, float]]:
        corners = self._corners
        return [(*a, *b) for a, b in zip(corners, corners[1:] + corners[:1], strict=True)]

    def _value(self, y: Floats, x: Floats) -> Floats:
        return np.where(self._margin(y, x) < 0, 1.0, 0.0)

    def _margin(self, y: Floats, x: Floats) -> Floats:
        margin = np.full(np.broadcast_shapes(y.shape, x.shape), -np.inf)
        for ya, xa, yb, xb in self._pairs():
            outward_y, outward_x = _outward(ya, xa, yb, xb)
            np.maximum(margin, outward_y * (y - ya) + outward_x * (x - xa), out=margin)
        return margin

    def _line(self, position: Floats, ny: Floats, nx: Floats) -> Floats:
        total = np.zeros(np.broadcast_shapes(position.shape, ny.shape))
        for ya, xa, yb, xb in self._pairs():
            start, stop = ny * ya + nx * xa, ny * yb + nx * xb
            climb = nx * (yb - ya) - ny * (xb - xa)
            low, high = np.minimum(start, stop), np.maximum(start, stop)
            flat = high == low
            above = np.clip((high - position) / np.where(flat, 1.0, high - low), 0.0, 1.0)
            total += climb * np.where(flat, high > position, above)
        return total

    def _below(self, position: Floats, ny: Floats, nx: Floats) -> Floats:
        total = np.zeros(np.broadcast_shapes(position.shape, ny.shape))
        for ya, xa, yb, xb in self._pairs():
            start, stop = ny * ya + nx * xa, ny * yb + nx * xb
            climb = nx * (yb - ya) - ny * (xb - xa)
            total += climb * ((start + stop) / 2 - _mean_positive(start - position, stop - position))
        return total

    def _transform(self, ky: Floats, kx: Floats) -> Floats | Complexes:
        """Sum over the edges; each term less its value at k = 0, which adds up to nothing, so that
        no digits are lost near k = 0."""
        k = np.hypot(ky, kx)
        zero = k < TINY
        safe = np.where(zero, 1.0, k)
        unit_y, unit_x = ky / safe, kx / safe
        total = np.zeros(k.shape, dtype=np.complex128)
        area = 0.0
        for ya, xa, yb, xb in self._pairs():
            half_phase = np.pi * (ky * (ya + yb) + kx * (xa + xb)) / 2
            t = np.pi * (ky * (yb - ya) + kx * (xb - xa))
            turn = -2.0 * np.sin(half_phase) ** 2 - 1j * np.sin(2.0 * half_phase)
            change = turn * np.sinc(t / np.pi) + _sinc_less_one(t)
            total += (unit_x * (yb - ya) - unit_y * (xb - xa)) * change
            area += (xa * yb - ya * xb) / 2
        return np.where(zero, area, 1j / (2 * np.pi * safe) * total)

    def _side(self, y0: Floats, x0: Floats, y1: Floats, x1: Floats) -> Floats:
        """Signed area of the polygon at smaller x than the segment."""
        low, high, sign = np.minimum(y0, y1), np.maximum(y0, y1), np.sign(y1 - y0)
        total = np.zeros_like(y0)
        for ya, xa, yb, xb in self._pairs():
            bottom, top = (np.clip(y, min(ya, yb), max(ya, yb)) for y in (low, high))
            edge_x, side_x = (
                [_between(start, stop, y) for y in (bottom, top)]
                for start, stop in (((ya, xa), (yb, xb)), ((y0, x0), (y1, x1)))
            )
            beyond = _mean_positive(edge_x[0] - side_x[0], edge_x[1] - side_x[1])
            total += np.sign(yb - ya) * (top - bottom) * ((edge_x[0] + edge_x[1]) / 2 - beyond)
        return np.asarray(sign * total)


@dataclass(frozen=True, kw_only=True)
class Polygon(_Edges):
    """A convex polygon of constant value.

    Parameters
    ----------
    corners_mm : array_like of float
        Corners ``(y, x)`` before rotation and shift, shape ``(corner, 2)``, in either sense of turning.
    value, center_mm, angle_rad
        See :class:`Shape2D`.

    Raises
    ------
    ValueError
        If there are fewer than 3 corners, the polygon is not convex, three neighbours lie on one line
        or a number is not finite.

    Examples
    --------
    >>> from imgtech.phantoms import Polygon
    >>> triangle = Polygon(corners_mm=((0.0, 0.0), (0.0, 4.0), (3.0, 0.0)), center_mm=(1.0, 2.0))
    >>> float(triangle.spectrum(0.0, 0.0).real)
    6.0
    """

    corners_mm: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "corners_mm", _convex(self.corners_mm))

    @property
    def _corners(self) -> tuple[tuple[float, float], ...]:
        return self.corners_mm

    @property
    def _scale_mm(self) -> tuple[float, float]:
        return 1.0, 1.0


@dataclass(frozen=True, kw_only=True)
class Rectangle(_Edges):
    """A rectangle of constant value.

    Parameters
    ----------
    size_mm : tuple of float
        Full lengths ``(y, x)`` of the sides before the rotation.
    value, center_mm, angle_rad
        See :class:`Shape2D`.

    Raises
    ------
    ValueError
        If a length is not positive or another number is not finite.

    Examples
    --------
    >>> from imgtech.phantoms import Rectangle
    >>> float(Rectangle(size_mm=(2.0, 5.0), center_mm=(7.0, 0.0)).line_integral(0.0, 1.0))
    2.0
    """

    size_mm: tuple[float, float]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "size_mm", positive_pair("size_mm", self.size_mm))

    @property
    def _corners(self) -> tuple[tuple[float, float], ...]:
        return (-0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.5, -0.5)

    @property
    def _scale_mm(self) -> tuple[float, float]:
        return self.size_mm

    def _transform(self, ky: Floats, kx: Floats) -> Floats | Complexes:
        return np.asarray(np.sinc(ky) * np.sinc(kx))


def _outward(ya: float, xa: float, yb: float, xb: float) -> tuple[float, float]:
    length = float(np.hypot(yb - ya, xb - xa))
    return -(xb - xa) / length, (yb - ya) / length


def _between(start: tuple[Any, Any], stop: tuple[Any, Any], y: Floats) -> Floats:
    """x at height y on the segment between two points ``(y, x)``; beyond its ends, that of the end."""
    rise = np.asarray(stop[0] - start[0], dtype=np.float64)
    share = np.clip((y - start[0]) / np.where(np.abs(rise) < TINY, 1.0, rise), 0.0, 1.0)
    return np.asarray(start[1] + share * (stop[1] - start[1]))


def _mean_positive(start: Floats, stop: Floats) -> Floats:
    """Mean of the positive part of a linear function between its end values."""
    low, high = np.minimum(start, stop), np.maximum(start, stop)
    mixed = (low < 0) & (high > 0)
    partly = high * high / np.where(mixed, 2 * (high - low), 1.0)
    return np.where(mixed, partly, np.where(high > 0, (low + high) / 2, 0.0))


def _sinc_less_one(t: Floats) -> Floats:
    """``sin(t) / t - 1`` with all digits, also where t is small."""
    square = t * t
    series = -square / 6 * (1 - square / 20 * (1 - square / 42 * (1 - square / 72)))
    return np.where(square < 0.04, series, np.sinc(t / np.pi) - 1.0)


def _convex(corners: npt.ArrayLike) -> tuple[tuple[float, float], ...]:
    points = floats("corners_mm", corners, ndim=2)
    if points.shape[0] < 3 or points.shape[1] != 2:
        raise ValueError(f"corners_mm must have shape (3 or more, 2), got shape {points.shape}")
    sides = np.roll(points, -1, axis=0) - points
    following = np.roll(sides, -1, axis=0)
    turns = sides[:, 1] * following[:, 0] - sides[:, 0] * following[:, 1]
    angles = np.arctan2(turns, (sides * following).sum(axis=1))
    if not (np.all(turns > 0) or np.all(turns < 0)) or abs(abs(angles.sum()) - 2 * np.pi) > 1e-6:
        raise ValueError(f"corners_mm must be the corners of a convex polygon, got {points.tolist()}")
    ordered = points if turns[0] > 0 else points[::-1]
    return tuple((float(y), float(x)) for y, x in ordered)
