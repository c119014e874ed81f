"""A digital twin: solids with names, seen as a stack of slices or as raw data of one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import not_negative, positive
from imgtech.geometry import ImageGrid
from imgtech.phantoms.phantom import Phantom
from imgtech.phantoms.placed import Shape2D
from imgtech.phantoms.twins.placement import Placement
from imgtech.phantoms.twins.solids import Solid

Floats = npt.NDArray[np.float64]

AIR_HU = -1000.0


@dataclass(frozen=True, kw_only=True)
class Twin:
    """A CT phantom of which everything is known.

    Every pixel is the mean over the thickness of the slice, blurred in the plane by a Gaussian that stands
    for focal spot, detector, kernel and pixel together: the MTF is :math:`e^{-2 \\pi^2 s^2 f^2}` exactly.

    Parameters
    ----------
    name : str
        Which phantom.
    solids : mapping of str to Solid
        By name; around them is air of -1000 HU, and their values add to it.
    facts : mapping of str to float, optional
        True CT numbers in HU, by name.

    Raises
    ------
    ValueError
        If there is no solid.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms.twins import Placement, Rod, Twin
    >>> water = Twin(name="water", solids={
    ...     "water": Rod(value_hu=1000.0, center_mm=(0.0, 0.0), radius_mm=100.0, z_mm=(-50.0, 50.0)),
    ... })
    >>> grid = ImageGrid.square(64, fov_mm=240.0)
    >>> image = water.slices(grid, [0.0], thickness_mm=5.0, sigma_mm=0.8)[0]
    >>> round(float(image[32, 30])), round(float(image[0, 0]))
    (0, -1000)
    """

    name: str
    solids: Mapping[str, Solid]
    facts: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.solids:
            raise ValueError("solids must hold at least one solid, got none")
        object.__setattr__(self, "solids", MappingProxyType(dict(self.solids)))
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))

    def slices(
        self,
        grid: ImageGrid,
        positions_mm: npt.ArrayLike,
        *,
        thickness_mm: float,
        sigma_mm: float,
        placement: Placement | None = None,
    ) -> npt.NDArray[np.float32]:
        """Images without noise.

        Parameters
        ----------
        grid : ImageGrid
            Pixels of a slice.
        positions_mm : array_like
            Positions of the middles of the slices.
        thickness_mm : float
            Thickness of a slice, of box-shaped sensitivity.
        sigma_mm : float
            Standard deviation of the blur.
        placement : Placement, optional
            Where the phantom lies; straight and in the middle by default.

        Returns
        -------
        numpy.ndarray
            ``(slice, y, x)`` in HU, float32.

        Raises
        ------
        ValueError
            If the thickness is not positive or the blur negative.
        """
        where = placement or Placement()
        sigma = not_negative("sigma_mm", sigma_mm)
        thick = positive("thickness_mm", thickness_mm)
        positions = np.atleast_1d(np.asarray(positions_mm, dtype=np.float64))
        out = np.empty((len(positions), *grid.shape), dtype=np.float32)
        for plane, position in zip(out, positions, strict=True):
            image = np.full(grid.shape, AIR_HU)
            place = where.at(float(position), thickness_mm=thick)
            for solid in self.solids.values():
                solid.add(image, grid, place, sigma)
            plane[:] = image
        return out

    def section(
        self,
        position_mm: float,
        *,
        thickness_mm: float,
        placement: Placement | None = None,
        water_per_mm: float = 0.0192,
    ) -> Phantom:
        """One slice as a flat object of attenuation, to take raw data of.

        Parameters
        ----------
        position_mm, thickness_mm : float
            The slice.
        placement : Placement, optional
            Where the phantom lies.
        water_per_mm : float, optional
            Attenuation of water; ``(1 + HU/1000)`` of it is the attenuation of everything else.

        Returns
        -------
        Phantom
            Values in 1/mm; air is 0.

        Raises
        ------
        ValueError
            If nothing lies in the slice.
        """
        place = (placement or Placement()).at(position_mm, thickness_mm=thickness_mm)
        shapes: list[Shape2D] = [s for solid in self.solids.values() for s in solid.section(place)]
        factor = positive("water_per_mm", water_per_mm) / 1000.0
        if not shapes:
            raise ValueError(f"position_mm must be a slice that cuts the phantom, got {position_mm}")
        return Phantom(shapes=tuple(dataclasses.replace(s, value=factor * s.value) for s in shapes))


def with_ring(
    images: npt.ArrayLike, grid: ImageGrid, *, radius_mm: float, width_mm: float, height_hu: float
) -> npt.NDArray[np.float32]:
    """Add a ring around the middle of the grid, as a detector channel that is off would leave it.

    Parameters
    ----------
    images : array_like
        ``(slice, y, x)`` or ``(y, x)`` in HU.
    grid : ImageGrid
        Pixels of a slice; the axis of rotation of the scanner is at its origin.
    radius_mm, width_mm, height_hu : float
        The ring: its middle radius, its Gaussian standard deviation and its height.

    Returns
    -------
    numpy.ndarray
        The shape of the images, float32.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms.twins import with_ring
    >>> grid = ImageGrid(shape=(41, 41), spacing_mm=(1.0, 1.0))
    >>> ring = with_ring(np.zeros((41, 41)), grid, radius_mm=12.0, width_mm=0.8, height_hu=9.0)
    >>> float(ring[20, 32]), float(ring[20, 20])
    (9.0, 0.0)
    """
    y, x = grid.coordinates_mm
    away = (np.hypot(y[:, None], x) - positive("radius_mm", radius_mm)) / positive("width_mm", width_mm)
    ring = height_hu * np.exp(-(away**2) / 2)
    ring[np.abs(away) > 8] = 0.0
    return np.asarray(np.asarray(images, dtype=np.float64) + ring, dtype=np.float32)
