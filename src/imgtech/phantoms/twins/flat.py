"""Flat digital twins: disks and bars on a field, blurred by a Gaussian, at any pose."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import finite, not_negative
from imgtech.geometry import ImageGrid
from imgtech.phantoms.placed import pair, positive_pair
from imgtech.phantoms.twins.placement import Placement
from imgtech.phantoms.twins.solids import Block, Rod

Floats = npt.NDArray[np.float64]

_DEEP = (-1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class FlatDisk:
    """A disk.

    Parameters
    ----------
    value : float
        What it adds to what lies under it, in the unit of the image.
    center_mm : (float, float)
        ``(v, u)`` of its middle: v down, u to the right.
    radius_mm : float
        Radius.

    Raises
    ------
    ValueError
        If the radius is not positive or a number not finite.
    """

    value: float
    center_mm: tuple[float, float]
    radius_mm: float

    def __post_init__(self) -> None:
        finite("value", self.value)
        self.solid()

    def solid(self) -> Rod:
        """The disk as a rod that goes through the whole slice."""
        return Rod(value_hu=self.value, center_mm=self.center_mm, radius_mm=self.radius_mm, z_mm=_DEEP)


@dataclass(frozen=True, kw_only=True)
class FlatBar:
    """A rectangle.

    Parameters
    ----------
    value : float
        What it adds to what lies under it, in the unit of the image.
    center_mm, size_mm : (float, float)
        ``(v, u)`` of the middle, and full lengths before the rotation.
    angle_rad : float, optional
        Rotation from u towards v.

    Raises
    ------
    ValueError
        If a length is not positive or a number not finite.
    """

    value: float
    center_mm: tuple[float, float]
    size_mm: tuple[float, float]
    angle_rad: float = 0.0

    def __post_init__(self) -> None:
        finite("value", self.value)
        pair("center_mm", self.center_mm)
        positive_pair("size_mm", self.size_mm)
        finite("angle_rad", self.angle_rad)

    def solid(self) -> Block:
        """The rectangle as a block that goes through the whole slice."""
        return Block(
            value_hu=self.value,
            center_mm=self.center_mm,
            size_mm=self.size_mm,
            angle_rad=self.angle_rad,
            z_mm=_DEEP,
        )


@dataclass(frozen=True, kw_only=True)
class FlatTwin:
    r"""A flat phantom of which everything is known.

    Shapes add their values to the background. Every pixel is the value at its centre of the shapes blurred
    by a Gaussian that stands for everything that blurs, the pixel included: the MTF is
    :math:`e^{-2 \pi^2 s^2 f^2}` exactly.

    Parameters
    ----------
    name : str
        Which phantom.
    background : float
        Value around the shapes.
    shapes : mapping of str to FlatDisk or FlatBar
        By name.
    facts : mapping of str to float, optional
        True values by name.

    Raises
    ------
    ValueError
        If the background is not finite or a shape neither disk nor bar.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms.twins import FlatDisk, FlatTwin, Placement
    >>> twin = FlatTwin(name="disk", background=100.0, shapes={
    ...     "disk": FlatDisk(value=20.0, center_mm=(0.0, 12.0), radius_mm=5.0)})
    >>> grid = ImageGrid(shape=(41, 61), spacing_mm=(1.0, 1.0))
    >>> image = twin.image(grid, sigma_mm=0.8, placement=Placement(mirrored=True))
    >>> [round(float(image[20, x])) for x in (18, 30, 42)]
    [120, 100, 100]
    """

    name: str
    background: float
    shapes: Mapping[str, FlatDisk | FlatBar]
    facts: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        finite("background", self.background)
        if not isinstance(self.shapes, Mapping):
            raise ValueError(f"shapes must be a mapping by name, got {self.shapes!r}")
        for name, shape in self.shapes.items():
            if not isinstance(shape, FlatDisk | FlatBar):
                raise ValueError(f"shapes must be disks and bars, got {shape!r} for {name!r}")
        object.__setattr__(self, "shapes", MappingProxyType(dict(self.shapes)))
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))

    def image(self, grid: ImageGrid, *, sigma_mm: float, placement: Placement | None = None) -> Floats:
        """The image without noise.

        Parameters
        ----------
        grid : ImageGrid
            Pixels, two axes.
        sigma_mm : float
            Standard deviation of the blur.
        placement : Placement, optional
            Offset, roll and mirror image; the rest of it is not used.

        Returns
        -------
        numpy.ndarray
            Shape ``grid.shape``, float64.

        Raises
        ------
        ValueError
            If the blur is negative.
        """
        sigma = not_negative("sigma_mm", sigma_mm)
        flat = dataclasses.replace(placement or Placement(), z_mm=0.0, tilt=(0.0, 0.0))
        place = flat.at(0.0, thickness_mm=1.0)
        out = np.full(grid.shape, float(self.background))
        for shape in self.shapes.values():
            shape.solid().add(out, grid, place, sigma)
        return out
