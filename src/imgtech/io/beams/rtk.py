"""Geometry files of the Reconstruction Toolkit (RTK): nine numbers a view in XML."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from imgtech._core.validate import finite
from imgtech.geometry import ConeBeam, ConeVectors
from imgtech.io.atomic import write_text
from imgtech.io.beams._vectors import Floats, turns

_ROOT = "RTKThreeDCircularGeometry"
_VIEW = (
    "SourceToIsocenterDistance", "SourceToDetectorDistance", "GantryAngle", "SourceOffsetX", "SourceOffsetY",
    "ProjectionOffsetX", "ProjectionOffsetY", "InPlaneAngle", "OutOfPlaneAngle",
)  # fmt: skip
_SAME_MM = 1e-6


def read_rtk_geometry(
    path: str | Path,
    *,
    n_channels: int,
    channel_spacing_mm: float,
    n_rows: int,
    row_spacing_mm: float,
    detector_offset_mm: float = 0.0,
    row_offset_mm: float = 0.0,
) -> ConeBeam | ConeVectors:
    r"""Read RTK's XML file of a cone-beam scan; the detector elements, which it does not hold, are given.

    RTK turns about its y axis. Its (x, y, z) are (x, z, -y) here: the axis is z, and the gantry angle is the
    view angle :math:`\beta` of :class:`imgtech.geometry.ConeBeam`. A projection of RTK, ``(view, row,
    channel)``, is one of imgtech as it stands; a volume ``(z, y, x)`` of RTK is
    ``volume.transpose(1, 0, 2)[:, ::-1]`` here, on a grid centred at the origin. A source and a detector that
    rise together are a helix.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    n_channels : int
        Columns of the projections.
    channel_spacing_mm : float
        Their spacing.
    n_rows : int
        Rows of the projections.
    row_spacing_mm : float
        Their spacing.
    detector_offset_mm, row_offset_mm : float, optional
        Where the middle of the projections lies in RTK's coordinates: the origin of the image plus half of
        its extent between the outermost elements. 0 for centred projections.

    Returns
    -------
    ConeBeam or ConeVectors
        A ConeBeam where distances and detector offset stay the same and nothing is tilted, the vectors of
        every view otherwise.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no geometry of RTK, an entry is no number, the detector is curved about another point
        than the source or curved and tilted, or the detector lies between source and axis.

    References
    ----------
    https://docs.openrtk.org/en/latest/documentation/docs/Geometry.html

    Examples
    --------
    >>> from imgtech.io.beams import read_rtk_geometry
    >>> beam = read_rtk_geometry("geometry.xml", n_channels=512, channel_spacing_mm=0.8, n_rows=384,
    ...                          row_spacing_mm=0.8)  # doctest: +SKIP
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    views, radius_mm = _parse(file)
    detector_offset_mm = finite("detector_offset_mm", detector_offset_mm)
    row_offset_mm = finite("row_offset_mm", row_offset_mm)
    elements = {
        "n_channels": n_channels,
        "channel_spacing_mm": channel_spacing_mm,
        "n_rows": n_rows,
        "row_spacing_mm": row_spacing_mm,
    }
    near, far, gantry, source_x, source_y, shift_x, shift_y, in_plane, out_of_plane = views.T
    still = all(np.ptp(v) <= _SAME_MM for v in (near, far, shift_x))
    tilted = np.any(in_plane) or np.any(out_of_plane)
    if radius_mm and (tilted or abs(radius_mm - far[0]) > _SAME_MM * far[0] or not still):
        raise ValueError(
            f"{file}: a curved detector must be curved about the source, not tilted, got radius {radius_mm}"
        )
    if tilted or not still:
        return _vectors(views, detector_offset_mm, row_offset_mm, elements)
    rise = np.ptp(shift_y - source_y) <= _SAME_MM
    source_z = source_y if rise else shift_y
    return ConeBeam(
        source_axis_mm=float(near[0]),
        source_detector_mm=float(far[0]),
        angles_rad=np.unwrap(np.deg2rad(gantry)),
        detector="curved" if radius_mm else "flat",
        detector_offset_mm=detector_offset_mm + float(shift_x[0]),
        row_offset_mm=row_offset_mm + float(shift_y[0] - source_z[0]),
        source_z_mm=source_z,
        focal_shift_mm=np.stack([source_y - source_z, np.zeros_like(source_x), source_x], axis=1),
        **elements,  # type: ignore[arg-type]
    )


