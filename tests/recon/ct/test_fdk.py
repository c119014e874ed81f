"""Circular cone-beam reconstruction: values, laws, the naive loop, and what is refused."""

import numpy as np
import pytest

import imgtech
from imgtech.geometry import ConeBeam, FanBeam, ImageGrid
from imgtech.phantoms import Cylinder, Ellipsoid, Phantom, uniform_disk
from imgtech.recon.ct import _cone_frames, _kernels_cone, _kernels_cone_window, fbp, fdk
from imgtech.recon.ct._cone_coverage import redundancy_weights
from reference.ct_cone_loops import fdk_voxels

PLACES = {"source_axis_mm": 200.0, "source_detector_mm": 300.0}
PANEL = {
    **PLACES,
    "n_channels": 83,
    "channel_spacing_mm": 1.2,
    "n_rows": 44,
    "row_spacing_mm": 1.3,
    "row_offset_mm": 1.1,
    "source_z_mm": 2.0,
}
GRID = ImageGrid(shape=(19, 44, 49), spacing_mm=(0.9, 0.8, 0.7), center_mm=(2.2, 2.0, -1.5))
BALL = Phantom(shapes=(Ellipsoid(value=0.02, semi_axes_mm=(13.0, 13.0, 13.0), center_mm=(2.0, 3.0, -4.0)),))
SCANS = {
    "full": (ConeBeam.full_turn, 0.3),
    "short": (ConeBeam.short_scan, 0.4),
    "shifted": (ConeBeam.full_turn, 17.0),
    "shifted back": (ConeBeam.full_turn, -17.0),
}


def scan(kind, detector, n_views=240, **change):
    make, offset_mm = SCANS[kind]
    return make(
        n_views=n_views,
        start_rad=0.3,
        **{**PANEL, "detector": detector, "detector_offset_mm": offset_mm, **change},
    )


def distance_from_ball(grid):
    z, y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    return np.sqrt((z - 2.0) ** 2 + (y - 3.0) ** 2 + (x + 4.0) ** 2), np.abs(z - 2.0)


@pytest.mark.parametrize("detector", ["flat", "curved"])
@pytest.mark.parametrize("kind", SCANS)
def test_the_value_of_a_ball_in_the_plane_of_the_source(kind, detector):
    beam = scan(kind, detector)
    volume = fdk(BALL.projections(beam), beam, GRID)
    away, height = distance_from_ball(GRID)
    assert volume[(away < 9.0) & (height < 1.0)].mean() == pytest.approx(0.02, rel=5e-4)
    seen = volume != 0
    assert abs(volume[seen & (away > 17.0) & (height < 1.0)].mean()) < 2e-3 * 0.02


@pytest.mark.parametrize("detector", ["flat", "curved"])
def test_the_value_of_a_ball_near_the_edge_of_a_wide_fan(detector):
    near = {"source_axis_mm": 70.0, "source_detector_mm": 112.0, "n_channels": 131, "channel_spacing_mm": 0.9}
    ball = Ellipsoid(value=0.02, semi_axes_mm=(11.0, 11.0, 11.0), center_mm=(2.0, 14.0, -13.0))
    beam = scan("full", detector, n_views=300, row_spacing_mm=0.8, row_offset_mm=0.5, **near)
    grid = ImageGrid(shape=(3, 18, 20), spacing_mm=(0.4, 0.8, 0.7), center_mm=(2.0, 14.2, -13.1))
    volume = fdk(Phantom(shapes=(ball,)).projections(beam), beam, grid)
    z, y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    inside = np.sqrt((z - 2.0) ** 2 + (y - 14.0) ** 2 + (x + 13.0) ** 2) < 6.0
    assert volume[inside].mean() == pytest.approx(0.02, rel=5e-4)


@pytest.mark.parametrize("detector", ["flat", "curved"])
@pytest.mark.parametrize("kind", SCANS)
def test_a_bead_stands_where_it_is(kind, detector):
    place = (3.7, -5.3, 9.4)
    bead = Phantom(shapes=(Ellipsoid(value=1.0, semi_axes_mm=(1.9, 1.4, 1.4), center_mm=place),))
    beam = scan(kind, detector, n_views=180)
    grid = ImageGrid(shape=(15, 13, 14), spacing_mm=(0.6, 0.5, 0.5), center_mm=(3.6, -5.1, 9.3))
    volume = fdk(bead.projections(beam), beam, grid, window="hann")
    volume = np.where(volume > 0.1 * volume.max(), volume, 0.0)
    for axis, expected in enumerate(place):
        profile = volume.sum(axis=tuple(i for i in range(3) if i != axis))
        center = profile @ grid.coordinates_mm[axis] / profile.sum()
        assert center == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("detector", ["flat", "curved"])
