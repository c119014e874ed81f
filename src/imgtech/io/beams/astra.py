"""Projection geometries of the ASTRA toolbox: plain dictionaries, so ASTRA need not be installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from imgtech._core.validate import finite, floats
from imgtech.geometry import ConeBeam, ConeVectors, FanBeam, ParallelBeam
from imgtech.io.beams._vectors import Floats, cone_from_steps, cone_to_steps, same_in_all_views, whole

_TYPES = ("parallel", "parallel_vec", "fanflat", "fanflat_vec", "cone", "cone_vec")
_RIGHT_ANGLE = 1e-6


def beam_from_astra(geometry: Mapping[str, Any]) -> ParallelBeam | FanBeam | ConeBeam | ConeVectors:
    """Turn a projection geometry of ASTRA into a beam; lengths are taken as millimetres.

    Angles, detector positions and rows run as in imgtech. ASTRA's images of two axes are upside down: their
    row 0 has the largest y, so ``image[::-1]`` changes between the two. Its cone data are
    ``(row, view, channel)`` against ``(view, row, channel)`` here.

    Parameters
    ----------
    geometry : mapping
        What ``astra.create_proj_geom`` returns, of the type ``parallel``, ``parallel_vec``, ``fanflat``,
        ``fanflat_vec``, ``cone`` or ``cone_vec``.

    Returns
    -------
    ParallelBeam, FanBeam, ConeBeam or ConeVectors
        The same rays. ``cone_vec`` becomes ConeVectors.

    Raises
    ------
    ValueError
        If the type is another one, an entry is missing or no number, or the vectors are not those of a
        parallel beam or a fan that turns about the origin.

    References
    ----------
    https://astra-toolbox.com/docs/geom2d.html and https://astra-toolbox.com/docs/geom3d.html

    Examples
    --------
    >>> from imgtech.io.beams import beam_from_astra
    >>> beam = beam_from_astra({"type": "fanflat", "DetectorWidth": 0.8, "DetectorCount": 5,
    ...     "ProjectionAngles": [0.0, 1.0], "DistanceOriginSource": 300.0, "DistanceOriginDetector": 120.0})
    >>> beam.source_detector_mm, beam.shape
    (420.0, (2, 5))
    """
    if not isinstance(geometry, Mapping):
        raise ValueError(f"geometry must be a dictionary of ASTRA, got {geometry!r}")
    kind = geometry.get("type")
    if kind not in _TYPES:
        raise ValueError(f"geometry must be of a type {', '.join(_TYPES)}, got {kind!r}")
    try:
        if kind == "cone":
            return ConeBeam(
                angles_rad=geometry["ProjectionAngles"],
                n_channels=whole("DetectorColCount", geometry["DetectorColCount"]),
                channel_spacing_mm=geometry["DetectorSpacingX"],
                n_rows=whole("DetectorRowCount", geometry["DetectorRowCount"]),
                row_spacing_mm=geometry["DetectorSpacingY"],
                **_distances(geometry),
            )
        if kind == "cone_vec":
            v = _vectors(geometry, 12)
            counts = (whole(name, geometry[name]) for name in ("DetectorRowCount", "DetectorColCount"))
            return cone_from_steps(v[:, :3], v[:, 3:6], v[:, 6:9], v[:, 9:], *counts)
        n = whole("DetectorCount", geometry["DetectorCount"])
        if kind == "parallel_vec":
            return _parallel(_vectors(geometry, 6), n)
        if kind == "fanflat_vec":
            return _fan(_vectors(geometry, 6), n)
        angles, width = geometry["ProjectionAngles"], geometry["DetectorWidth"]
        if kind == "parallel":
            return ParallelBeam(angles_rad=angles, n_channels=n, channel_spacing_mm=width)
        return FanBeam(angles_rad=angles, n_channels=n, channel_spacing_mm=width, **_distances(geometry))
    except KeyError as error:
        raise ValueError(f"geometry must hold {error.args[0]}, as every {kind} does") from error


def beam_to_astra(beam: ParallelBeam | FanBeam | ConeBeam | ConeVectors) -> dict[str, Any]:
    """Turn a beam into a projection geometry of ASTRA.

    Where the detector is centred the plain type comes out (``parallel``, ``fanflat``), otherwise vectors;
    cones always become ``cone_vec``, helices and flying focal spots included.

    Parameters
    ----------
    beam : ParallelBeam, FanBeam, ConeBeam or ConeVectors
        The rays, with a flat detector.

    Returns
    -------
    dict
        For ``astra.create_projector`` and the like.

    Raises
    ------
    ValueError
        If it is no such beam, or the detector is curved: ASTRA has curved detectors on graphics processors
        only.

    Examples
    --------
    >>> from imgtech.geometry import ParallelBeam
    >>> from imgtech.io.beams import beam_to_astra
    >>> beam = ParallelBeam.half_turn(n_views=2, n_channels=3, channel_spacing_mm=0.5, detector_offset_mm=0.2)
    >>> beam_to_astra(beam)["Vectors"].round(2).tolist()
    [[0.0, -1.0, 0.2, 0.0, 0.5, 0.0], [1.0, -0.0, 0.0, 0.2, 0.0, 0.5]]
    """
    if isinstance(beam, ConeBeam | ConeVectors):
        vectors = beam.vectors() if isinstance(beam, ConeBeam) else beam
        if vectors.radius_mm is not None:
            raise ValueError("beam must have a flat detector for ASTRA, got a curved one")
        return {
            "type": "cone_vec",
            "DetectorRowCount": vectors.n_rows,
            "DetectorColCount": vectors.n_channels,
            "Vectors": np.hstack(cone_to_steps(vectors)),
        }
    if not isinstance(beam, ParallelBeam | FanBeam):
        raise ValueError(f"beam must be parallel, a fan or a cone, got {type(beam).__name__}")
    if isinstance(beam, FanBeam) and beam.detector != "flat":
        raise ValueError("beam must have a flat detector for ASTRA, got a curved one")
    along = np.stack([np.cos(beam.angles_rad), np.sin(beam.angles_rad)], axis=1)
    to_source = np.stack([along[:, 1], -along[:, 0]], axis=1)
    step, middle = along * beam.channel_spacing_mm, along * beam.detector_offset_mm
    name = "fanflat" if isinstance(beam, FanBeam) else "parallel"
    plain: dict[str, Any] = {"type": name, "DetectorCount": beam.n_channels}
    if isinstance(beam, FanBeam):
        behind_mm = beam.source_detector_mm - beam.source_axis_mm
        plain |= {"DistanceOriginSource": beam.source_axis_mm, "DistanceOriginDetector": behind_mm}
        source, middle = to_source * beam.source_axis_mm, middle - to_source * behind_mm
    else:
        source = to_source
    if beam.detector_offset_mm == 0:
        return plain | {"DetectorWidth": beam.channel_spacing_mm, "ProjectionAngles": beam.angles_rad}
    return {
        "type": f"{name}_vec",
        "DetectorCount": beam.n_channels,
        "Vectors": np.hstack([source, middle, step]),
    }


def _distances(geometry: Mapping[str, Any]) -> dict[str, Any]:
    near, behind = (
        finite(name, geometry[name]) for name in ("DistanceOriginSource", "DistanceOriginDetector")
    )
    return {"source_axis_mm": near, "source_detector_mm": near + behind}


def _vectors(geometry: Mapping[str, Any], n: int) -> Floats:
    vectors = floats("Vectors", geometry["Vectors"], 2)
    if vectors.shape[1] != n:
        raise ValueError(f"Vectors must have shape (n_views, {n}), got shape {vectors.shape}")
    return vectors


def _steps(step: Floats) -> tuple[Floats, Floats, float]:
    """Unit vectors along the channels, angles of the views, and the spacing."""
    length = np.linalg.norm(step, axis=1)
    along = step / length[:, None]
    angles = np.unwrap(np.arctan2(along[:, 1], along[:, 0]))
    return along, angles, same_in_all_views("channel spacing", length)


def _parallel(v: Floats, n: int) -> ParallelBeam:
    ray, middle = v[:, :2], v[:, 2:4]
    along, angles, spacing = _steps(v[:, 4:])
    tilt = np.abs((ray * along).sum(axis=1)) / np.linalg.norm(ray, axis=1)
    if tilt.max() > _RIGHT_ANGLE:
        raise ValueError(
            f"rays must be at right angles to the detector, got a cosine of {float(tilt.max()):.3g}"
        )
    offset = same_in_all_views("detector offset", (middle * along).sum(axis=1))
    return ParallelBeam(
        angles_rad=angles, n_channels=n, channel_spacing_mm=spacing, detector_offset_mm=offset
    )


def _fan(v: Floats, n: int) -> FanBeam:
    source, middle = v[:, :2], v[:, 2:4]
    along, angles, spacing = _steps(v[:, 4:])
    towards = np.stack([-along[:, 1], along[:, 0]], axis=1)
    side = same_in_all_views("source beside the middle of the turn", (source * along).sum(axis=1))
    near = same_in_all_views("source distance", -(source * towards).sum(axis=1))
    far = near + same_in_all_views("detector distance", (middle * towards).sum(axis=1))
    if abs(side) > _RIGHT_ANGLE * near:
        raise ValueError(
            "the detector must be at right angles to the line from source to axis, "
            f"got a source {side:.4g} aside"
        )
    offset = same_in_all_views("detector offset", (middle * along).sum(axis=1))
    return FanBeam(
        source_axis_mm=near,
        source_detector_mm=far,
        angles_rad=angles,
        n_channels=n,
        channel_spacing_mm=spacing,
        detector_offset_mm=offset,
    )