def write_rtk_geometry(beam: ConeBeam, path: str | Path) -> Path:
    """Write a cone-beam scan as RTK's XML file; projections are centred, offsets go into the file.

    Parameters
    ----------
    beam : ConeBeam
        Circle or helix, flat or curved; a focal spot may be shifted along channels and rows.
    path : str or pathlib.Path
        The file; its folder must exist.

    Returns
    -------
    pathlib.Path
        The file. The projections need the origin ``-(n - 1) / 2 * spacing`` along both axes.

    Raises
    ------
    ValueError
        If it is no such beam, or the focal spot is shifted along the central ray, which RTK's file has no
        place for in one view.

    Examples
    --------
    >>> import tempfile
    >>> from imgtech.geometry import ConeBeam
    >>> from imgtech.io.beams import read_rtk_geometry, write_rtk_geometry
    >>> detector = {"n_channels": 3, "channel_spacing_mm": 0.5, "n_rows": 2, "row_spacing_mm": 0.75}
    >>> beam = ConeBeam.full_turn(n_views=4, source_axis_mm=400.0, source_detector_mm=500.0, **detector)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     back = read_rtk_geometry(write_rtk_geometry(beam, f"{folder}/g.xml"), **detector)
    >>> back.shape, back.source_detector_mm
    ((4, 2, 3), 500.0)
    """
    if not isinstance(beam, ConeBeam):
        raise ValueError(f"beam must be a ConeBeam for RTK, got {type(beam).__name__}")
    shift_z, shift_y, shift_x = np.asarray(beam.focal_shift_mm).T
    if np.any(shift_y):
        raise ValueError(
            f"focal_shift_mm must be 0 along the central ray for RTK, got {np.abs(shift_y).max():.4g} mm"
        )
    z_mm = np.asarray(beam.source_z_mm)
    root = ElementTree.Element(_ROOT, version="3")
    _put(root, "SourceToIsocenterDistance", beam.source_axis_mm)
    _put(root, "SourceToDetectorDistance", beam.source_detector_mm)
    if beam.detector == "curved":
        _put(root, "RadiusCylindricalDetector", beam.source_detector_mm)
    for angle, z, dz, dx in zip(beam.angles_rad, z_mm, shift_z, shift_x, strict=True):
        view = ElementTree.SubElement(root, "Projection")
        beta = float(angle)
        _put(view, "GantryAngle", np.rad2deg(beta) % 360.0)
        _put(view, "SourceOffsetX", dx)
        _put(view, "SourceOffsetY", z + dz)
        _put(view, "ProjectionOffsetX", beam.detector_offset_mm)
        _put(view, "ProjectionOffsetY", z + beam.row_offset_mm)
        _put(view, "InPlaneAngle", 0.0)
        _put(view, "OutOfPlaneAngle", 0.0)
        matrix = _projection_matrix(
            beta, beam, float(dx), float(z + dz), beam.detector_offset_mm, float(z) + beam.row_offset_mm
        )
        rows = "\n".join("        " + " ".join(f"{v:.15g}" for v in row) for row in matrix)
        ElementTree.SubElement(view, "Matrix").text = f"\n{rows}\n    "
    ElementTree.indent(root)
    head = '<?xml version="1.0"?>\n<!DOCTYPE RTKGEOMETRY>\n'
    write_text(path, head + ElementTree.tostring(root, encoding="unicode") + "\n")
    return Path(path)


def _parse(file: Path) -> tuple[Floats, float]:
    """Nine numbers a view, and the radius of a curved detector or 0."""
    try:
        root = ElementTree.fromstring(file.read_text(encoding="utf-8"))
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: no readable XML, {error}") from error
    if root.tag != _ROOT or root.find("Projection") is None:
        raise ValueError(f"{file}: no geometry of RTK, the root is {root.tag} and must hold Projection")
    shared = {name: _number(file, root, name, None) for name in _VIEW}
    views = []
    for view in root.iter("Projection"):
        values = [_number(file, view, name, shared[name]) for name in _VIEW]
        missing = [name for name, value in zip(_VIEW[:3], values[:3], strict=True) if value is None]
        if missing:
            raise ValueError(f"{file}: {missing[0]} is missing")
        views.append([0.0 if value is None else value for value in values])
    return np.array(views), _number(file, root, "RadiusCylindricalDetector", 0.0) or 0.0


def _number(file: Path, element: ElementTree.Element, name: str, default: float | None) -> float | None:
    text = element.findtext(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise ValueError(f"{file}: {name} must be a number, got {text.strip()!r}")
    return value


def _vectors(
    views: Floats, detector_offset_mm: float, row_offset_mm: float, elements: dict[str, float]
) -> ConeVectors:
    """Source, detector and directions of tilted views; RTK turns by -gantry, -out of plane, -in plane."""
    near, far, gantry, source_x, source_y, shift_x, shift_y, in_plane, out_of_plane = views.T
    back = turns(1, np.deg2rad(gantry)) @ turns(0, np.deg2rad(out_of_plane)) @ turns(2, np.deg2rad(in_plane))

    def fixed(x: Floats, y: Floats, z: Floats) -> Floats:
        place = (back @ np.stack([x, y, z], axis=1)[:, :, None])[:, :, 0]
        return np.stack([place[:, 1], -place[:, 2], place[:, 0]], axis=1)  # (z, y, x) of imgtech

    zero, one = np.zeros_like(near), np.ones_like(near)
    return ConeVectors(
        sources_mm=fixed(source_x, source_y, near),
        detectors_mm=fixed(shift_x, shift_y, near - far),
        channel_directions=fixed(one, zero, zero),
        row_directions=fixed(zero, one, zero),
        detector_offset_mm=detector_offset_mm,
        row_offset_mm=row_offset_mm,
        **elements,  # type: ignore[arg-type]
    )


def _put(parent: ElementTree.Element, name: str, value: float) -> None:
    ElementTree.SubElement(parent, name).text = f"{float(value):.15g}"


def _projection_matrix(
    beta: float, beam: ConeBeam, source_x: float, source_y: float, shift_x: float, shift_y: float
) -> Floats:
    """RTK's matrix from (x, y, z, 1) to the detector, which it stores beside the nine numbers."""
    far, near = beam.source_detector_mm, beam.source_axis_mm
    turn = np.eye(4)
    turn[:3, :3] = turns(1, -beta)[0]
    to_source = np.eye(4)
    to_source[:2, 3] = -source_x, -source_y
    magnify = np.array([[-far, 0, 0, 0], [0, -far, 0, 0], [0, 0, 1, -near]], dtype=np.float64)
    to_detector = np.eye(3)
    to_detector[:2, 2] = source_x - shift_x, source_y - shift_y
    return np.asarray(to_detector @ magnify @ to_source @ turn)
