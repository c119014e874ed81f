"""Cone beams: every promise of the drawing, and the closed-form projections along their rays."""

import numpy as np
import pytest

from imgtech.geometry import ConeBeam, ConeVectors, FanBeam
from imgtech.phantoms import Cylinder, Ellipsoid, Phantom, uniform_disk

PLACES = {"source_axis_mm": 400.0, "source_detector_mm": 560.0}
BEAM = {
    **PLACES,
    "n_channels": 61,
    "channel_spacing_mm": 1.3,
    "detector_offset_mm": 1.7,
    "n_rows": 42,
    "row_spacing_mm": 1.1,
    "row_offset_mm": -0.9,
}


def _bead(z, y, x):
    return Phantom(shapes=(Ellipsoid(semi_axes_mm=(1.5, 1.5, 1.5), center_mm=(z, y, x)),))


@pytest.mark.parametrize("detector", ["flat", "curved"])
def test_a_bead_falls_on_the_element_that_similar_triangles_give(detector):
    beam = ConeBeam.helical(
        **BEAM,
        detector=detector,
        pitch_mm=12.0,
        n_turns=1.0,
        n_views_per_turn=7,
        start_rad=0.3,
        center_z_mm=2.0,
    )
    z, y, x = 3.1, 13.0, -11.0
    shadow = _bead(z, y, x).projections(beam, dtype=np.float64)
    for view, beta, source_z in zip(shadow, beam.angles_rad, beam.source_z_mm, strict=True):
        source = np.array([400.0 * np.sin(beta), -400.0 * np.cos(beta)])
        across = (np.array([x, y]) - source) @ [np.cos(beta), np.sin(beta)]
        along = (np.array([x, y]) - source) @ [-np.sin(beta), np.cos(beta)]
        distance = along if detector == "flat" else np.hypot(along, across)
        u = 560.0 * (across / along if detector == "flat" else np.arctan2(across, along))
        v = 560.0 * (z - source_z) / distance
        assert view.sum(axis=0) @ beam.channels_mm / view.sum() == pytest.approx(u, abs=0.02)
        assert view.sum(axis=1) @ beam.rows_mm / view.sum() == pytest.approx(v, abs=0.02)


@pytest.mark.parametrize("detector", ["flat", "curved"])
def test_the_middle_plane_is_a_fan_beam(detector):
    one_row = {**BEAM, "n_rows": 1, "row_offset_mm": 0.0, "row_height_mm": 1e-3, "detector": detector}
    cone = ConeBeam.full_turn(**one_row, n_views=5, start_rad=0.3)
    fan = FanBeam.full_turn(
        **PLACES, n_views=5, n_channels=61, channel_spacing_mm=1.3, detector_offset_mm=1.7, detector=detector,
        start_rad=0.3,
    )  # fmt: skip
    rod = Cylinder(value=0.7, length_mm=9.0, semi_axes_mm=(11.3, 11.3), center_mm=(0.0, 3.0, -2.0))
    disk = uniform_disk(radius_mm=11.3, value=0.7, center_mm=(3.0, -2.0))
    found = Phantom(shapes=(rod,)).projections(cone, dtype=np.float64)[:, 0]
    np.testing.assert_allclose(found, disk.sinogram(fan, dtype=np.float64), atol=1e-4)