@pytest.mark.parametrize("kind", SCANS)
def test_every_voxel_is_that_of_the_naive_loop(kind, detector):
    beam = scan(kind, detector, n_views=60)
    rod = Cylinder(value=0.02, length_mm=300.0, semi_axes_mm=(9.0, 12.0), center_mm=(0.0, 3.0, -4.0))
    data = Phantom(shapes=(rod,)).projections(beam, dtype=np.float64)
    grid = ImageGrid(shape=(5, 7, 8), spacing_mm=(4.1, 5.3, 4.7), center_mm=(3.0, 2.0, -1.5))
    points = np.stack(np.meshgrid(*grid.coordinates_mm, indexing="ij"), axis=-1).reshape(-1, 3)
    weights, _ = redundancy_weights(beam, beam.fan_angles_rad(beam.channels_mm))
    expected = fdk_voxels(data, beam, weights, points).reshape(grid.shape)
    volume = fdk(data, beam, grid)
    assert (volume != 0).mean() > 0.8
    error = (volume - expected)[volume != 0] / 0.02
    assert np.sqrt((error**2).mean()) < 4e-3
    assert np.abs(error).max() < 2e-2


def test_a_quarter_turn_of_the_scan_turns_the_volume():
    grid = ImageGrid(shape=(6, 40, 40), spacing_mm=(0.9, 0.8, 0.8), center_mm=(2.0, 0.0, 0.0))
    beam = scan("full", "flat", n_views=90)
    data = BALL.projections(beam)
    turned = scan("full", "flat", n_views=90, source_z_mm=2.0)
    turned = ConeBeam.full_turn(n_views=90, start_rad=0.3 + np.pi / 2, **{**PANEL, "detector_offset_mm": 0.3})
    straight, quarter = fdk(data, beam, grid), fdk(data, turned, grid)
    # from x towards y: what lay at (y, x) comes to (x, -y)
    np.testing.assert_allclose(quarter, np.rot90(straight, -1, axes=(1, 2)), atol=2e-3 * 0.02)


def test_upside_down():
    beam = scan("full", "curved", n_views=60)
    data = BALL.projections(beam)
    mirrored = scan("full", "curved", n_views=60, row_offset_mm=-1.1, source_z_mm=-2.0)
    grid = ImageGrid(shape=(19, 44, 49), spacing_mm=(0.9, 0.8, 0.7), center_mm=(-2.2, 2.0, -1.5))
    flipped = fdk(data[:, ::-1], mirrored, grid)[::-1]
    np.testing.assert_allclose(fdk(data, beam, GRID), flipped, atol=1e-4 * 0.02)


def test_one_row_is_a_fan_beam():
    panel = {**PANEL, "n_rows": 1, "row_offset_mm": 0.0, "row_height_mm": 1e-3, "source_z_mm": 0.0}
    beam = ConeBeam.full_turn(n_views=240, start_rad=0.3, **panel)
    fan = FanBeam.full_turn(**PLACES, n_views=240, n_channels=83, channel_spacing_mm=1.2, start_rad=0.3)
    sinogram = uniform_disk(radius_mm=13.0, value=0.02, center_mm=(3.0, -4.0)).sinogram(fan)
    flat = ImageGrid(shape=(44, 49), spacing_mm=(0.8, 0.7), center_mm=(2.0, -1.5))
    grid = ImageGrid(shape=(1, 44, 49), spacing_mm=(0.1, 0.8, 0.7), center_mm=(0.0, 2.0, -1.5))
    image = fdk(sinogram[:, None], beam, grid, window="hann")[0]
    expected = fbp(sinogram, fan, flat, window="hann")
    assert np.sqrt(((image - expected) ** 2).mean()) < 3e-3 * 0.02


def test_a_short_scan_has_the_value_of_a_full_one():
    away, height = distance_from_ball(GRID)
    inside = (away < 9.0) & (height < 3.0)
    full, short = scan("full", "flat"), scan("short", "flat")
    means = [fdk(BALL.projections(beam), beam, GRID)[inside].mean() for beam in (full, short)]
    assert means[1] == pytest.approx(means[0], rel=1e-3)


