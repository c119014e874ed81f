"""Helical reconstruction: values, positions, laws, and what is refused."""

import numpy as np
import pytest

import imgtech
from imgtech.geometry import ConeBeam, ImageGrid, ParallelBeam
from imgtech.phantoms import Cylinder, Ellipsoid, Phantom, uniform_disk
from imgtech.recon.ct import fbp, fdk, wfbp

SCANNER = {
    "source_axis_mm": 300.0,
    "source_detector_mm": 540.0,
    "n_channels": 103,
    "channel_spacing_mm": 1.4,
    "n_rows": 32,
    "row_spacing_mm": 1.3,
    "detector_offset_mm": 0.35,
    "row_offset_mm": 0.3,
}
COLLIMATION_MM = 32 * 1.3 * 300.0 / 540.0
GRID = ImageGrid(shape=(5, 40, 44), spacing_mm=(1.7, 1.1, 0.9), center_mm=(1.0, 3.0, -4.0))
BALL = Phantom(shapes=(Ellipsoid(value=0.02, semi_axes_mm=(20.0, 20.0, 20.0), center_mm=(1.0, 4.0, -5.0)),))
FLYING = np.array([(0.3, 0.9, 0.4), (-0.3, -0.9, -0.4)])


def helix(pitch=1.0, n_turns=2.5, n_views_per_turn=180, **change):
    return ConeBeam.helical(
        pitch_mm=pitch * COLLIMATION_MM, n_turns=n_turns, n_views_per_turn=n_views_per_turn, start_rad=0.3,
        center_z_mm=1.0, **{**SCANNER, **change},
    )  # fmt: skip


def inside_ball(grid=GRID, radius=14.0):
    z, y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    return np.sqrt((z - 1.0) ** 2 + (y - 4.0) ** 2 + (x + 5.0) ** 2) < radius


@pytest.mark.parametrize(
    ("change", "within"),
    [
        ({"detector": "curved"}, 5e-4),
        ({"detector": "flat"}, 5e-4),
        ({"detector": "curved", "pitch": -1.0}, 5e-4),
        ({"detector": "curved", "pitch": 1.4}, 1e-3),
        ({"detector": "curved", "pitch": 0.55, "n_turns": 3.5}, 1.5e-3),
        ({"detector": "curved", "focal_shift_mm": np.tile(FLYING, (225, 1))}, 5e-4),
    ],
)
def test_the_value_of_a_ball(change, within):
    beam = helix(**change)
    volume = wfbp(BALL.projections(beam), beam, GRID)
    assert (volume != 0).all()
    assert volume[inside_ball()].mean() == pytest.approx(0.02, rel=within)
    outside = ~inside_ball(radius=23.0)
    assert abs(volume[outside].mean()) < 2e-3 * 0.02


@pytest.mark.parametrize("detector", ["flat", "curved"])
@pytest.mark.parametrize("flying", ["no", "between two places", "to one side"])
def test_a_bead_stands_where_it_is(detector, flying):
    place = (2.6, -9.3, 12.7)
    bead = Phantom(shapes=(Ellipsoid(value=1.0, semi_axes_mm=(1.6, 1.2, 1.2), center_mm=place),))
    places = {
        "no": [(0.0, 0.0, 0.0)] * 2,
        "between two places": FLYING,
        "to one side": [(0.9, -0.6, 0.5)] * 2,
    }
    shift = np.tile(places[flying], (450, 1))
    beam = helix(detector=detector, n_views_per_turn=360, focal_shift_mm=shift)
    grid = ImageGrid(shape=(17, 15, 15), spacing_mm=(0.6, 0.5, 0.5), center_mm=(2.5, -9.1, 12.6))
    volume = wfbp(bead.projections(beam), beam, grid, window="hann")
    volume = np.where(volume > 0.1 * volume.max(), volume, 0.0)
    for axis, expected in enumerate(place):
        profile = volume.sum(axis=tuple(i for i in range(3) if i != axis))
        center = profile @ grid.coordinates_mm[axis] / profile.sum()
        assert center == pytest.approx(expected, abs=0.06)


def test_a_long_rod_is_a_slice_of_parallel_beams():
    rod = Cylinder(value=0.02, length_mm=400.0, semi_axes_mm=(14.0, 18.0), center_mm=(0.0, 4.0, -5.0))
    beam = helix(n_views_per_turn=360, detector="curved")
    volume = wfbp(Phantom(shapes=(rod,)).projections(beam), beam, GRID, window="hann")
    spacing_mm = 1.4 * 300.0 / 540.0
    parallel = ParallelBeam.half_turn(n_views=360, n_channels=103, channel_spacing_mm=spacing_mm)
    flat = ImageGrid(shape=GRID.shape[1:], spacing_mm=GRID.spacing_mm[1:], center_mm=GRID.center_mm[1:])
    shapes = uniform_disk(radius_mm=14.0, value=0.02, center_mm=(4.0, -5.0)).shapes[0]
    disk = Phantom(shapes=(type(shapes)(value=0.02, semi_axes_mm=(14.0, 18.0), center_mm=(4.0, -5.0)),))
    expected = fbp(disk.sinogram(parallel), parallel, flat, window="hann")
    assert np.sqrt(((volume - expected) ** 2).mean()) < 6e-3 * 0.02