def test_the_focal_spot_moves_in_the_turning_frame_and_the_detector_stays():
    beam = ConeBeam.full_turn(**BEAM, n_views=4, start_rad=np.pi / 2, source_z_mm=5.0)
    moved = ConeBeam.full_turn(
        **BEAM, n_views=4, start_rad=np.pi / 2, source_z_mm=5.0, focal_shift_mm=(0.5, 2.0, -1.5)
    )
    still, flying = beam.vectors(), moved.vectors()
    np.testing.assert_allclose(still.sources_mm[0], [5.0, 0.0, 400.0], atol=1e-12)
    np.testing.assert_allclose(still.detectors_mm[0], [5.0, 0.0, -160.0], atol=1e-12)
    np.testing.assert_allclose(still.channel_directions[0], [0.0, 1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(flying.sources_mm[0], [5.5, -1.5, 398.0], atol=1e-12)
    np.testing.assert_allclose(flying.detectors_mm, still.detectors_mm)


def test_helix_rises_while_it_turns_and_is_centred():
    beam = ConeBeam.helical(
        **BEAM, pitch_mm=12.0, n_turns=2.5, n_views_per_turn=8, start_rad=0.5, center_z_mm=3.0
    )
    assert beam.n_views == 20
    np.testing.assert_allclose(np.diff(beam.angles_rad), np.pi / 4)
    np.testing.assert_allclose(np.diff(beam.source_z_mm), 1.5)
    assert beam.source_z_mm.mean() == pytest.approx(3.0)
    assert beam.angles_rad[0] == 0.5


def test_named_constructors_agree_with_the_fan():
    cone, fan = {**BEAM}, {**PLACES, "n_channels": 61, "channel_spacing_mm": 1.3, "detector_offset_mm": 1.7}
    short, flat = (
        ConeBeam.short_scan(**cone, n_views=30, start_rad=0.5),
        FanBeam.short_scan(**fan, n_views=30, start_rad=0.5),
    )
    np.testing.assert_allclose(short.angles_rad, flat.angles_rad)
    np.testing.assert_allclose(short.channels_mm, flat.channels_mm)
    assert short.half_fan_rad == flat.half_fan_rad
    assert short.rows_mm[0] == pytest.approx(-0.9 - 20.5 * 1.1)
    assert short.magnification == pytest.approx(1.4)
    degrees = ConeBeam.from_degrees([0.0, 90.0], **cone, source_z_mm=[1.0, -2.0])
    np.testing.assert_allclose(degrees.angles_rad, [0.0, np.pi / 2])
    np.testing.assert_allclose(degrees.source_z_mm, [1.0, -2.0])
    assert degrees == ConeBeam.from_degrees([0.0, 90.0], **cone, source_z_mm=[1.0, -2.0])
    assert degrees != ConeBeam.from_degrees([0.0, 90.0], **cone, source_z_mm=[1.0, -2.1])


def test_some_views_of_a_scan():
    beam = ConeBeam.helical(
        **BEAM, pitch_mm=12.0, n_turns=1.0, n_views_per_turn=8, focal_shift_mm=(0.0, 1.0, 2.0)
    )
    part = beam.views(slice(1, 7, 2))
    assert part.shape == (3, 42, 61)
    np.testing.assert_array_equal(part.source_z_mm, beam.source_z_mm[1:7:2])
    assert beam.views([1, 3, 5]) == part
    assert beam.vectors().views([1, 3, 5]) == part.vectors()


def test_rays_meet_the_elements():
    vectors = ConeBeam.full_turn(**BEAM, n_views=4, detector="curved").vectors()
    origins, directions = vectors.rays(slice(1, 3))
    assert directions.shape == (2, 42, 61, 3)
    ends = origins + directions
    distance = np.hypot(*np.moveaxis(directions[..., 1:], -1, 0))
    np.testing.assert_allclose(distance, 560.0)  # a cylinder about the source
    np.testing.assert_allclose(ends[0, :, 5, 0], vectors.rows_mm, atol=1e-12)
    np.testing.assert_allclose(np.ptp(ends[0, :, 5], axis=0)[1:], 0.0, atol=1e-12)


@pytest.mark.parametrize("detector", ["flat", "curved"])
def test_an_element_is_the_mean_over_its_area(detector):
    size = {
        "channel_width_mm": 1.0,
        "row_height_mm": 1.6,
        "detector": detector,
        "focal_shift_mm": (1.0, 2.0, 3.0),
    }
    beam = ConeBeam(**BEAM, angles_rad=[0.3, 2.0], **size)
    solids = (
        Ellipsoid(value=0.02, semi_axes_mm=(6.0, 9.0, 7.0), center_mm=(3.0, 5.0, -4.0), angle_rad=0.3),
        Cylinder(
            value=0.03, length_mm=0.3, semi_axes_mm=(8.0, 5.0), center_mm=(-6.0, 2.0, 1.0), angle_rad=0.2
        ),
        Ellipsoid(value=2.0, semi_axes_mm=(0.1, 0.1, 0.1), center_mm=(1.0, 2.0, 4.0)),
    )
    phantom, vectors = Phantom(shapes=solids), beam.vectors()
    found = phantom.projections(beam, dtype=np.float64)
    n = 24
    steps = (np.arange(n) + 0.5) / n - 0.5
    ends = vectors.columns_mm((vectors.channels_mm[:, None] + steps * 1.0).ravel())[:, None]
    v = (vectors.rows_mm[:, None] + steps * 1.6).ravel()
    for view in range(2):
        rays = ends[view] + v[:, None, None] * [1.0, 0.0, 0.0] - vectors.sources_mm[view]
        fine = phantom.ray_integrals(vectors.sources_mm[view], rays)
        error = np.abs(found[view] - fine.reshape(42, n, 61, n).mean(axis=(1, 3)))
        assert error.max() < 4e-3
        assert np.sqrt((error**2).mean()) < 2e-4
        assert np.median(error) < 2e-6 * found.max()


def test_projections_of_flat_objects_are_refused():
    with pytest.raises(ValueError, match="beam must have 2 axes like the object, got 3"):
        uniform_disk(radius_mm=3.0).projections(ConeBeam.full_turn(**BEAM, n_views=3))
    with pytest.raises(ValueError, match="dtype must be float32 or float64"):
        _bead(0, 0, 0).projections(ConeBeam.full_turn(**BEAM, n_views=3), dtype=np.int32)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source_axis_mm": -1.0}, "source_axis_mm must be positive, got -1.0"),
        (
            {"source_detector_mm": 399.0},
            "source_detector_mm must not be below source_axis_mm 400.0, got 399.0",
        ),
        ({"channel_spacing_mm": -0.5}, "channel_spacing_mm must be positive, got -0.5"),
        ({"row_spacing_mm": 0.0}, "row_spacing_mm must be positive"),
        ({"row_height_mm": -1.0}, "row_height_mm must be positive"),
        ({"n_rows": 0}, "n_rows must be at least 1"),
        ({"row_offset_mm": np.nan}, "row_offset_mm must be finite"),
        ({"angles_rad": [0.0, np.nan]}, "angles_rad must be finite"),
        ({"source_z_mm": [0.0, 1.0, 2.0]}, r"source_z_mm must have shape \(\) or \(2,\), got \(3,\)"),
        ({"source_z_mm": np.inf}, "source_z_mm must be finite"),
        ({"focal_shift_mm": (0.0, 1.0)}, r"focal_shift_mm must have shape \(3,\) or \(2, 3\)"),
        ({"detector": "round"}, "detector must be one of flat, curved, got 'round'"),
        ({"detector": "curved", "n_channels": 3000}, "must stay below 90 degrees"),
    ],
)
def test_bad_cones_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        ConeBeam(**{**BEAM, "angles_rad": [0.0, 1.0], **change})