def test_slabs_and_regions_have_the_values_of_the_whole():
    beam = scan("full", "flat", n_views=60)
    data = BALL.projections(beam)
    whole = fdk(data, beam, GRID)
    z, y, x = GRID.coordinates_mm
    part = ImageGrid(
        shape=(5, 11, 8),
        spacing_mm=GRID.spacing_mm,
        center_mm=((z[7] + z[11]) / 2, (y[20] + y[30]) / 2, (x[3] + x[10]) / 2),
    )
    np.testing.assert_allclose(fdk(data, beam, part), whole[7:12, 20:31, 3:11], atol=1e-5 * 0.02)


def test_order_of_views_does_not_matter_and_gaps_are_weighted():
    steps = np.sort(np.concatenate([np.arange(0, 360, 2.0), np.arange(1, 180, 2.0)]))
    shuffled = np.random.default_rng(3).permutation(steps)
    means = []
    for angles in (steps, shuffled):
        beam = ConeBeam.from_degrees(angles, **PANEL)
        means.append(fdk(BALL.projections(beam), beam, GRID))
    np.testing.assert_allclose(means[1], means[0], atol=1e-4 * 0.02)
    away, height = distance_from_ball(GRID)
    assert means[0][(away < 9.0) & (height < 1.0)].mean() == pytest.approx(0.02, rel=5e-4)


def test_precision_and_threads():
    beam = scan("short", "curved", n_views=40)
    data = BALL.projections(beam, dtype=np.float64)
    double, single = fdk(data, beam, GRID), fdk(data.astype(np.float32), beam, GRID)
    assert (double.dtype, single.dtype) == (np.float64, np.float32)
    np.testing.assert_allclose(single, double, atol=2e-5 * 0.02)
    with imgtech.threads(1):
        np.testing.assert_array_equal(fdk(data, beam, GRID), double)


@pytest.mark.parametrize("slice_mm", [0.4, 1.3, 3.9])
def test_the_kernel_for_avx512_gives_what_the_portable_one_gives(slice_mm, monkeypatch):
    if not _kernels_cone_window.HAS_AVX512:
        pytest.skip("this processor, or IMGTECH_AVX512, leaves the portable kernel only")
    beam = scan("full", "flat", n_views=46)
    data = BALL.projections(beam)
    grid = ImageGrid(shape=(21, 35, 39), spacing_mm=(slice_mm, 0.9, 0.8), center_mm=(2.3, 2.0, -1.5))
    with monkeypatch.context() as patch:
        patch.setattr(_kernels_cone, "add_views", None)  # not to be called
        windowed = fdk(data, beam, grid)
    monkeypatch.setattr(_kernels_cone_window, "HAS_AVX512", False)
    monkeypatch.setattr(_kernels_cone_window, "add_views", None)
    portable = fdk(data, beam, grid)
    assert np.abs(windowed).max() > 0.01
    np.testing.assert_allclose(windowed, portable, atol=1e-5 * 0.02)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_of_zeros_leave_no_subnormal_numbers(dtype, rng):
    """Recursions that fade out in them take a hundred times longer than others."""
    rows = np.zeros((1400, 5), dtype)
    rows[651:655] = rng.standard_normal((4, 5))
    knots = np.empty((1404, 5), dtype)
    _kernels_cone._spline_knots(rows, knots)
    assert np.count_nonzero(knots) > 100
    assert np.abs(knots[knots != 0]).min() > 1e6 * np.finfo(dtype).tiny
    values = knots[1:-3] + 4 * knots[2:-2] + knots[3:-1]
    np.testing.assert_allclose(values, rows, atol=1e-5)


@pytest.mark.parametrize(("kind", "taper_mm"), [("shifted", 0.0), ("full", 17.0)])
def test_the_filter_as_a_matrix_and_by_fourier_transforms_agree(kind, taper_mm, monkeypatch):
    beam = scan(kind, "curved", n_views=60)
    projections = BALL.projections(beam, dtype=np.float64)
    by_matrix = fdk(projections, beam, GRID, taper_mm=taper_mm)
    monkeypatch.setattr(_cone_frames, "_MOST_IN_MATRIX", beam.n_channels - 1)
    np.testing.assert_allclose(fdk(projections, beam, GRID, taper_mm=taper_mm), by_matrix, atol=1e-12 * 0.02)


