"""Geometries of TIGRE: the attributes of its geometry object, so TIGRE need not be installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import count, floats, one_of, positive
from imgtech.geometry import ConeBeam, ConeVectors, ImageGrid, ParallelBeam
from imgtech.io.beams._vectors import Floats, cone_from_steps, same_in_all_views, turns, whole

_NEEDED = ("nVoxel", "dVoxel", "nDetector", "dDetector")


def beam_from_tigre(
    geometry: Any, angles_rad: npt.ArrayLike
) -> tuple[ParallelBeam | ConeBeam | ConeVectors, ImageGrid]:
    r"""Turn a geometry object of TIGRE and its angles into a beam and a grid.

    At TIGRE's angle :math:`\alpha` the source sits at DSO :math:`(\cos\alpha, \sin\alpha)` in (x, y) and the
    channels run along :math:`(-\sin\alpha, \cos\alpha)`: :math:`\beta = \alpha + \pi/2` here. Projections
    ``(view, V, U)`` and volumes ``(z, y, x)`` are those of imgtech as they stand. ``offDetector`` is
    ``(V, U)``, ``offOrigin`` the middle of the volume in ``(z, y, x)``, ``COR`` a shift of source and
    detector together along the channels. A volume that sinks from view to view is a helix.

    Parameters
    ----------
    geometry : object
        Anything with TIGRE's attributes ``nVoxel``, ``dVoxel``, ``nDetector``, ``dDetector``, for a cone
        ``DSO`` and ``DSD``, and where they are there ``mode``, ``offOrigin``, ``offDetector``, ``COR`` and
        ``rotDetector``.
    angles_rad : array_like of float
        Shape ``(n_views,)``, or ``(n_views, 3)`` with TIGRE's Euler angles about z, y, z.

    Returns
    -------
    beam : ParallelBeam, ConeBeam or ConeVectors
        The rays; ConeVectors where anything is tilted or a distance or an offset changes. Of a parallel beam
        the rays of one detector row.
    grid : ImageGrid
        The voxels ``(z, y, x)``; of a parallel beam ``(y, x)``.

    Raises
    ------
    ValueError
        If an attribute is missing, is not finite, or does not fit the number of views.

    References
    ----------
    Biguri, Dosanjh, Hancock and Soleimani 2016, https://doi.org/10.1088/2057-1976/2/5/055010; the positions
    follow ``computeDeltas`` of https://github.com/CERN/TIGRE, Common/CUDA/Siddon_projection.cu.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from imgtech.io.beams import beam_from_tigre
    >>> geo = SimpleNamespace(nVoxel=[4, 8, 8], dVoxel=[1.0, 1.0, 1.0], nDetector=[6, 10],
    ...                       dDetector=[1.5, 1.2], DSO=400.0, DSD=600.0)
    >>> beam, grid = beam_from_tigre(geo, [0.0, 1.0])
    >>> beam.shape, beam.angles_rad.round(3), grid.shape
    ((2, 6, 10), array([1.571, 2.571]), (4, 8, 8))
    """
    missing = [name for name in _NEEDED if not hasattr(geometry, name)]
    if missing:
        raise ValueError(f"geometry must have {missing[0]}, as every geometry of TIGRE does")
    angles = floats("angles_rad", angles_rad, 2 if np.ndim(angles_rad) == 2 else 1)
    euler = angles[:, None] * [1.0, 0.0, 0.0] if angles.ndim == 1 else angles
    if euler.shape[1] != 3:
        raise ValueError(f"angles_rad must be of shape (n_views,) or (n_views, 3), got {angles.shape}")
    n_views = len(euler)
    mode = one_of("mode", getattr(geometry, "mode", None) or "cone", ("cone", "parallel"))
    n_rows, n_channels = (whole("nDetector", n) for n in _numbers(geometry, "nDetector", 2))
    row_mm, channel_mm = (positive("dDetector", d) for d in _numbers(geometry, "dDetector", 2))
    origin = _per_view(geometry, "offOrigin", n_views, 3)
    offset = _per_view(geometry, "offDetector", n_views, 2)
    turned = _per_view(geometry, "rotDetector", n_views, 3)
    axis = _per_view(geometry, "COR", n_views, 1)[:, 0]
    moves = np.ptp(origin, axis=0).max() > 0
    grid = ImageGrid(
        shape=tuple(whole("nVoxel", n) for n in _numbers(geometry, "nVoxel", 3)),
        spacing_mm=tuple(positive("dVoxel", d) for d in _numbers(geometry, "dVoxel", 3)),
        center_mm=(0.0, 0.0, 0.0) if moves else tuple(float(c) for c in origin[0]),
    )
    if mode == "parallel":
        if np.any(euler[:, 1:]) or np.any(turned) or moves:
            raise ValueError("a parallel beam must turn about z with a still volume, got tilts or shifts")
        flat = ImageGrid(shape=grid.shape[1:], spacing_mm=grid.spacing_mm[1:], center_mm=grid.center_mm[1:])  # type: ignore[index]
        shift = same_in_all_views("offDetector and COR", offset[:, 1] + axis)
        beam = ParallelBeam(
            angles_rad=euler[:, 0] + np.pi / 2,
            n_channels=n_channels,
            channel_spacing_mm=channel_mm,
            detector_offset_mm=shift,
        )
        return beam, flat
    near, far = (_per_view(geometry, name, n_views, 1, needed=True)[:, 0] for name in ("DSO", "DSD"))
    slide = origin if moves else np.zeros_like(origin)
    fixed = all(
        np.ptp(v) == 0 for v in (near, far, offset[:, 0], offset[:, 1], axis, slide[:, 1], slide[:, 2])
    )
    if np.any(euler[:, 1:]) or np.any(turned) or not fixed or np.any(slide[:, 1:]):
        return _vectors(
            (near, far), euler, offset, turned, axis, slide, (n_rows, row_mm), (n_channels, channel_mm)
        ), grid
    return ConeBeam(
        source_axis_mm=float(near[0]),
        source_detector_mm=float(far[0]),
        angles_rad=euler[:, 0] + np.pi / 2,
        n_channels=n_channels,
        channel_spacing_mm=channel_mm,
        n_rows=n_rows,
        row_spacing_mm=row_mm,
        detector_offset_mm=float(offset[0, 1] + axis[0]),
        row_offset_mm=float(offset[0, 0]),
        source_z_mm=-slide[:, 0],
        focal_shift_mm=(0.0, 0.0, float(axis[0])),
    ), grid


def beam_to_tigre(
    beam: ParallelBeam | ConeBeam, grid: ImageGrid, *, n_rows: int = 1, row_spacing_mm: float | None = None
) -> tuple[dict[str, Any], Floats]:
    """Turn a beam and a grid into the attributes of a geometry object of TIGRE and its angles.

    ``for name, value in attributes.items(): setattr(geo, name, value)`` puts them into ``tigre.geometry()``.

    Parameters
    ----------
    beam : ParallelBeam or ConeBeam
        The rays, with a flat detector and a focal spot that stays where it is. A helix moves the volume.
    grid : ImageGrid
        The voxels; two axes for a parallel beam, three for a cone.
    n_rows : int, optional
        Rows of a parallel beam: its slices.
    row_spacing_mm : float, optional
        Their distance; the channel spacing by default.

    Returns
    -------
    attributes : dict
        ``mode``, ``DSO``, ``DSD``, ``nDetector``, ``dDetector``, ``sDetector``, ``nVoxel``, ``dVoxel``,
        ``sVoxel``, ``offOrigin``, ``offDetector``.
    angles_rad : numpy.ndarray
        TIGRE's angles, a quarter of a turn behind ``beam.angles_rad``.

    Raises
    ------
    ValueError
        If it is no such beam, the detector is curved, the focal spot is shifted, or the grid does not have
        the axes of the beam.

    Examples
    --------
    >>> from imgtech.geometry import ConeBeam, ImageGrid
    >>> from imgtech.io.beams import beam_to_tigre
    >>> beam = ConeBeam.full_turn(n_views=4, source_axis_mm=400.0, source_detector_mm=500.0, n_channels=3,
    ...                           channel_spacing_mm=0.5, n_rows=2, row_spacing_mm=0.75)
    >>> attributes, angles = beam_to_tigre(beam, ImageGrid(shape=(2, 3, 4), spacing_mm=(1.0, 1.0, 1.0)))
    >>> attributes["nDetector"], attributes["DSD"], angles.round(2)
    (array([2, 3]), 500.0, array([-1.57,  0.  ,  1.57,  3.14]))
    """
    if not isinstance(beam, ParallelBeam | ConeBeam):
        raise ValueError(f"beam must be a ParallelBeam or a ConeBeam for TIGRE, got {type(beam).__name__}")
    is_cone = isinstance(beam, ConeBeam)
    if grid.ndim != (3 if is_cone else 2):
        raise ValueError(f"grid must have {3 if is_cone else 2} axes for this beam, got shape {grid.shape}")
    center = np.asarray(grid.center_mm)
    attributes: dict[str, Any]
    if isinstance(beam, ConeBeam):
        if beam.detector != "flat" or np.any(beam.focal_shift_mm):
            raise ValueError("beam must have a flat detector and no shifted focal spot for TIGRE")
        height = np.asarray(beam.source_z_mm)
        origin = center - height[:, None] * [1.0, 0.0, 0.0] if np.any(height) else center
        attributes = {"mode": "cone", "DSO": beam.source_axis_mm, "DSD": beam.source_detector_mm}
        rows = (beam.n_rows, beam.row_spacing_mm, beam.row_offset_mm)
        voxels, size = grid.shape, grid.spacing_mm
    else:
        height_mm = (
            beam.channel_spacing_mm if row_spacing_mm is None else positive("row_spacing_mm", row_spacing_mm)
        )
        origin, rows = np.concatenate([[0.0], center]), (count("n_rows", n_rows), height_mm, 0.0)
        voxels, size = (rows[0], *grid.shape), (height_mm, *grid.spacing_mm)
        far_mm = 2 * max(n * d for n, d in zip(voxels, size, strict=True))
        attributes = {"mode": "parallel", "DSO": far_mm, "DSD": 2 * far_mm}
    detector = np.array([rows[0], beam.n_channels])
    element_mm = np.array([rows[1], beam.channel_spacing_mm])
    attributes |= {
        "nDetector": detector,
        "dDetector": element_mm,
        "sDetector": detector * element_mm,
        "nVoxel": np.array(voxels),
        "dVoxel": np.array(size),
        "sVoxel": np.array(voxels) * np.array(size),
        "offOrigin": origin,
        "offDetector": np.array([rows[2], beam.detector_offset_mm]),
    }
    return attributes, np.asarray(beam.angles_rad - np.pi / 2)


def _numbers(geometry: Any, name: str, n: int) -> list[float]:
    values = floats(name, getattr(geometry, name))
    if len(values) != n:
        raise ValueError(f"{name} must hold {n} numbers, got {values.tolist()}")
    return [float(value) for value in values]


def _per_view(geometry: Any, name: str, n_views: int, size: int, needed: bool = False) -> Floats:
    """An attribute as ``(n_views, size)``: one value, one vector, or one a view."""
    given = getattr(geometry, name, None)
    if given is None:
        if needed:
            raise ValueError(f"geometry must have {name}, as every cone geometry of TIGRE does")
        return np.zeros((n_views, size))
    values = floats(name, given, np.ndim(given))
    if size == 1 and values.shape == (n_views,):
        values = values[:, None]
    try:
        return np.asarray(np.broadcast_to(values, (n_views, size)))
    except ValueError as error:
        raise ValueError(
            f"{name} must have {size} value(s), or as many in each of the {n_views} views, got {values.shape}"
        ) from error


def _vectors(
    distances: tuple[Floats, Floats],
    euler: Floats,
    offset: Floats,
    turned: Floats,
    axis: Floats,
    slide: Floats,
    rows: tuple[int, float],
    channels: tuple[int, float],
) -> ConeVectors:
    """Vectors of every view: the detector turned in itself, put in its place, then everything turned."""
    near, far = distances
    zero = np.zeros_like(near)
    yaw, pitch, roll = turned.T
    own = turns(2, roll) @ turns(1, pitch) @ turns(0, yaw)
    alpha, theta, psi = euler.T
    gantry = turns(2, alpha) @ turns(1, theta) @ turns(2, psi)

    def placed(x: Floats, y: Floats, z: Floats) -> Floats:
        return np.asarray((gantry @ np.stack([x, y, z], axis=1)[:, :, None])[:, :, 0])

    def step(y: float, z: float) -> Floats:
        return np.asarray((gantry @ own @ np.array([0.0, y, z])[:, None])[:, :, 0])

    moved = axis[:, None] * np.stack([-np.sin(alpha), np.cos(alpha), zero], axis=1) - slide[:, ::-1]
    return cone_from_steps(
        placed(near, zero, zero) + moved,
        placed(near - far, offset[:, 1], offset[:, 0]) + moved,
        step(channels[1], 0.0),
        step(0.0, rows[1]),
        rows[0],
        channels[0],
    )
