"""What the makers' drawings of CT phantoms say, as data: used to build twins and to find the real ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Insert:
    """A rod of a known material.

    Parameters
    ----------
    name : str
        Material, with its place where a phantom has two of it.
    center_mm : (float, float)
        ``(v, u)`` of its axis: v down, u to the right.
    radius_mm : float
        Radius.
    nominal_hu : float
        CT number at 120 kV that a twin gets.
    """

    name: str
    center_mm: Point
    radius_mm: float
    nominal_hu: float


@dataclass(frozen=True, kw_only=True)
class BarGroup:
    """Bars beside one another, as wide as the gaps between them.

    Parameters
    ----------
    per_cm : int
        Line pairs per centimetre.
    n_bars : int
        Number of bars.
    center_mm : (float, float)
        ``(v, u)`` of the middle of the group.
    angle_rad : float
        Direction of the row of bars, from u towards v.
    height_mm : float
        Length of the bars.
    """

    per_cm: int
    n_bars: int
    center_mm: Point
    angle_rad: float
    height_mm: float


@dataclass(frozen=True, kw_only=True)
class ContrastRod:
    """A rod that hardly differs from what surrounds it.

    Parameters
    ----------
    percent : float
        Nominal contrast; 1 % is 10 HU.
    diameter_mm : float
        Diameter.
    center_mm : (float, float)
        ``(v, u)`` of its axis.
    """

    percent: float
    diameter_mm: float
    center_mm: Point


@dataclass(frozen=True, kw_only=True)
class Module:
    """A piece of a phantom along its axis.

    Parameters
    ----------
    name : str
        The maker's name.
    z_mm : (float, float)
        Where it begins and ends.
    body_hu : float
        CT number of its body in a twin.
    """

    name: str
    z_mm: tuple[float, float]
    body_hu: float

    @property
    def middle_mm(self) -> float:
        """Middle of the piece along the axis."""
        return (self.z_mm[0] + self.z_mm[1]) / 2


def at(radius_mm: float, degrees: float) -> Point:
    """``(v, u)`` of a point by radius and angle from u (right) towards v (down)."""
    turn = math.radians(degrees)
    return radius_mm * math.sin(turn), radius_mm * math.cos(turn)
