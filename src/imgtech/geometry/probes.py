"""Ultrasound probes that are no straight row: convex, matrix, and elements anywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import count, finite, positive, two
from imgtech.geometry._points import set_rays
from imgtech.geometry.grid import sample_positions
from imgtech.geometry.ultrasound import LinearArray


@dataclass(frozen=True, kw_only=True)
class ConvexArray:
    r"""A row of elements on a circle in the (x, z) plane, bulging towards positive z.

    Element e looks along the angle :math:`\phi_e = (e - (n - 1) / 2)\, p / R` from the z axis and sits at
    :math:`z = R (\cos\phi_e - 1)`, :math:`x = \mathrm{center} + R \sin\phi_e`: the middle of the surface
    is at depth 0, the ends lie above it, and the centre of the circle is at depth :math:`-R`.

    Parameters
    ----------
    n_elements : int
        Number of elements.
    pitch_mm : float
        Distance between neighbouring elements along the arc.
    radius_mm : float
        Radius R of the circle.
    element_width_mm : float, optional
        Width of the active surface of one element; the pitch by default.
    center_mm : float, optional
        Position of the middle of the row on the x axis.

    Raises
    ------
    ValueError
        If a size is not positive, the centre is not finite, the width exceeds the pitch or the row goes
        round more than half a circle.

    Examples
    --------
    >>> from imgtech.geometry import ConvexArray
    >>> probe = ConvexArray(n_elements=3, pitch_mm=20.0, radius_mm=40.0)
    >>> probe.positions_mm.round(2) + 0.0
    array([[ -4.9 ,   0.  , -19.18],
           [  0.  ,   0.  ,   0.  ],
           [ -4.9 ,   0.  ,  19.18]])
    """

    n_elements: int
    pitch_mm: float
    radius_mm: float
    element_width_mm: float | None = None
    center_mm: float = 0.0

    def __post_init__(self) -> None:
        flat = LinearArray(
            n_elements=self.n_elements,
            pitch_mm=self.pitch_mm,
            element_width_mm=self.element_width_mm,
            center_mm=self.center_mm,
        )
        radius = positive("radius_mm", self.radius_mm)
        if flat.n_elements * flat.pitch_mm > np.pi * radius:
            raise ValueError(
                f"radius_mm must be at least {flat.n_elements * flat.pitch_mm / np.pi:.6g} (half a circle), "
                f"got {radius}"
            )
        for name in ("n_elements", "pitch_mm", "element_width_mm", "center_mm"):
            object.__setattr__(self, name, getattr(flat, name))
        object.__setattr__(self, "radius_mm", radius)

    @property
    def angles_rad(self) -> npt.NDArray[np.float64]:
        """Angle from the z axis along which each element looks, shape ``(n_elements,)``."""
        return sample_positions(self.n_elements, self.pitch_mm / self.radius_mm, 0.0)

    @property
    def positions_mm(self) -> npt.NDArray[np.float64]:
        """Centres of the elements ``(n_elements, 3)`` as ``(z, y, x)``."""
        return self.radius_mm * self.normals + np.array([-self.radius_mm, 0.0, self.center_mm])

    @property
    def normals(self) -> npt.NDArray[np.float64]:
        """Unit vectors ``(n_elements, 3)`` along which the elements look, as ``(z, y, x)``."""
        angles = self.angles_rad
        return np.stack([np.cos(angles), 0 * angles, np.sin(angles)], axis=1)


@dataclass(frozen=True, kw_only=True)
class MatrixArray:
    """A flat matrix of elements at depth 0, looking towards positive z.

    Elements are counted along x first: element ``row * n_columns + column`` sits at
    ``y = center_mm[0] + (row - (n_rows - 1) / 2) * pitch_mm[0]`` and likewise in x.

    Parameters
    ----------
    shape : tuple of int
        Rows along y and columns along x.
    pitch_mm : tuple of float
        Distance between neighbours along y and along x.
    element_width_mm : float, optional
        Width of a square element; the smaller pitch by default.
    center_mm : tuple of float, optional
        Position ``(y, x)`` of the middle.

    Raises
    ------
    ValueError
        If a size is not positive, a centre is not finite or the width exceeds a pitch.

    Examples
    --------
    >>> from imgtech.geometry import MatrixArray
    >>> MatrixArray(shape=(2, 3), pitch_mm=(0.4, 0.3)).positions_mm[4].tolist()
    [0.0, 0.2, 0.0]
    """

    shape: tuple[int, int]
    pitch_mm: tuple[float, float]
    element_width_mm: float | None = None
    center_mm: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        for name in ("shape", "pitch_mm", "center_mm"):
            object.__setattr__(self, name, two(name, getattr(self, name)))
        pitch = (positive("pitch_mm", self.pitch_mm[0]), positive("pitch_mm", self.pitch_mm[1]))
        given = min(pitch) if self.element_width_mm is None else self.element_width_mm
        width = positive("element_width_mm", given)
        if width > min(pitch):
            raise ValueError(f"element_width_mm must not exceed pitch_mm {min(pitch)}, got {width}")
        object.__setattr__(self, "shape", tuple(count("shape", n) for n in self.shape))
        object.__setattr__(self, "pitch_mm", pitch)
        object.__setattr__(self, "element_width_mm", width)
        object.__setattr__(self, "center_mm", tuple(finite("center_mm", c) for c in self.center_mm))

    @property
    def n_elements(self) -> int:
        """Number of elements."""
        return self.shape[0] * self.shape[1]

    @property
    def positions_mm(self) -> npt.NDArray[np.float64]:
        """Centres of the elements ``(n_elements, 3)`` as ``(z, y, x)``."""
        axes = zip(self.shape, self.pitch_mm, self.center_mm, strict=True)
        y, x = np.meshgrid(*(sample_positions(*axis) for axis in axes), indexing="ij")
        return np.stack([np.zeros(y.size), y.ravel(), x.ravel()], axis=1)

    @property
    def normals(self) -> npt.NDArray[np.float64]:
        """Unit vectors ``(n_elements, 3)`` along which the elements look, as ``(z, y, x)``."""
        return np.tile([1.0, 0.0, 0.0], (self.n_elements, 1))


@dataclass(frozen=True, kw_only=True, eq=False)
class ElementArray(ArrayValue):
    """Elements anywhere, for instance on a ring.

    Parameters
    ----------
    positions_mm : array_like of float
        Centres of the elements, ``(n_elements, 3)`` as ``(z, y, x)`` or ``(n_elements, 2)`` as ``(z, x)``.
    normals : array_like of float
        Vectors along which the elements look, of the same shape; they are scaled to length 1.
    element_width_mm : float
        Width of the active surface of one element.

    Raises
    ------
    ValueError
        If the shapes do not fit, a value is not finite, a normal is zero or the width is not positive.

    Examples
    --------
    >>> from imgtech.geometry import ElementArray
    >>> ring = ElementArray(
    ...     positions_mm=[[-20, 0], [0, 20]], normals=[[2, 0], [0, -1]], element_width_mm=0.5
    ... )
    >>> ring.normals.tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0]]
    """

    positions_mm: npt.NDArray[np.float64]
    normals: npt.NDArray[np.float64]
    element_width_mm: float

    def __post_init__(self) -> None:
        set_rays(self, "positions_mm", "normals", "element")
        object.__setattr__(self, "element_width_mm", positive("element_width_mm", self.element_width_mm))

    @property
    def n_elements(self) -> int:
        """Number of elements."""
        return len(self.positions_mm)


Probe = LinearArray | ConvexArray | MatrixArray | ElementArray
