"""Geometries of other programs without those programs: literal positions, round trips, what is refused."""

from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

from imgtech.geometry import ConeBeam, ConeVectors, FanBeam, ImageGrid, ParallelBeam
from imgtech.io.beams import (
    beam_from_astra,
    beam_from_tigre,
    beam_to_astra,
    beam_to_tigre,
    read_rtk_geometry,
    write_rtk_geometry,
)

ELEMENTS = {"n_channels": 8, "channel_spacing_mm": 1.1, "n_rows": 5, "row_spacing_mm": 1.3}
CONE = {"source_axis_mm": 150.0, "source_detector_mm": 240.0, **ELEMENTS}
CIRCLE = ConeBeam.full_turn(n_views=6, start_rad=0.4, detector_offset_mm=2.2, row_offset_mm=-0.7, **CONE)
HELIX = ConeBeam.helical(pitch_mm=9.0, n_turns=1.5, n_views_per_turn=6, detector_offset_mm=2.2, **CONE)
GRID = ImageGrid(shape=(4, 7, 9), spacing_mm=(1.0, 0.8, 0.7), center_mm=(0.5, 2.0, -3.0))


def same_rays(one, two):
    one, two = (b.vectors() if isinstance(b, ConeBeam) else b for b in (one, two))
    for ours, theirs in zip(one.rays(), two.rays(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_tigre_puts_its_source_on_x_and_its_channels_along_y():
    geo = SimpleNamespace(
        nVoxel=[4, 7, 9], dVoxel=[1.0, 0.8, 0.7], nDetector=[5, 8], dDetector=[1.3, 1.1], DSO=150.0,
        DSD=240.0, offDetector=[-0.7, 2.2], offOrigin=[0.5, 2.0, -3.0],
    )  # fmt: skip
    beam, grid = beam_from_tigre(geo, [0.0])
    assert grid == GRID
    vectors = beam.vectors()
    np.testing.assert_allclose(vectors.sources_mm, [[0, 0, 150.0]], atol=1e-12)  # z, y, x
    origins, directions = vectors.rays()
    first = (origins + directions)[0, 0, 0]  # row 0 is the lowest, channel 0 at the smallest y
    np.testing.assert_allclose(first, [-2 * 1.3 - 0.7, -3.5 * 1.1 + 2.2, -90.0], atol=1e-12)


@pytest.mark.parametrize("beam", [CIRCLE, HELIX], ids=["circle", "helix"])
def test_a_cone_goes_to_tigre_and_back(beam):
    attributes, angles = beam_to_tigre(beam, GRID)
    back, grid = beam_from_tigre(SimpleNamespace(**attributes), angles)
    if beam is CIRCLE:
        assert grid == GRID
        same_rays(beam, back)
        return
    # the helix moves the volume: in the frame of the volume the rays are the same
    assert isinstance(back, ConeVectors)
    shifted = beam.vectors()
    moved = np.asarray(GRID.center_mm)
    same_rays(
        ConeVectors(
            sources_mm=shifted.sources_mm - moved, detectors_mm=shifted.detectors_mm - moved,
            channel_directions=shifted.channel_directions, row_directions=shifted.row_directions,
            detector_offset_mm=2.2, **ELEMENTS,
        ),
        back,
    )  # fmt: skip
    centred = ImageGrid(shape=GRID.shape, spacing_mm=GRID.spacing_mm)
    attributes, angles = beam_to_tigre(beam, centred)
    back, grid = beam_from_tigre(SimpleNamespace(**attributes), angles)
    assert isinstance(back, ConeBeam)
    assert grid == centred
    same_rays(beam, back)


def test_vectors_of_tigre_are_those_of_the_plain_beam_where_nothing_is_tilted():
    attributes, angles = beam_to_tigre(CIRCLE, GRID)
    n = len(angles)
    slow = SimpleNamespace(**{**attributes, "DSO": np.full(n, 150.0), "DSD": 240.0, "COR": 1.5})
    plain, _ = beam_from_tigre(slow, angles)
    assert isinstance(plain, ConeBeam)
    slow.rotDetector = np.tile([1e-12, 0.0, 0.0], (n, 1))
    tilted, _ = beam_from_tigre(slow, angles)
    assert isinstance(tilted, ConeVectors)
    same_rays(plain, tilted)


def test_a_turn_of_the_detector_of_tigre_in_its_plane():
    geo = SimpleNamespace(
        nVoxel=[4, 7, 9], dVoxel=[1.0, 0.8, 0.7], nDetector=[5, 8], dDetector=[1.3, 1.1], DSO=150.0,
        DSD=240.0, rotDetector=[0.1, 0.0, 0.0],
    )  # fmt: skip
    beam, _ = beam_from_tigre(geo, [0.0])
    np.testing.assert_allclose(beam.channel_directions, [[np.sin(0.1), np.cos(0.1), 0.0]], atol=1e-12)
    np.testing.assert_allclose(beam.row_directions, [[np.cos(0.1), -np.sin(0.1), 0.0]], atol=1e-12)


def test_a_parallel_beam_goes_to_tigre_and_back():
    beam = ParallelBeam.half_turn(n_views=5, n_channels=8, channel_spacing_mm=1.1, detector_offset_mm=0.3)
    plane = ImageGrid(shape=(7, 9), spacing_mm=(0.8, 0.7), center_mm=(2.0, -3.0))
    attributes, angles = beam_to_tigre(beam, plane, n_rows=3)
    assert attributes["nVoxel"].tolist() == [3, 7, 9]
    back, grid = beam_from_tigre(SimpleNamespace(**attributes), angles)
    assert grid == plane
    np.testing.assert_allclose(back.angles_rad, beam.angles_rad)
    np.testing.assert_allclose(back.channels_mm, beam.channels_mm)


def test_cones_go_to_astra_and_back():
    for beam in (CIRCLE, HELIX):
        same_rays(beam, beam_from_astra(beam_to_astra(beam)))


def test_a_geometry_file_written_by_hand_is_understood(tmp_path):
    (tmp_path / "g.xml").write_text(
        "<RTKThreeDCircularGeometry version='3'><SourceToIsocenterDistance>150</SourceToIsocenterDistance>"
        "<Projection><SourceToDetectorDistance>240</SourceToDetectorDistance><GantryAngle>90</GantryAngle>"
        "<ProjectionOffsetX>2.2</ProjectionOffsetX></Projection></RTKThreeDCircularGeometry>"
    )
    beam = read_rtk_geometry(tmp_path / "g.xml", row_offset_mm=0.4, **ELEMENTS)
    assert (beam.detector_offset_mm, beam.row_offset_mm) == (2.2, 0.4)
    np.testing.assert_allclose(beam.vectors().sources_mm, [[0.0, 0.0, 150.0]], atol=1e-9)


XML = "<RTKThreeDCircularGeometry>{}</RTKThreeDCircularGeometry>"
FULL = (
    "<SourceToIsocenterDistance>150</SourceToIsocenterDistance><SourceToDetectorDistance>240"
    "</SourceToDetectorDistance>{}<Projection><GantryAngle>{}</GantryAngle>{}</Projection>"
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nothing", "no readable XML"),
        ("<Other/>", "no geometry of RTK, the root is Other"),
        (XML.format(""), "must hold Projection"),
        (XML.format("<Projection><GantryAngle>1</GantryAngle></Projection>"), "SourceToIsocenterDistance is"),
        (XML.format(FULL.format("", "ninety", "")), "GantryAngle must be a number, got 'ninety'"),
        (XML.format(FULL.format("", "nan", "")), "GantryAngle must be a number"),
        (
            XML.format(
                FULL.format("<RadiusCylindricalDetector>99</RadiusCylindricalDetector>", "1", "")
            ),
            "curved about the source, not tilted, got radius 99",
        ),
        (XML.format(FULL.format("", "1", "").replace("240", "100")), "source_detector_mm must not be below"),
    ],
)  # fmt: skip
def test_bad_files_of_rtk_are_refused(tmp_path, text, words):
    (tmp_path / "g.xml").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_rtk_geometry(tmp_path / "g.xml", **ELEMENTS)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_rtk_geometry(tmp_path / "h.xml", **ELEMENTS)


ASTRA_FAN = {
    "type": "fanflat", "DetectorWidth": 0.8, "DetectorCount": 5, "ProjectionAngles": [0.0, 1.0],
    "DistanceOriginSource": 300.0, "DistanceOriginDetector": 120.0,
}  # fmt: skip
ASTRA_CONE = {
    "type": "cone", "DetectorSpacingX": 0.8, "DetectorSpacingY": 0.9, "DetectorRowCount": 4,
    "DetectorColCount": 5, "ProjectionAngles": [0.0, 1.0], "DistanceOriginSource": 300.0,
    "DistanceOriginDetector": 120.0,
}  # fmt: skip
VECTORS = {"type": "cone_vec", "DetectorRowCount": 4, "DetectorColCount": 5}


@pytest.mark.parametrize(
    ("geometry", "words"),
    [
        (None, "geometry must be a dictionary of ASTRA, got None"),
        (ASTRA_FAN | {"DetectorCount": 2.7}, "DetectorCount must be a whole number, got 2.7"),
        (ASTRA_FAN | {"DetectorCount": "x"}, "DetectorCount must be a whole number, got 'x'"),
        (ASTRA_FAN | {"DistanceOriginDetector": None}, "DistanceOriginDetector must be a number, got None"),
        (ASTRA_FAN | {"DistanceOriginSource": np.nan}, "DistanceOriginSource must be finite, got nan"),
        (ASTRA_CONE | {"DetectorRowCount": 2.5}, "DetectorRowCount must be a whole number, got 2.5"),
        (VECTORS | {"Vectors": "abc"}, "Vectors must hold numbers, got 'abc'"),
        (VECTORS | {"Vectors": np.zeros((0, 12))}, "Vectors must not be empty"),
        (VECTORS | {"Vectors": np.full((2, 12), np.nan)}, "Vectors must be finite, got nan"),
    ],
)
def test_numbers_of_astra_that_are_none_are_refused(geometry, words):
    with pytest.raises(ValueError, match=words):
        beam_from_astra(geometry)


def test_counts_that_other_programs_keep_as_floats_are_taken():
    assert beam_from_astra(ASTRA_FAN | {"DetectorCount": 5.0}).n_channels == 5
    attributes, angles = beam_to_tigre(CIRCLE, GRID)
    beam, grid = beam_from_tigre(
        SimpleNamespace(**{**attributes, "nVoxel": np.array(GRID.shape, float)}), angles
    )
    assert (beam.shape, grid.shape) == (CIRCLE.shape, GRID.shape)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mode": "spiral"}, "mode must be one of cone, parallel, got 'spiral'"),
        ({"nDetector": [6.5, 10]}, "nDetector must be a whole number, got 6.5"),
        ({"nDetector": [6]}, r"nDetector must hold 2 numbers, got \[6.0\]"),
        ({"nVoxel": [4.5, 8, 8]}, "nVoxel must be a whole number, got 4.5"),
        ({"nVoxel": 5}, "nVoxel must have 1 axes"),
        ({"dDetector": [1.5, -1.0]}, "dDetector must be positive, got -1.0"),
        ({"DSO": np.nan}, "DSO must be finite, got nan"),
        ({"rotDetector": [np.nan, 0, 0]}, "rotDetector must be finite, got nan"),
        ({"COR": "x"}, "COR must hold numbers, got 'x'"),
    ],
)
def test_attributes_of_tigre_that_are_no_numbers_are_refused(change, words):
    attributes, angles = beam_to_tigre(CIRCLE, GRID)
    with pytest.raises(ValueError, match=words):
        beam_from_tigre(SimpleNamespace(**{**attributes, **change}), angles)