VECTORS = {
    "sources_mm": [[0.0, -400.0, 0.0]],
    "detectors_mm": [[0.0, 200.0, 0.0]],
    "channel_directions": [[0.0, 0.0, 1.0]],
    "row_directions": [[1.0, 0.0, 0.0]],
    "n_channels": 3,
    "n_rows": 2,
    "channel_spacing_mm": 0.5,
    "row_spacing_mm": 2.0,
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sources_mm": [[0.0, 1.0]]}, r"sources_mm must have shape \(n_views, 3\), got \(1, 2\)"),
        (
            {"detectors_mm": [[0.0] * 3, [1.0] * 3]},
            r"detectors_mm must have shape \(n_views, 3\), got \(2, 3\)",
        ),
        (
            {"channel_directions": [[0.0, 0.0, 2.0]]},
            "channel_directions must be unit vectors, got a length of 2.0",
        ),
        ({"row_directions": [[0.6, 0.0, 0.8]]}, "must be at right angles, got a scalar product of 0.8"),
        ({"detectors_mm": [[0.0, -400.0, 0.0]]}, "must not lie at sources_mm"),
        ({"radius_mm": -3.0}, "radius_mm must be positive"),
        ({"row_spacing_mm": 0.0}, "row_spacing_mm must be positive"),
    ],
)
def test_bad_vectors_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        ConeVectors(**{**VECTORS, **change})