def test_what_no_turn_sees_is_zero():
    panel = {**PANEL, "n_rows": 12, "source_z_mm": 0.0, "row_offset_mm": 0.0}
    beam = ConeBeam.full_turn(n_views=60, **panel)
    grid = ImageGrid(shape=(15, 81, 81), spacing_mm=(1.0, 1.0, 1.0))
    volume = fdk(np.ones(beam.shape, np.float32), beam, grid)
    z, y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    radius = np.hypot(y, x)
    expected = (radius <= 200.0 * np.sin(np.arctan(49.8 / 300.0))) & (
        np.abs(z) <= 7.8 * (200.0 - radius) / 300.0
    )
    np.testing.assert_array_equal(volume != 0, expected)


def test_a_taper_flattens_the_rise_of_a_truncated_scan():
    wide = Phantom(
        shapes=(Cylinder(value=0.02, length_mm=90.0, semi_axes_mm=(45.0, 45.0), center_mm=(2.0, 4.0, 0.0)),)
    )
    beam = scan("full", "flat", n_channels=61, detector_offset_mm=0.0)
    data = wide.projections(beam)
    grid = ImageGrid(shape=(1, 41, 41), spacing_mm=(1.0, 0.9, 1.1), center_mm=(2.0, 0.0, 0.0))
    plain, tapered = (fdk(data, beam, grid, taper_mm=t)[0] for t in (0.0, 50.0))
    seen = plain != 0
    assert np.std(tapered[seen]) < 0.35 * np.std(plain[seen])
    whole = scan("full", "flat")
    ball = BALL.projections(whole)
    np.testing.assert_allclose(
        fdk(ball, whole, GRID, taper_mm=30.0), fdk(ball, whole, GRID), atol=1e-3 * 0.02
    )


def test_windows_are_those_of_fbp():
    beam = scan("full", "flat", n_views=60)
    data = BALL.projections(beam)
    smooth, sharp = fdk(data, beam, GRID, window="hann", cutoff=0.5), fdk(data, beam, GRID)
    assert np.abs(np.diff(smooth, axis=2)).max() < 0.7 * np.abs(np.diff(sharp, axis=2)).max()
    with pytest.raises(ValueError, match="window must be one of"):
        fdk(data, beam, GRID, window="hamm")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"source_z_mm": np.linspace(0, 3, 60)},
            "source_z_mm must be the same in all views, got a range of 3 mm",
        ),
        ({"focal_shift_mm": (0.0, 0.0, 0.5)}, "focal_shift_mm must be 0"),
        ({"detector_offset_mm": 80.0}, "the detector must see the rotation axis"),
        ({"n_channels": 1}, "beam.n_channels must be at least 2"),
        ({"row_offset_mm": 150.0}, "must see some voxel of the grid in every view, got none"),
        ({"source_axis_mm": 25.0}, "grid must lie inside the circle of the source of radius 25.0 mm"),
        ({"angles_rad": np.deg2rad(np.arange(60) * 3.2)}, "cover every line from one side at least"),
        ({"angles_rad": np.tile([0.4, 0.4 + np.pi], 30)}, "at least 6 different directions, got 2"),
        ({"angles_rad": np.full(60, 0.4)}, "at least 6 different directions, got 1"),
        (
            {"angles_rad": np.deg2rad(np.arange(60) * 3.6), "detector_offset_mm": 17.0},
            "or a full turn if the detector",
        ),
        (
            {"angles_rad": np.repeat([0.0, 1.0, 3.0], 20) + np.tile(np.arange(20) * 0.01, 3)},
            "at most one gap above 4",
        ),
    ],
)
def test_scans_that_do_not_cover_the_grid_are_refused(change, words):
    panel = {**PANEL, "angles_rad": np.arange(60) * (2 * np.pi / 60), **change}
    beam = ConeBeam(**panel)
    with pytest.raises(ValueError, match=words):
        fdk(np.ones(beam.shape, np.float32), beam, GRID)


def test_bad_data_are_refused():
    beam = scan("full", "flat", n_views=60)
    data = BALL.projections(beam)
    with pytest.raises(ValueError, match=r"projections must end with shape \(60, 44, 83\)"):
        fdk(data[:, 1:], beam, GRID)
    data[3, 4, 5] = np.nan
    with pytest.raises(ValueError, match=r"projections must be finite, got nan at index \(3, 4, 5\)"):
        fdk(data, beam, GRID)
    with pytest.raises(ValueError, match="grid must have 3 axes"):
        fdk(np.ones(beam.shape), beam, ImageGrid.square(8, fov_mm=8.0))
    with pytest.raises(ValueError, match="taper_mm must not be negative"):
        fdk(np.ones(beam.shape), beam, GRID, taper_mm=-1.0)
