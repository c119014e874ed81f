"""Simple phantoms by name: disk, wire, slanted edge, contrast rods."""

from __future__ import annotations

import math
from collections.abc import Sequence

from imgtech._core.validate import finite, floats, positive
from imgtech.phantoms.phantom import Phantom
from imgtech.phantoms.placed import pair
from imgtech.phantoms.polygons import Rectangle
from imgtech.phantoms.shapes_2d import Ellipse


def uniform_disk(
    *, radius_mm: float, value: float = 1.0, center_mm: tuple[float, float] = (0.0, 0.0)
) -> Phantom:
    """Return a disk of one value, centred at ``(y, x)``.

    Parameters
    ----------
    radius_mm : float
        Radius of the disk.
    value : float, optional
        Value inside.
    center_mm : tuple of float, optional
        ``(y, x)`` of the centre.

    Returns
    -------
    Phantom
        One ellipse with equal half axes.

    Raises
    ------
    ValueError
        If the radius is not positive or another number not finite.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import uniform_disk
    >>> uniform_disk(radius_mm=3.0, value=0.5).image(ImageGrid.square(2, fov_mm=2.0))
    array([[0.5, 0.5],
           [0.5, 0.5]], dtype=float32)
    """
    radius = positive("radius_mm", radius_mm)
    return Phantom(shapes=(Ellipse(value=value, center_mm=center_mm, semi_axes_mm=(radius, radius)),))


def wire(*, diameter_mm: float, value: float = 1.0, center_mm: tuple[float, float] = (0.0, 0.0)) -> Phantom:
    """Return the cross-section of a thin round wire, or a point when its diameter is far below a pixel.

    Parameters
    ----------
    diameter_mm : float
        Diameter; the integral over the wire is ``value * pi / 4 * diameter_mm**2`` however thin it is.
    value : float, optional
        Value inside.
    center_mm : tuple of float, optional
        ``(y, x)`` of the centre.

    Returns
    -------
    Phantom
        One ellipse with equal half axes.

    Raises
    ------
    ValueError
        If the diameter is not positive or another number not finite.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import wire
    >>> image = wire(diameter_mm=0.1, center_mm=(0.0, 1.0)).image(ImageGrid.square(5, fov_mm=5.0))
    >>> round(float(image[2, 3]), 6)
    0.007854
    """
    radius = positive("diameter_mm", diameter_mm) / 2
    return Phantom(shapes=(Ellipse(value=value, center_mm=center_mm, semi_axes_mm=(radius, radius)),))


def slanted_edge(
    *,
    angle_rad: float,
    position_mm: float = 0.0,
    value: float = 1.0,
    size_mm: tuple[float, float] = (100.0, 100.0),
) -> Phantom:
    """Return a rectangle one side of which is a slanted edge, sharp, with a sinogram and a k-space.

    The edge lies on ``x cos(angle) + y sin(angle) = position``; the rectangle fills the side of
    larger values. For a blurred edge without other sides see :class:`BlurredEdge`.

    Parameters
    ----------
    angle_rad : float
        Direction of the edge's normal, counter-clockwise from x towards y.
    position_mm : float, optional
        Distance of the edge from the origin along the normal.
    value : float, optional
        Value inside.
    size_mm : tuple of float, optional
        ``(length of the edge, depth behind it)``. The middle of the edge is nearest the origin.

    Returns
    -------
    Phantom
        One rectangle.

    Raises
    ------
    ValueError
        If a length is not positive or another number not finite.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import slanted_edge
    >>> slanted_edge(angle_rad=0.0, position_mm=0.25).image(ImageGrid.square(4, fov_mm=4.0))[1]
    array([0.  , 0.  , 0.75, 1.  ], dtype=float32)
    """
    angle, position = finite("angle_rad", angle_rad), finite("position_mm", position_mm)
    length, depth = pair("size_mm", size_mm)
    middle = position + depth / 2
    edge = Rectangle(
        value=value,
        center_mm=(middle * math.sin(angle), middle * math.cos(angle)),
        size_mm=(length, depth),
        angle_rad=angle,
    )
    return Phantom(shapes=(edge,))


def contrast_rods(
    *,
    radius_mm: float,
    rod_radii_mm: Sequence[float],
    rod_contrasts: Sequence[float],
    ring_radius_mm: float,
    value: float = 1.0,
    start_rad: float = 0.0,
    center_mm: tuple[float, float] = (0.0, 0.0),
) -> Phantom:
    """Return a disk with round rods on a ring, evenly spaced.

    Rod i sits at the angle ``start_rad + 2 pi i / n`` from the middle of the disk, counter-clockwise
    from x towards y.

    Parameters
    ----------
    radius_mm : float
        Radius of the disk.
    rod_radii_mm, rod_contrasts : sequence of float
        Radius of each rod, and its value minus the value of the disk.
    ring_radius_mm : float
        Radius of the circle on which the rods' centres lie.
    value : float, optional
        Value of the disk.
    start_rad : float, optional
        Angle of rod 0.
    center_mm : tuple of float, optional
        ``(y, x)`` of the middle of the disk.

    Returns
    -------
    Phantom
        The disk first, then the rods in their order.

    Raises
    ------
    ValueError
        If the two sequences differ in length, a rod reaches out of the disk, a radius is not positive
        or another number not finite.

    Examples
    --------
    >>> from imgtech.phantoms import contrast_rods
    >>> rods = contrast_rods(
    ...     radius_mm=100.0, rod_radii_mm=(4.0, 3.0), rod_contrasts=(0.1, -0.2), ring_radius_mm=50.0
    ... )
    >>> len(rods.shapes)
    3
    """
    radii = [positive("rod_radii_mm", radius) for radius in floats("rod_radii_mm", rod_radii_mm).tolist()]
    contrasts = floats("rod_contrasts", rod_contrasts)
    if len(radii) != len(contrasts):
        raise ValueError(f"rod_contrasts must hold {len(radii)} values, got {len(contrasts)}")
    ring, start = positive("ring_radius_mm", ring_radius_mm), finite("start_rad", start_rad)
    disk, (y, x) = positive("radius_mm", radius_mm), pair("center_mm", center_mm)
    if ring + max(radii) > disk:
        raise ValueError(
            f"ring_radius_mm must leave the rods inside the disk of {disk} mm, got {ring} for rods of "
            f"up to {max(radii)} mm"
        )
    angles = [start + 2 * math.pi * i / len(radii) for i in range(len(radii))]
    rods = tuple(
        Ellipse(
            value=float(contrast),
            center_mm=(y + ring * math.sin(angle), x + ring * math.cos(angle)),
            semi_axes_mm=(radius, radius),
        )
        for angle, radius, contrast in zip(angles, radii, contrasts, strict=True)
    )
    return Phantom(shapes=(Ellipse(value=value, center_mm=(y, x), semi_axes_mm=(disk, disk)), *rods))