def test_without_feed_it_agrees_with_fdk():
    panel = {**SCANNER, "detector": "curved", "row_offset_mm": 0.0}
    beam = helix(pitch=0.0, n_turns=2.0, n_views_per_turn=360, **panel)
    turn = ConeBeam.full_turn(n_views=360, start_rad=0.3, source_z_mm=1.0, **panel)
    grid = ImageGrid(shape=(3, 40, 44), spacing_mm=(0.5, 1.1, 0.9), center_mm=(1.0, 3.0, -4.0))
    helical = wfbp(BALL.projections(beam), beam, grid, window="hann")
    circular = fdk(BALL.projections(turn), turn, grid, window="hann")
    assert np.sqrt(((helical - circular) ** 2).mean()) < 6e-3 * 0.02


def test_the_other_way_round_is_the_same_scan():
    beam = helix(n_turns=2.0)
    data = BALL.projections(beam)
    reverse = beam.views(slice(None, None, -1))
    np.testing.assert_array_equal(wfbp(data[::-1], reverse, GRID), wfbp(data, beam, GRID))


def test_height_and_angle_of_the_scan_move_the_volume():
    beam = helix(n_turns=2.0)
    data = BALL.projections(beam)
    higher = ConeBeam(**SCANNER, angles_rad=beam.angles_rad + np.pi / 2, source_z_mm=beam.source_z_mm + 7.5)
    grid = ImageGrid(shape=(5, 40, 40), spacing_mm=(1.7, 0.9, 0.9), center_mm=(1.0, 0.0, 0.0))
    lifted = ImageGrid(shape=(5, 40, 40), spacing_mm=(1.7, 0.9, 0.9), center_mm=(8.5, 0.0, 0.0))
    expected = np.rot90(wfbp(data, beam, grid), -1, axes=(1, 2))
    np.testing.assert_allclose(wfbp(data, higher, lifted), expected, atol=2e-3 * 0.02)


def test_slabs_and_regions_have_the_values_of_the_whole():
    beam = helix(n_turns=2.0, n_views_per_turn=60, detector="curved")
    data = BALL.projections(beam)
    whole = wfbp(data, beam, GRID)
    z, y, x = GRID.coordinates_mm
    part = ImageGrid(
        shape=(2, 11, 8),
        spacing_mm=GRID.spacing_mm,
        center_mm=((z[3] + z[4]) / 2, (y[20] + y[30]) / 2, (x[3] + x[10]) / 2),
    )
    assert whole.all()
    np.testing.assert_allclose(wfbp(data, beam, part), whole[3:5, 20:31, 3:11], atol=1e-5 * 0.02)


def test_precision_and_threads():
    beam = helix(n_turns=1.7, n_views_per_turn=60)
    data = BALL.projections(beam, dtype=np.float64)
    double, single = wfbp(data, beam, GRID), wfbp(data.astype(np.float32), beam, GRID)
    assert (double.dtype, single.dtype) == (np.float64, np.float32)
    np.testing.assert_allclose(single, double, atol=1e-4 * 0.02)
    with imgtech.threads(1):
        np.testing.assert_array_equal(wfbp(data, beam, GRID), double)


def test_what_some_angle_does_not_see_is_zero():
    beam = helix(n_turns=2.0)
    tall = ImageGrid(shape=(41, 3, 3), spacing_mm=(2.0, 1.0, 1.0), center_mm=(1.0, 0.0, 0.0))
    column = wfbp(np.ones(beam.shape, np.float32), beam, tall)[:, 1, 1] != 0
    seen = tall.coordinates_mm[0][column]
    assert column.sum() == np.ptp(np.flatnonzero(column)) + 1
    # the last reading of an angle lies up to half a turn, so half a collimation, before the end of the
    # parallel views, and sees half a collimation further
    reach_mm = COLLIMATION_MM * (1.0 - beam.half_fan_rad / (2 * np.pi))
    assert seen[0] == pytest.approx(1.0 - reach_mm, abs=2.0)
    assert seen[-1] == pytest.approx(1.0 + reach_mm, abs=2.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_turns": 0.5}, "angles_rad must cover 180 degrees plus the fan, got 178 degrees"),
        ({"pitch": 4.0}, "must see some voxel of the grid from all angles, got none"),
        ({"detector_offset_mm": 20.0}, "must be centred on the rotation axis to within a tenth"),
        ({"source_axis_mm": 24.0}, "grid must lie inside the circle of the source"),
        ({"n_rows": 1}, "at least 2 rows and 6 channels"),
        (
            {"focal_shift_mm": np.linspace(0, 1, 1350).reshape(450, 3)},
            "focal_shift_mm may take 8 values, got 450",
        ),
    ],
)
def test_scans_that_do_not_cover_the_grid_are_refused(change, words):
    beam = helix(**change)
    with pytest.raises(ValueError, match=words):
        wfbp(np.ones(beam.shape, np.float32), beam, GRID)


def test_bad_data_are_refused():
    beam = helix(n_turns=1.5, n_views_per_turn=60)
    data = np.ones(beam.shape, np.float32)
    with pytest.raises(ValueError, match=r"plateau must be at least 0 and below 1, got 1\.0"):
        wfbp(data, beam, GRID, plateau=1.0)
    with pytest.raises(ValueError, match="grid must have 3 axes"):
        wfbp(data, beam, ImageGrid.square(8, fov_mm=8.0))
    uneven = beam.views(np.delete(np.arange(90), 40))
    with pytest.raises(ValueError, match="angles_rad must hold at least 6 views in even steps"):
        wfbp(data[1:], uneven, GRID)
    data[2, 3, 4] = np.inf
    with pytest.raises(ValueError, match=r"projections must be finite, got inf at index \(2, 3, 4\)"):
        wfbp(data, beam, GRID)
