"""A phantom: shapes that add up, and everything a scanner would see of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ConeBeam, ConeVectors, FanBeam, ImageGrid, ParallelBeam, Trajectory
from imgtech.phantoms.coils import CoilSensitivities
from imgtech.phantoms.cone_projections import element_means
from imgtech.phantoms.placed import Shape2D
from imgtech.phantoms.shapes_3d import Shape3D

_FAN_NODES = 16


@dataclass(frozen=True, kw_only=True)
class Phantom:
    """An object made of shapes whose values add where they overlap.

    Everything is computed in double precision from closed forms; nothing is sampled on a grid first.

    Parameters
    ----------
    shapes : tuple of Shape2D or tuple of Shape3D
        At least one shape; all of the plane or all of space.

    Raises
    ------
    ValueError
        If there is no shape, something else stands among them, or flat and solid shapes are mixed.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid, ParallelBeam, Trajectory
    >>> from imgtech.phantoms import Ellipse, Phantom
    >>> phantom = Phantom(shapes=(Ellipse(value=2.0, semi_axes_mm=(5.0, 7.0), angle_rad=0.2),))
    >>> phantom.image(ImageGrid.square(8, fov_mm=20.0))[4, 4]
    np.float32(2.0)
    >>> beam = ParallelBeam.half_turn(n_views=3, n_channels=40, channel_spacing_mm=0.5)
    >>> phantom.sinogram(beam).shape
    (3, 40)
    >>> phantom.kspace(Trajectory.cartesian((6, 4), spacing_mm=(2.0, 3.0))).dtype
    dtype('complex64')
    """

    shapes: tuple[Shape2D | Shape3D, ...]

    def __post_init__(self) -> None:
        shapes = tuple(self.shapes)
        if not shapes:
            raise ValueError("shapes must hold at least one shape, got none")
        for shape in shapes:
            if not isinstance(shape, Shape2D | Shape3D):
                raise ValueError(f"shapes must hold shapes, got {shape!r}")
            if shape.ndim != shapes[0].ndim:
                raise ValueError(f"shapes must all have {shapes[0].ndim} axes, got {shape!r}")
        object.__setattr__(self, "shapes", shapes)

    def __add__(self, other: Phantom) -> Phantom:
        """Both objects in one place; their values add."""
        if not isinstance(other, Phantom):
            return NotImplemented
        return Phantom(shapes=self.shapes + other.shapes)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.shapes[0].ndim

    def image(self, grid: ImageGrid, *, dtype: npt.DTypeLike = np.float32) -> npt.NDArray[np.floating]:
        """Mean of the object over every pixel of a grid.

        Parameters
        ----------
        grid : ImageGrid
            Where the pixels are; a pixel is as large as the spacing.
        dtype : dtype, optional
            float32 or float64.

        Returns
        -------
        numpy.ndarray
            Array of ``grid.shape`` in the unit of the shapes' values. Exact up to rounding, except
            at the curved ends of an :class:`Ellipsoid` (see there).

        Raises
        ------
        ValueError
            If the grid does not have the object's number of axes or the dtype is another.
        """
        kind = _precision("dtype", dtype)
        _same_axes("grid", grid.ndim, self.ndim)
        image = np.zeros(grid.shape)
        for shape in self.shapes:
            shape.add_to_image(image, grid)
        return image.astype(kind)

    def sinogram(
        self, beam: ParallelBeam | FanBeam, *, dtype: npt.DTypeLike = np.float32
    ) -> npt.NDArray[np.floating]:
        """Line integrals, averaged over the width of every channel.

        Parameters
        ----------
        beam : ParallelBeam or FanBeam
            The rays; the mean runs over ``beam.channel_width_mm``. For parallel rays it is exact. For a
            fan it is the sum over the 16 points of Gauss and Legendre of each channel: exact to rounding
            where no edge crosses the channel; where a disk of radius R ends in a channel of the width w
            at the axis, off by less than 0.5 % of ``value * sqrt(8 R w)``, the chord that deep inside.
        dtype : dtype, optional
            float32 or float64.

        Returns
        -------
        numpy.ndarray
            Shape ``(view, channel)``, in value times mm: without a unit where values are in 1/mm.

        Raises
        ------
        ValueError
            If the object is not flat or the dtype is not one of the two.
        """
        kind = _precision("dtype", dtype)
        _same_axes("beam", 2, self.ndim)
        assert beam.channel_width_mm is not None
        if isinstance(beam, FanBeam):
            return np.asarray(self._fan_integrals(beam, beam.channel_width_mm), dtype=kind)
        angles, width = beam.angles_rad[:, None], beam.channel_width_mm
        low = beam.channels_mm - width / 2
        if width == beam.channel_spacing_mm:
            edges = np.append(low, beam.channels_mm[-1] + width / 2)
            integrals = np.diff(self._half_planes(angles, edges), axis=1)
        else:
            integrals = self._half_planes(angles, low + width) - self._half_planes(angles, low)
        return np.asarray(integrals / width, dtype=kind)

    def projections(
        self, beam: ConeBeam | ConeVectors, *, dtype: npt.DTypeLike = np.float32
    ) -> npt.NDArray[np.floating]:
        """Line integrals through a solid object, averaged over the area of every detector element.

        Parameters
        ----------
        beam : ConeBeam or ConeVectors
            The rays; the mean runs over the sensitive width and height of an element. An element that an
            edge crosses or comes near is the sum over 16 x 16 points of Gauss and Legendre, any other one
            over 3 x 3. The error is that of the fan beam's :meth:`sinogram`; where no edge is near it
            stays below 1e-5 of the largest chord.
        dtype : dtype, optional
            float32 or float64.

        Returns
        -------
        numpy.ndarray
            Shape ``(view, row, channel)``, in value times mm: without a unit where values are in 1/mm.

        Raises
        ------
        ValueError
            If the object is flat or the dtype is not one of the two.

        Examples
        --------
        >>> from imgtech.geometry import ConeBeam
        >>> from imgtech.phantoms import Ellipsoid, Phantom
        >>> ball = Phantom(shapes=(Ellipsoid(value=0.02, semi_axes_mm=(50.0, 50.0, 50.0)),))
        >>> beam = ConeBeam.full_turn(
        ...     n_views=2, source_axis_mm=400.0, source_detector_mm=500.0, n_channels=3,
        ...     channel_spacing_mm=0.5, n_rows=5, row_spacing_mm=0.5,
        ... )
        >>> ball.projections(beam)[0, 2, 1].round(3)
        np.float32(2.0)
        """
        kind = _precision("dtype", dtype)
        _same_axes("beam", 3, self.ndim)
        solid = [shape for shape in self.shapes if isinstance(shape, Shape3D)]
        means = np.zeros(beam.shape, dtype=kind)
        element_means(solid, beam.vectors() if isinstance(beam, ConeBeam) else beam, means)
        return means

    def ray_integrals(self, origins_mm: npt.ArrayLike, directions: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Integrals along whole straight lines through a solid object, in value times mm.

        Parameters
        ----------
        origins_mm : array_like of float
            A point ``(z, y, x)`` of every line, shape ``(..., 3)``.
        directions : array_like of float
            Directions ``(z, y, x)`` of the lines, of any length but zero; broadcast against the origins.

        Returns
        -------
        numpy.ndarray
            float64, of the leading shape of the two.

        Raises
        ------
        ValueError
            If the object is flat, a number is not finite or a direction is zero.

        Examples
        --------
        >>> from imgtech.phantoms import Ellipsoid, Phantom
        >>> ball = Phantom(shapes=(Ellipsoid(semi_axes_mm=(5.0, 5.0, 5.0), center_mm=(1.0, 0.0, 3.0)),))
        >>> round(float(ball.ray_integrals((1.0, 0.0, 0.0), (0.0, 0.0, 1.0))), 9)
        10.0
        """
        _same_axes("ray", 3, self.ndim)
        solid = (shape for shape in self.shapes if isinstance(shape, Shape3D))
        return np.asarray(sum(shape.line_integral(origins_mm, directions) for shape in solid))

    def kspace(
        self,
        trajectory: Trajectory,
        coils: CoilSensitivities | None = None,
        *,
        dtype: npt.DTypeLike = np.complex64,
    ) -> npt.NDArray[np.complexfloating]:
        r"""MRI signal :math:`S(k) = \int s(r)\, m(r)\, e^{-2 \pi i\, k \cdot r}\, dr`.

        Parameters
        ----------
        trajectory : Trajectory
            Positions in k-space.
        coils : CoilSensitivities, optional
            Receive coils; without them :math:`s(r) = 1` and there is no coil axis.
        dtype : dtype, optional
            complex64 or complex128.

        Returns
        -------
        numpy.ndarray
            Shape ``trajectory.shape``, with coils ``(coil, *trajectory.shape)``, in value times
            mm^2 (mm^3 for an object with three axes).

        Raises
        ------
        ValueError
            If trajectory, coils and object do not have the same number of axes or the dtype is
            another.
        """
        kind = _precision("dtype", dtype, "complex64", "complex128")
        _same_axes("trajectory", trajectory.ndim, self.ndim)
        positions = trajectory.positions_per_mm
        if coils is None:
            return self._spectrum(positions).astype(kind)
        _same_axes("coils", coils.ndim, self.ndim)
        signal = np.zeros((coils.n_coils, *trajectory.shape), dtype=np.complex128)
        for weights, shift in zip(coils.coefficients.T, coils.frequencies_per_mm, strict=True):
            signal += np.multiply.outer(weights, self._spectrum(positions - shift))
        return signal.astype(kind)

    def _half_planes(
        self, angles: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        flat = (shape for shape in self.shapes if isinstance(shape, Shape2D))
        return np.asarray(sum(shape.half_plane_integral(angles, edges) for shape in flat))

    def _fan_integrals(self, beam: FanBeam, width_mm: float) -> npt.NDArray[np.float64]:
        flat = [shape for shape in self.shapes if isinstance(shape, Shape2D)]
        integrals = np.zeros(beam.shape)
        for node, weight in zip(*np.polynomial.legendre.leggauss(_FAN_NODES), strict=True):
            gamma = beam.fan_angles_rad(beam.channels_mm + node * width_mm / 2)
            theta, s_mm = beam.angles_rad[:, None] - gamma, beam.source_axis_mm * np.sin(gamma)
            for shape in flat:
                integrals += weight / 2 * shape.line_integral(theta, s_mm)
        return integrals

    def _spectrum(self, positions: npt.NDArray[np.float64]) -> npt.NDArray[np.complex128]:
        axes = np.moveaxis(positions, -1, 0)
        return np.asarray(sum(shape.spectrum(*axes) for shape in self.shapes))


def _precision(name: str, dtype: npt.DTypeLike, *allowed: str) -> np.dtype:
    names = allowed or ("float32", "float64")
    kind = np.dtype(dtype)
    if kind.name not in names:
        raise ValueError(f"{name} must be {' or '.join(names)}, got {kind.name}")
    return kind


def _same_axes(name: str, given: int, needed: int) -> None:
    if given != needed:
        raise ValueError(f"{name} must have {needed} axes like the object, got {given}")
