"""Geometry files of RTK: written and read by both programs, and RTK's own projections of an ellipsoid."""

import numpy as np
import pytest

from imgtech.geometry import ConeBeam, ConeVectors
from imgtech.io.beams import read_rtk_geometry, write_rtk_geometry
from imgtech.phantoms import Ellipsoid, Phantom

itk = pytest.importorskip("itk", reason="needs itk-rtk", exc_type=ImportError)
if not hasattr(itk, "RTK"):
    pytest.skip("needs itk-rtk", allow_module_level=True)
pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore::DeprecationWarning")]  # of SWIG

ELEMENTS = {"n_channels": 41, "channel_spacing_mm": 2.1, "n_rows": 24, "row_spacing_mm": 2.6}
PLACES = {"source_axis_mm": 300.0, "source_detector_mm": 480.0}
SHIFTS = np.zeros((9, 3))
SHIFTS[::2] = (1.7, 0.0, -2.4)
BEAMS = {
    "circle": ConeBeam.full_turn(
        n_views=9, start_rad=0.3, detector_offset_mm=7.3, row_offset_mm=-4.1, **PLACES, **ELEMENTS
    ),
    "curved": ConeBeam.full_turn(
        n_views=9, start_rad=0.3, detector_offset_mm=7.3, detector="curved", **PLACES, **ELEMENTS
    ),
    "helix": ConeBeam.helical(
        pitch_mm=20.0, n_turns=1.5, n_views_per_turn=6, row_offset_mm=2.2, **PLACES, **ELEMENTS
    ),
    "flying": ConeBeam.full_turn(n_views=9, start_rad=0.3, focal_shift_mm=SHIFTS, **PLACES, **ELEMENTS),
}
# z, y, x here; RTK's (x, y, z) are (x, z, -y)
SEMI_AXES, CENTER = (13.0, 17.0, 10.0), (3.0, -6.0, 9.0)
BODY = Phantom(shapes=(Ellipsoid(value=0.8, semi_axes_mm=SEMI_AXES, center_mm=CENTER),))


def their_projection(path):
    """RTK's analytic projection of the ellipsoid with the geometry of a file."""
    rtk = itk.RTK
    reader = rtk.ThreeDCircularProjectionGeometryXMLFileReader.New()
    reader.SetFilename(str(path))
    reader.GenerateOutputInformation()
    geometry = reader.GetOutputObject()
    image = itk.Image[itk.F, 3]
    empty = rtk.ConstantImageSource[image].New()
    n_views = len(geometry.GetGantryAngles())
    n, m, du, dv = (ELEMENTS[k] for k in ("n_channels", "n_rows", "channel_spacing_mm", "row_spacing_mm"))
    empty.SetSize([n, m, n_views])
    empty.SetSpacing([du, dv, 1.0])
    empty.SetOrigin([-(n - 1) / 2 * du, -(m - 1) / 2 * dv, 0.0])
    rays = rtk.RayEllipsoidIntersectionImageFilter[image, image].New()
    rays.SetInput(empty.GetOutput())
    rays.SetGeometry(geometry)
    rays.SetDensity(0.8)
    rays.SetAxis([SEMI_AXES[2], SEMI_AXES[0], SEMI_AXES[1]])
    rays.SetCenter([CENTER[2], CENTER[0], -CENTER[1]])
    rays.Update()
    return np.array(itk.array_from_image(rays.GetOutput()))


def centre_rays(beam):
    vectors = beam if isinstance(beam, ConeVectors) else beam.vectors()
    return BODY.ray_integrals(*vectors.rays())


@pytest.mark.parametrize("name", BEAMS)
def test_rtk_sees_the_rays_of_a_beam_that_we_wrote(tmp_path, name):
    beam = BEAMS[name]
    theirs, ours = their_projection(write_rtk_geometry(beam, tmp_path / "g.xml")), centre_rays(beam)
    assert theirs.max() > 15.0
    np.testing.assert_allclose(theirs, ours, atol=2e-3)


@pytest.mark.parametrize("name", BEAMS)
def test_a_beam_comes_back_from_its_file(tmp_path, name):
    beam = BEAMS[name]
    back = read_rtk_geometry(write_rtk_geometry(beam, tmp_path / "g.xml"), **ELEMENTS)
    assert isinstance(back, ConeBeam)
    for one, two in zip(beam.vectors().rays(), back.vectors().rays(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-9)
    assert back.detector == beam.detector


def their_file(path, *views):
    geometry = itk.RTK.ThreeDCircularProjectionGeometry.New()
    for view in views:
        geometry.AddProjection(*view)
    writer = itk.RTK.ThreeDCircularProjectionGeometryXMLFileWriter.New()
    writer.SetFilename(str(path))
    writer.SetObject(geometry)
    writer.WriteFile()
    return path


@pytest.mark.parametrize(
    ("views", "kind"),
    [
        # source-axis, source-detector, gantry, projection x, y, out of plane, in plane, source x, y
        ([(300.0, 480.0, 20.0 + 40 * k, 7.0, -3.0, 0.0, 0.0, 2.5, 1.5) for k in range(9)], ConeBeam),
        ([(300.0, 480.0, 20.0 + 40 * k, 7.0, 4.0 * k, 0.0, 0.0, 2.5, 4.0 * k) for k in range(5)], ConeBeam),
        ([(300.0, 480.0, 20.0 + 40 * k, 7.0, -3.0, 4.0, 6.0 - k, 2.5, 1.5) for k in range(9)], ConeVectors),
        ([(300.0 + k, 480.0 - k, 20.0 + 40 * k, 7.0 + k, -3.0) for k in range(9)], ConeVectors),
    ],
)
def test_files_of_rtk_give_rtks_projections(tmp_path, views, kind):
    file = their_file(tmp_path / "g.xml", *views)
    beam = read_rtk_geometry(file, **ELEMENTS)
    assert isinstance(beam, kind)
    np.testing.assert_allclose(their_projection(file), centre_rays(beam), atol=2e-3)


def test_our_matrix_is_theirs(tmp_path):
    rtk = itk.RTK
    beam = BEAMS["flying"]
    reader = rtk.ThreeDCircularProjectionGeometryXMLFileReader.New()
    file = write_rtk_geometry(beam, tmp_path / "g.xml")
    reader.SetFilename(str(file))
    reader.GenerateOutputInformation()  # compares the matrix of the file with its own
    theirs = itk.array_from_matrix(reader.GetOutputObject().GetMatrix(2))
    text = file.read_text().split("<Matrix>")[3].split("</Matrix>")[0]
    np.testing.assert_allclose(np.array(text.split(), float).reshape(3, 4), theirs, atol=1e-9)
