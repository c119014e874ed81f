"""An MR phantom seen in any plane: what a plane cuts out of its solids, and the image of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import count, each, positive
from imgtech.geometry import ImageGrid
from imgtech.phantoms.coils import CoilSensitivities
from imgtech.phantoms.phantom import Phantom
from imgtech.phantoms.placed import Shape2D
from imgtech.phantoms.polygons import Polygon
from imgtech.phantoms.twins.mr_twin import MrTwin, magnitude_image, spectrum_of
from imgtech.phantoms.twins.placement import Placement

Floats = npt.NDArray[np.float64]
Triple = tuple[float, float, float]

_FAR_MM = 1e4
_SAME_MM = 1e-7


@dataclass(frozen=True, kw_only=True)
class ScanPlane:
    """An image plane in the frame of a phantom, as points ``(v, u, z)``.

    Parameters
    ----------
    point_mm : (float, float, float)
        Where the origin of the image grid lies, in the middle of the slice.
    along_y, along_x : (float, float, float)
        Unit vectors of the image axes, square to each other.

    Raises
    ------
    ValueError
        If a vector is not of length 1 or the two are not square.

    Examples
    --------
    >>> from imgtech.phantoms.twins import ScanPlane
    >>> ScanPlane(point_mm=(0.0, 0.0, 44.0), along_y=(0.0, 0.0, -1.0), along_x=(1.0, 0.0, 0.0)).normal
    (0.0, -1.0, 0.0)
    """

    point_mm: Triple
    along_y: Triple
    along_x: Triple

    def __post_init__(self) -> None:
        for name in ("point_mm", "along_y", "along_x"):
            object.__setattr__(self, name, each(name, getattr(self, name), 3))
        y, x = np.array(self.along_y), np.array(self.along_x)
        for name, vector in (("along_y", y), ("along_x", x)):
            if abs(np.linalg.norm(vector) - 1) > 1e-6:
                raise ValueError(f"{name} must have length 1, got {np.linalg.norm(vector):g}")
        if abs(y @ x) > 1e-6:
            raise ValueError(f"along_x must be square to along_y, got an inner product of {y @ x:g}")

    @classmethod
    def of_scanner(cls, placement: Placement, *, point_mm: Triple, row: Triple, column: Triple) -> ScanPlane:
        """The plane of a DICOM image where a phantom is placed in a stack of axial slices.

        x, y and z of the scanner are those of the axial images and of their positions. A tilt of the
        placement turns the phantom as a whole.

        Parameters
        ----------
        placement : Placement
            Where the phantom lies.
        point_mm : (float, float, float)
            ``(x, y, z)`` of the origin of the image grid.
        row, column : (float, float, float)
            Direction cosines of a row (along x of the image) and of a column, as in the attribute Image
            Orientation (Patient).

        Examples
        --------
        >>> from imgtech.phantoms.twins import Placement, ScanPlane
        >>> plane = ScanPlane.of_scanner(
        ...     Placement(center_mm=(3.0, 5.0), z_mm=-7.0), point_mm=(5.0, 0.0, 0.0),
        ...     row=(0.0, 1.0, 0.0), column=(0.0, 0.0, -1.0),
        ... )
        >>> plane.point_mm, plane.along_x
        ((-3.0, 0.0, 7.0), (1.0, 0.0, 0.0))
        """
        matrix = _to_scanner(placement)
        middle = np.array([placement.center_mm[1], placement.center_mm[0], placement.z_mm])
        place, along_x, along_y = (
            np.array(each(name, values, 3)) @ matrix
            for name, values in (
                ("point_mm", tuple(np.array(each("point_mm", point_mm, 3)) - middle)),
                ("row", row),
                ("column", column),
            )
        )
        return cls(point_mm=tuple(place + 0.0), along_y=tuple(along_y + 0.0), along_x=tuple(along_x + 0.0))

    @property
    def normal(self) -> Triple:
        """Direction across the slice: x axis cross y axis."""
        (yv, yu, yz), (xv, xu, xz) = self.along_y, self.along_x
        # (v, u, z) are a left-handed order of (u, v, z)
        return xz * yu - xu * yz + 0.0, xv * yz - xz * yv + 0.0, xu * yv - xv * yu + 0.0


def plane_section(twin: MrTwin, plane: ScanPlane, *, thickness_mm: float, n_steps: int = 12) -> Phantom:
    """What a slice in any plane shows, as a flat object.

    A solid is convex; a plane cuts a polygon out of it (a round wall counts as facets, 0.002 mm outside
    the wall at most). The slice is the mean of ``n_steps`` planes, evenly spaced over its thickness; what is
    thinner than a step across the slice is met or missed.

    Parameters
    ----------
    twin : MrTwin
        The phantom.
    plane : ScanPlane
        The middle of the slice.
    thickness_mm : float
        Its thickness.
    n_steps : int, optional
        Number of planes.

    Returns
    -------
    Phantom
        Polygons whose values add up to the mean over the slice.

    Raises
    ------
    ValueError
        If nothing lies in the slice, or an argument is out of range.

    Examples
    --------
    >>> from imgtech.phantoms.twins import ScanPlane, acr_mri, plane_section
    >>> plane = ScanPlane(point_mm=(0.0, 2.0, 44.0), along_y=(0.0, 0.0, -1.0), along_x=(1.0, 0.0, 0.0))
    >>> water = plane_section(acr_mri("large"), plane, thickness_mm=3.0).shapes[0]
    >>> [round(float(abs(c)), 3) for c in water.corners_mm[0]]
    [74.0, 94.941]
    """
    thick, steps = positive("thickness_mm", thickness_mm), count("n_steps", n_steps)
    y, x, normal = (np.array(v) for v in (plane.along_y, plane.along_x, plane.normal))
    shapes: list[Shape2D] = []
    for solid in twin.solids.values():
        faces, limits = solid.faces()
        for i in range(steps):
            point = np.array(plane.point_mm) + normal * thick * ((i + 0.5) / steps - 0.5)
            corners = _cut(faces @ y, faces @ x, limits - faces @ point)
            if corners is not None:
                shapes.append(_polygon(corners, solid.signal / steps))
    if not shapes:
        raise ValueError("plane must cut the phantom, got nothing within the slice")
    return Phantom(shapes=tuple(shapes))


def plane_image(
    twin: MrTwin,
    grid: ImageGrid,
    plane: ScanPlane,
    *,
    thickness_mm: float,
    sensitivity: CoilSensitivities | None = None,
    ghost: complex = 0.0,
    sigma: float = 0.0,
    rng: np.random.Generator | None = None,
    n_steps: int = 12,
) -> npt.NDArray[np.float32]:
    """Magnitude image of an MR phantom in any plane, from its closed-form k-space.

    Parameters
    ----------
    twin : MrTwin
        The phantom.
    grid : ImageGrid
        The pixels; its origin lies at the point of the plane.
    plane : ScanPlane
        The middle of the slice.
    thickness_mm : float
        Its thickness.
    sensitivity : CoilSensitivities, optional
        One coil, to shade the image.
    ghost : complex, optional
        As in :meth:`MrTwin.images`.
    sigma : float, optional
        Standard deviation of the noise in each of the real and the imaginary part of a pixel.
    rng : numpy.random.Generator, optional
        Source of the noise; needed where ``sigma`` is not 0.
    n_steps : int, optional
        See :func:`plane_section`.

    Returns
    -------
    numpy.ndarray
        ``(y, x)``, float32.

    Raises
    ------
    ValueError
        As :func:`plane_section` and :meth:`MrTwin.images`.

    Examples
    --------
    A sagittal localizer, with feet at the bottom as the scanners show it.

    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms.twins import Cylinder, MrTwin, ScanPlane, plane_image
    >>> bottle = MrTwin(name="bottle", solids={
    ...     "water": Cylinder(signal=1000.0, semi_axes_mm=(60.0, 60.0), z_mm=(-50.0, 70.0)),
    ... })
    >>> plane = ScanPlane(point_mm=(0.0, 0.0, 0.0), along_y=(0.0, 0.0, -1.0), along_x=(1.0, 0.0, 0.0))
    >>> image = plane_image(bottle, ImageGrid.square(64, fov_mm=192.0), plane, thickness_mm=10.0)
    >>> rows = np.flatnonzero(image[:, 32] > 500)
    >>> int(rows[0]), int(rows[-1])
    (9, 48)
    """
    if sensitivity is not None and sensitivity.n_coils != 1:
        raise ValueError(f"sensitivity must be of one coil, got {sensitivity.n_coils}")
    shapes = plane_section(twin, plane, thickness_mm=thickness_mm, n_steps=n_steps).shapes
    flat = [s for s in shapes if isinstance(s, Shape2D)]
    return magnitude_image(spectrum_of(flat, grid, sensitivity), grid, ghost=ghost, sigma=sigma, rng=rng)


def _to_scanner(placement: Placement) -> Floats:
    """Columns: v, u and z of the phantom in ``(x, y, z)`` of the scanner."""
    c, s = math.cos(placement.roll_rad), math.sin(placement.roll_rad)
    side, way = (-1.0 if flag else 1.0 for flag in (placement.mirrored, placement.reversed))
    upright = np.array([[-s, side * c, 0.0], [c, side * s, 0.0], [0.0, 0.0, way]])
    axis = np.array([placement.tilt[1], placement.tilt[0], 1.0])
    axis /= np.linalg.norm(axis)
    # the least rotation that takes the z axis to the axis of the phantom
    x, y, z = axis
    lean = np.array([[1 - x * x / (1 + z), -x * y / (1 + z), x],
                     [-x * y / (1 + z), 1 - y * y / (1 + z), y],
                     [-x, -y, z]])  # fmt: skip
    return np.asarray(lean @ upright)


def _cut(a: Floats, b: Floats, c: Floats) -> Floats | None:
    """Corners ``(y, x)`` of the polygon ``a y + b x <= c``, or nothing."""
    corners = _FAR_MM * np.array([(-1.0, -1.0), (-1.0, 1.0), (1.0, 1.0), (1.0, -1.0)])
    for _ in range(4 * len(c)):
        beyond = a[:, None] * corners[:, 0] + b[:, None] * corners[:, 1] - c[:, None]
        face = int(np.argmax(beyond.max(axis=1)))
        if beyond[face].max() <= _SAME_MM:
            return _clean(corners)
        corners = _clipped(corners, beyond[face])
        if len(corners) < 3:
            return None
    return _clean(corners)


def _clipped(corners: Floats, beyond: Floats) -> Floats:
    """A convex polygon without what lies beyond a line."""
    kept = []
    for i, (point, over) in enumerate(zip(corners, beyond, strict=True)):
        j = (i + 1) % len(corners)
        if over <= 0:
            kept.append(point)
        if (over <= 0) != (beyond[j] <= 0):
            kept.append(point + (corners[j] - point) * over / (over - beyond[j]))
    return np.array(kept).reshape(-1, 2)


def _clean(corners: Floats) -> Floats | None:
    """Without corners that are none: twice the same, or on the line of their neighbours."""
    corners = corners[np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1) > 10 * _SAME_MM]
    before, after = corners - np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0) - corners
    turn = before[:, 1] * after[:, 0] - before[:, 0] * after[:, 1]
    corners = corners[np.abs(turn) > 1e-9 * np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)]
    return corners if len(corners) >= 3 else None


def _polygon(corners: Floats, value: float) -> Polygon:
    """Around its own middle: equal cuts at many places then share one transform."""
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    own = np.round(corners - middle, 9)
    return Polygon(corners_mm=own, center_mm=(float(middle[0]), float(middle[1])), value=value)