def test_beams_of_another_kind_are_refused(tmp_path):
    plane = ImageGrid(shape=(7, 9), spacing_mm=(0.8, 0.7))
    beam = ParallelBeam.half_turn(n_views=5, n_channels=8, channel_spacing_mm=1.1)
    fan = FanBeam.full_turn(
        n_views=6, source_axis_mm=150.0, source_detector_mm=240.0, n_channels=8, channel_spacing_mm=1.1
    )
    write_rtk_geometry(CIRCLE, tmp_path / "g.xml")
    for call, words in (
        (lambda: beam_to_astra(GRID), "parallel, a fan or a cone, got ImageGrid"),
        (lambda: beam_to_tigre(fan, plane), "ParallelBeam or a ConeBeam for TIGRE, got FanBeam"),
        (lambda: write_rtk_geometry(beam, tmp_path / "h.xml"), "ConeBeam for RTK, got ParallelBeam"),
        (lambda: beam_to_tigre(beam, plane, row_spacing_mm=-1.0), "row_spacing_mm must be positive, got -1"),
        (lambda: beam_to_tigre(beam, plane, row_spacing_mm=np.nan), "row_spacing_mm must be finite, got nan"),
        (lambda: read_rtk_geometry(tmp_path / "g.xml", row_offset_mm="x", **ELEMENTS),
         "row_offset_mm must be a number, got 'x'"),
        (lambda: beam_from_tigre(SimpleNamespace(**beam_to_tigre(CIRCLE, GRID)[0]), []), "must not be empty"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            call()


def test_beams_that_do_not_fit_are_refused(tmp_path):
    curved = ConeBeam.full_turn(n_views=6, detector="curved", **CONE)
    fan = FanBeam.full_turn(
        n_views=6, source_axis_mm=150.0, source_detector_mm=240.0, n_channels=8, channel_spacing_mm=1.1,
        detector="curved",
    )  # fmt: skip
    deep = ConeBeam.full_turn(n_views=6, focal_shift_mm=(0.0, 1.0, 0.0), **CONE)
    plane = ImageGrid(shape=(7, 9), spacing_mm=(0.8, 0.7))
    for call, words in (
        (lambda: beam_to_astra(curved), "flat detector for ASTRA"),
        (lambda: beam_to_astra(fan), "flat detector for ASTRA"),
        (lambda: beam_to_tigre(curved, GRID), "flat detector and no shifted focal spot"),
        (lambda: beam_to_tigre(deep, GRID), "flat detector and no shifted focal spot"),
        (lambda: beam_to_tigre(CIRCLE, plane), "grid must have 3 axes"),
        (lambda: write_rtk_geometry(deep, tmp_path / "g.xml"), "0 along the central ray for RTK, got 1 mm"),
        (lambda: beam_from_astra({"type": "parallel3d"}), "must be of a type parallel, .* got 'parallel3d'"),
        (lambda: beam_from_astra({"type": "cone"}), "must hold ProjectionAngles, as every cone does"),
        (lambda: beam_from_astra({"type": "fanflat_vec", "DetectorCount": 3, "Vectors": np.ones((2, 5))}),
         r"shape \(n_views, 6\), got shape \(2, 5\)"),
        (lambda: beam_from_astra(
            {"type": "parallel_vec", "DetectorCount": 3, "Vectors": [[0.1, -1, 0, 0, 1, 0]]}),
         "rays must be at right angles"),
        (lambda: beam_from_astra(
            {"type": "fanflat_vec", "DetectorCount": 3, "Vectors": [[1.0, -50, 0, 20, 1, 0]]}),
         "got a source 1 aside"),
        (lambda: beam_from_astra(
            {"type": "fanflat_vec", "DetectorCount": 3,
             "Vectors": [[0, -50, 0, 20, 1, 0], [0, -50, 0, 20, 1.2, 0]]}),
         "channel spacing must be the same in all views, got 1 to 1.2"),
        (lambda: beam_from_tigre(SimpleNamespace(nVoxel=[1, 2, 3]), [0.0]), "must have dVoxel"),
        (lambda: beam_from_tigre(
            SimpleNamespace(nVoxel=[1, 2, 3], dVoxel=[1, 1, 1], nDetector=[2, 3], dDetector=[1, 1]), [0.0]),
         "must have DSO"),
        (lambda: beam_from_tigre(SimpleNamespace(**beam_to_tigre(CIRCLE, GRID)[0]), np.zeros((3, 2))),
         r"of shape \(n_views,\) or \(n_views, 3\)"),
        (lambda: beam_from_tigre(
            SimpleNamespace(**{**beam_to_tigre(CIRCLE, GRID)[0], "offDetector": np.zeros((3, 2))}),
            np.zeros(6)),
         "offDetector must have 2 value"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            call()


def test_the_matrix_of_rtk_projects_every_ray_onto_its_element(tmp_path):
    beam = ConeBeam.helical(
        pitch_mm=12.0, n_turns=1.0, n_views_per_turn=6, start_rad=0.4, focal_shift_mm=(0.7, 0.0, -0.4),
        **{**CONE, "detector_offset_mm": 2.2, "row_offset_mm": -1.3},
    )  # fmt: skip
    file = write_rtk_geometry(beam, tmp_path / "g.xml")
    text = [node.text for node in ElementTree.parse(file).getroot().iter("Matrix")]
    matrices = np.array([np.array(one.split(), float).reshape(3, 4) for one in text])
    origins, directions = beam.vectors().rays()
    point = origins + 0.37 * directions
    z, y, x = np.moveaxis(point, -1, 0)
    at_rtk = np.stack([x, z, -y, np.ones_like(x)], axis=-1)
    u, v, w = np.einsum("nij,nrcj->inrc", matrices, at_rtk)
    columns = (np.arange(beam.n_channels) - (beam.n_channels - 1) / 2) * beam.channel_spacing_mm
    rows = (np.arange(beam.n_rows) - (beam.n_rows - 1) / 2) * beam.row_spacing_mm
    np.testing.assert_allclose(u / w, np.broadcast_to(columns, u.shape), atol=1e-9)
    np.testing.assert_allclose(v / w, np.broadcast_to(rows[:, None], v.shape), atol=1e-9)
    same_rays(beam, read_rtk_geometry(file, **ELEMENTS))


def test_tilts_of_rtk_turn_as_its_document_says(tmp_path):
    angle = 0.2
    whole = "<InPlaneAngle>{}</InPlaneAngle><OutOfPlaneAngle>{}</OutOfPlaneAngle>"
    for tilts, name, expected in (
        ((np.rad2deg(angle), 0), "channel_directions", [np.sin(angle), 0.0, np.cos(angle)]),
        ((0, np.rad2deg(angle)), "sources_mm", [-150 * np.sin(angle), -150 * np.cos(angle), 0.0]),
    ):
        (tmp_path / "g.xml").write_text(XML.format(FULL.format("", "0", whole.format(*tilts))))
        beam = read_rtk_geometry(tmp_path / "g.xml", **ELEMENTS)
        np.testing.assert_allclose(getattr(beam, name), [expected], atol=1e-9)


def test_tilts_of_tigre_turn_right_handed():
    attributes, _ = beam_to_tigre(CIRCLE, ImageGrid(shape=GRID.shape, spacing_mm=GRID.spacing_mm))
    tilted = SimpleNamespace(**{**attributes, "rotDetector": [0.0, 0.1, 0.0]})
    beam, _ = beam_from_tigre(tilted, [0.0])
    np.testing.assert_allclose(beam.row_directions, [[np.cos(0.1), 0.0, np.sin(0.1)]], atol=1e-12)
    beam, _ = beam_from_tigre(SimpleNamespace(**attributes), [[0.3, 0.0, 0.2]])
    source = np.array([0.0, np.sin(0.5), np.cos(0.5)]) * CIRCLE.source_axis_mm
    np.testing.assert_allclose(beam.sources_mm, [source], atol=1e-9)


def test_sizes_of_tigre_are_numbers_times_spacings():
    attributes, _ = beam_to_tigre(CIRCLE, GRID)
    np.testing.assert_allclose(attributes["sVoxel"], np.multiply(GRID.shape, GRID.spacing_mm))
    detector = (CIRCLE.n_rows * CIRCLE.row_spacing_mm, CIRCLE.n_channels * CIRCLE.channel_spacing_mm)
    np.testing.assert_allclose(attributes["sDetector"], detector)


def test_shifted_detectors_go_to_astra_and_back():
    parallel = ParallelBeam.half_turn(n_views=5, n_channels=8, channel_spacing_mm=1.1, detector_offset_mm=0.3)
    fan = FanBeam.full_turn(
        n_views=6, source_axis_mm=150.0, source_detector_mm=240.0, n_channels=8, channel_spacing_mm=1.1,
        detector_offset_mm=-0.7,
    )  # fmt: skip
    for beam in (parallel, fan):
        back = beam_from_astra(beam_to_astra(beam))
        np.testing.assert_allclose(back.channels_mm, beam.channels_mm, atol=1e-12)
        np.testing.assert_allclose(np.cos(back.angles_rad - beam.angles_rad), 1.0, atol=1e-12)
