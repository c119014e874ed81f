"""FBP against closed forms: values, positions, laws, and what it refuses."""

import numpy as np
import pytest

import imgtech
from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.phantoms import shepp_logan, uniform_disk
from imgtech.recon.ct import Projector, angular_weights, backproject, fbp, to_hounsfield
from reference.ct_loops import backproject_loop, fbp_loop

BEAM = ParallelBeam.half_turn(
    n_views=301, n_channels=260, channel_spacing_mm=0.8, detector_offset_mm=1.3, start_rad=0.4
)
ODD = ImageGrid(shape=(201, 175), spacing_mm=(0.7, 0.9), center_mm=(4.0, -7.0))
EVEN = ImageGrid(shape=(180, 222), spacing_mm=(0.9, 0.65), center_mm=(-5.0, 6.5))


def distance_mm(grid, center_mm):
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    return np.hypot(y - center_mm[0], x - center_mm[1])


def small_case(dtype=np.float64, rng=None):
    rng = rng or np.random.default_rng(5)
    angles = np.concatenate([np.linspace(0, np.pi, 13)[:-1] + rng.uniform(-0.05, 0.05, 12), [np.pi / 4]])
    beam = ParallelBeam(
        angles_rad=rng.permutation(angles), n_channels=22, channel_spacing_mm=1.3, detector_offset_mm=0.6
    )
    grid = ImageGrid(shape=(14, 17), spacing_mm=(1.1, 1.5), center_mm=(1.2, -0.7))
    return uniform_disk(radius_mm=6.0, center_mm=(1.0, 2.0)).sinogram(beam, dtype=dtype), beam, grid


@pytest.mark.parametrize("grid", [ODD, EVEN], ids=["odd", "even"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", ["fourier", "direct"])
def test_fbp_gives_the_value_of_a_disk(grid, dtype, method):
    disk = uniform_disk(radius_mm=45.0, value=0.021, center_mm=(3.0, -6.0))
    image = fbp(disk.sinogram(BEAM, dtype=dtype), BEAM, grid, method=method)
    inside = distance_mm(grid, (3.0, -6.0)) < 0.8 * 45.0
    assert image.dtype == dtype
    assert image[inside].mean() == pytest.approx(0.021, rel=1e-4)


def test_fbp_gives_the_values_of_the_shepp_logan_head():
    head = shepp_logan(radius_mm=90.0)
    beam = ParallelBeam.half_turn(n_views=500, n_channels=270, channel_spacing_mm=0.7, detector_offset_mm=0.9)
    grid = ImageGrid(shape=(256, 230), spacing_mm=(0.75, 0.7), center_mm=(1.0, -2.0))
    image, truth = fbp(head.sinogram(beam), beam, grid), head.image(grid)
    flat = np.zeros(grid.shape, dtype=bool)  # 4 pixels or more from any edge of the head
    windows = np.lib.stride_tricks.sliding_window_view(truth, (9, 9))
    flat[4:-4, 4:-4] = (np.ptp(windows, axis=(2, 3)) < 1e-7) & (windows[..., 4, 4] > 0)
    assert flat.sum() > 10_000
    assert image[flat].mean() == pytest.approx(truth[flat].mean(), rel=1e-3)


@pytest.mark.parametrize("grid", [ODD, EVEN], ids=["odd", "even"])
@pytest.mark.parametrize("method", ["fourier", "direct"])
def test_fbp_puts_an_object_where_it_is(grid, method):
    center = np.array([9.13, -12.57])
    image = fbp(
        uniform_disk(radius_mm=12.0, center_mm=tuple(center)).sinogram(BEAM), BEAM, grid, method=method
    )
    near = distance_mm(grid, center) < 25.0
    mass = np.where(near, image, 0.0).astype(np.float64)
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    found = np.array([(mass * y).sum(), (mass * x).sum()]) / mass.sum()
    assert np.abs((found - center) / grid.spacing_mm).max() < 0.01


@pytest.mark.parametrize("method", ["fourier", "direct"])
def test_fbp_equals_the_naive_loop(method):
    sinogram, beam, _ = small_case()
    grid = ImageGrid(shape=(14, 17), spacing_mm=(0.7, 0.5), center_mm=(1.2, -0.7))
    expected = fbp_loop(sinogram, beam, grid, angular_weights(beam.angles_rad))
    assert np.abs(fbp(sinogram, beam, grid, method=method) - expected).max() < 0.02 * np.abs(expected).max()
    assert (fbp(sinogram, beam, grid, method=method) - expected).std() < 0.006 * np.abs(expected).max()


def test_backproject_equals_the_naive_loop():
    sinogram, beam, grid = small_case()
    smooth = sinogram + 3.0
    expected = backproject_loop(smooth, beam, grid)
    assert np.abs(backproject(smooth, beam, grid) - expected).max() < 0.02 * expected.max()
    assert np.abs((backproject(smooth, beam, grid) - expected).mean()) < 1e-3 * expected.max()


def test_backproject_of_a_linear_projection_is_that_linear_function():
    beam = ParallelBeam(
        angles_rad=[np.deg2rad(-25.0)], n_channels=60, channel_spacing_mm=0.6, detector_offset_mm=1.1
    )
    grid = ImageGrid(shape=(12, 15), spacing_mm=(0.9, 1.2), center_mm=(2.0, -1.0))
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    exact = x * np.cos(beam.angles_rad[0]) + y * np.sin(beam.angles_rad[0])
    step_mm = 1.2 * np.cos(np.deg2rad(25.0))
    assert np.abs(backproject(beam.channels_mm[None], beam, grid) - exact).max() <= step_mm / 16 + 1e-12


def test_fbp_is_linear(rng):
    _, beam, grid = small_case()
    one, two = rng.normal(size=(2, *beam.shape))
    combined = fbp(2.0 * one - 0.5 * two, beam, grid)
    assert np.allclose(combined, 2.0 * fbp(one, beam, grid) - 0.5 * fbp(two, beam, grid), atol=1e-12)


def test_turning_the_gantry_by_90_degrees_turns_the_image():
    disk = uniform_disk(radius_mm=5.0, center_mm=(3.0, 8.0)) + uniform_disk(
        radius_mm=2.0, center_mm=(-6.0, 1.0)
    )
    beam = ParallelBeam.half_turn(n_views=90, n_channels=61, channel_spacing_mm=0.5, start_rad=0.01)
    turned = ParallelBeam(angles_rad=beam.angles_rad + np.pi / 2, n_channels=61, channel_spacing_mm=0.5)
    sinogram = disk.sinogram(beam, dtype=np.float64)
    grid = ImageGrid(shape=(31, 44), spacing_mm=(0.6, 0.5), center_mm=(1.0, 2.0))
    grid_turned = ImageGrid(shape=(44, 31), spacing_mm=(0.5, 0.6), center_mm=(2.0, -1.0))
    image = fbp(sinogram, beam, grid, window="hann")
    # (x, y) goes to (-y, x): the new row axis is the old column axis, the new column axis runs backwards
    difference = fbp(sinogram, turned, grid_turned, window="hann") - image.T[:, ::-1]
    assert np.abs(difference).max() < 0.01 * image.max()


def test_the_order_of_views_does_not_matter(rng):
    sinogram, beam, grid = small_case()
    order = rng.permutation(beam.n_views)
    shuffled = ParallelBeam(
        angles_rad=beam.angles_rad[order], n_channels=22, channel_spacing_mm=1.3, detector_offset_mm=0.6
    )
    assert np.allclose(fbp(sinogram[order], shuffled, grid), fbp(sinogram, beam, grid), atol=1e-12)


@pytest.mark.parametrize(
    "angles_deg",
    [
        np.arange(0, 360, 0.75),
        np.arange(-400, -400 + 180, 0.5),
        np.concatenate([np.arange(0, 180, 0.5)[::-1], np.arange(0, 180, 0.5)]),
        np.rad2deg(np.arange(400) * np.pi * (np.sqrt(5) - 1) / 2),
        np.concatenate([np.arange(0, 60, 0.3), np.arange(60, 201, 0.9)]),
    ],
    ids=["full turn", "negative", "twice", "golden angle", "two speeds past a half turn"],
)
def test_any_set_of_views_that_covers_a_half_turn_gives_the_value(angles_deg):
    beam = ParallelBeam.from_degrees(
        angles_deg, n_channels=130, channel_spacing_mm=0.8, detector_offset_mm=-0.7
    )
    grid = ImageGrid(shape=(90, 81), spacing_mm=(0.9, 1.0), center_mm=(2.0, 3.0))
    disk = uniform_disk(radius_mm=30.0, value=0.02, center_mm=(2.0, -5.0))
    image = fbp(disk.sinogram(beam), beam, grid)
    assert image[distance_mm(grid, (2.0, -5.0)) < 24.0].mean() == pytest.approx(0.02, rel=1e-3)


def test_a_view_at_exactly_45_degrees_counts_once():
    beam = ParallelBeam.from_degrees([45.0, 135.0], n_channels=41, channel_spacing_mm=0.5)
    grid = ImageGrid(shape=(6, 9), spacing_mm=(1.0, 1.0), center_mm=(0.5, -0.5))
    assert np.allclose(backproject(np.full(beam.shape, 1.5), beam, grid), 3.0, atol=1e-12)


def test_a_stack_equals_its_slices(rng):
    _, beam, grid = small_case()
    stack = rng.normal(size=(5, *beam.shape)).astype(np.float32)
    stack[..., [0, -1]] = 0
    images = fbp(stack, beam, grid, window="hann")
    assert images.shape == (5, *grid.shape)
    for image, sinogram in zip(images, stack, strict=True):
        assert np.array_equal(image, fbp(sinogram, beam, grid, window="hann"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", ["fourier", "direct"])
def test_the_bits_do_not_depend_on_the_number_of_threads(dtype, method):
    if imgtech._core.jit.thread_count() < 2:
        pytest.skip("needs two threads")
    sinogram = shepp_logan(radius_mm=90.0).sinogram(BEAM, dtype=dtype)
    both = fbp(sinogram, BEAM, ODD, method=method)
    with imgtech.threads(1):
        one = fbp(sinogram, BEAM, ODD, method=method)
    assert np.array_equal(one, both)


def test_a_view_adds_nothing_to_pixels_beyond_its_detector():
    beam = ParallelBeam(
        angles_rad=[np.deg2rad(20.0)], n_channels=31, channel_spacing_mm=0.5, detector_offset_mm=2.2
    )
    grid = ImageGrid(shape=(70, 91), spacing_mm=(1.0, 0.8), center_mm=(3.0, -2.0))
    image = backproject(np.ones(beam.shape), beam, grid)
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    off = np.abs(x * np.cos(beam.angles_rad[0]) + y * np.sin(beam.angles_rad[0]) - 2.2) - 7.75
    assert np.all(image[off > 0.8 / 8] == 0)
    assert np.all(image[off < 0] == 1)


def test_pixels_that_some_view_does_not_see_are_zero():
    beam = ParallelBeam.half_turn(n_views=360, n_channels=41, channel_spacing_mm=0.5, detector_offset_mm=0.2)
    grid = ImageGrid(shape=(70, 91), spacing_mm=(0.5, 0.4), center_mm=(3.0, -2.0))
    disk = uniform_disk(radius_mm=7.0, center_mm=(1.0, -1.0))
    image = fbp(disk.sinogram(beam), beam, grid)
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    s = x[..., None] * np.cos(beam.angles_rad) + y[..., None] * np.sin(beam.angles_rad)
    seen = np.all((s > 0.2 - 10.25) & (s < 0.2 + 10.25), axis=-1)
    assert 0.2 < seen.mean() < 0.6
    assert np.array_equal(image != 0, seen)
    assert image[distance_mm(grid, (1.0, -1.0)) < 5.5].mean() == pytest.approx(1.0, rel=1e-3)
    assert abs(image[seen & (distance_mm(grid, (1.0, -1.0)) > 7.5)].mean()) < 5e-3


def test_a_truncated_object_rises_towards_the_edge_of_the_detector():
    beam = ParallelBeam.half_turn(n_views=300, n_channels=81, channel_spacing_mm=0.5, detector_offset_mm=0.1)
    grid = ImageGrid(shape=(71, 80), spacing_mm=(0.5, 0.5), center_mm=(0.3, -0.2))
    sinogram = uniform_disk(radius_mm=30.0, value=0.02).sinogram(beam)
    with pytest.warns(UserWarning, match=r"end at 7\d% of their largest value"):
        image = fbp(sinogram, beam, grid)
    continued = fbp(sinogram, beam, grid, extrapolate=True)
    radius = distance_mm(grid, (0.0, 0.0))
    middle, rim = radius < 4.0, (radius > 14.0) & (radius < 16.0)
    assert 1.1 * 0.02 < image[middle].mean() < 0.9 * image[rim].mean()
    assert continued[middle].mean() == pytest.approx(0.02, rel=0.07)
    assert continued[rim].mean() == pytest.approx(0.02, rel=0.14)


@pytest.mark.parametrize("method", ["fourier", "direct"])
def test_an_object_inside_the_detector_is_the_same_with_and_without_extrapolation(method):
    sinogram, beam, grid = small_case()
    assert not sinogram[:, [0, -1]].any()
    plain = fbp(sinogram, beam, grid, method=method)
    continued = fbp(sinogram, beam, grid, method=method, extrapolate=True)
    assert np.array_equal(continued != 0, plain != 0)
    assert np.abs(continued - plain).max() < 0.02 * plain.max()


def test_input_is_not_changed_and_integers_become_float32(rng):
    _, beam, grid = small_case()
    sinogram = rng.integers(0, 9, beam.shape)
    sinogram[:, [0, -1]] = 0
    before = sinogram.copy()
    assert fbp(sinogram, beam, grid).dtype == np.float32
    assert np.array_equal(sinogram, before)


def test_nan_is_refused_with_its_place():
    sinogram, beam, grid = small_case()
    sinogram[3, 4] = np.nan
    with pytest.raises(ValueError, match=r"sinogram must be finite, got nan at index \(3, 4\)"):
        fbp(sinogram, beam, grid)


def test_a_missing_wedge_is_refused_by_name():
    beam = ParallelBeam.from_degrees(np.arange(0, 150.5, 0.5), n_channels=11, channel_spacing_mm=1.0)
    with pytest.raises(ValueError, match=r"180 degrees.*got a gap of 30 degrees from 150 to 180 degrees"):
        fbp(np.zeros(beam.shape), beam, ImageGrid.square(8, fov_mm=8.0))


def test_a_missing_wedge_is_reconstructed_on_request_with_a_warning():
    beam = ParallelBeam.from_degrees(
        20.0 + np.arange(0, 150.0, 0.5), n_channels=90, channel_spacing_mm=0.8, detector_offset_mm=0.6
    )
    grid = ImageGrid(shape=(61, 70), spacing_mm=(0.9, 0.8), center_mm=(2.0, 3.0))
    sinogram = uniform_disk(radius_mm=15.0, value=0.02, center_mm=(2.0, -1.0)).sinogram(beam)
    with pytest.warns(UserWarning, match="leave out 30.5 degrees of directions, from 169.5 to 20 degrees"):
        image = fbp(sinogram, beam, grid, limited_angle=True)
    inside = image[distance_mm(grid, (2.0, -1.0)) < 10.0].mean()
    assert 0.02 * (1 - 0.25) < inside < 0.02 * (1 - 0.05)  # a sixth of the directions is missing
    whole = ParallelBeam.half_turn(n_views=90, n_channels=90, channel_spacing_mm=0.8)
    data = uniform_disk(radius_mm=15.0).sinogram(whole)
    assert np.array_equal(fbp(data, whole, grid, limited_angle=True), fbp(data, whole, grid))


def test_a_detector_that_misses_the_grid_is_refused():
    beam = ParallelBeam.half_turn(n_views=30, n_channels=11, channel_spacing_mm=1.0, detector_offset_mm=9.0)
    with pytest.raises(ValueError, match="grid must hold a pixel that the detector sees in every view"):
        fbp(np.zeros(beam.shape), beam, ImageGrid.square(8, fov_mm=8.0))


def test_wrong_shapes_are_refused():
    sinogram, beam, grid = small_case()
    with pytest.raises(ValueError, match="sinogram must end with shape"):
        fbp(sinogram.T, beam, grid)
    with pytest.raises(ValueError, match="grid must have 2 axes"):
        fbp(sinogram, beam, ImageGrid(shape=(2, 3, 4), spacing_mm=(1.0, 1.0, 1.0)))
    with pytest.raises(ValueError, match="n_channels must be at least 2"):
        fbp(np.ones((2, 1)), ParallelBeam.half_turn(n_views=2, n_channels=1, channel_spacing_mm=1.0), grid)


def test_hounsfield_units_of_water_and_vacuum():
    values = to_hounsfield(np.array([[0.0, 0.019, 0.038]], dtype=np.float32), water_per_mm=0.019)
    assert values.dtype == np.float32
    assert np.allclose(values, [[-1000.0, 0.0, 1000.0]], atol=1e-3)
    with pytest.raises(ValueError, match="water_per_mm must be positive, got 0"):
        to_hounsfield(np.ones((2, 2)), water_per_mm=0)


@pytest.mark.parametrize("n_bytes", [1, 40_000])
def test_blocks_of_views_only_change_the_order_of_the_sum(monkeypatch, n_bytes):
    sinogram, beam, grid = small_case()
    whole = fbp(sinogram, beam, grid, method="direct"), Projector(beam, grid).forward(np.ones(grid.shape))
    monkeypatch.setattr("imgtech.recon.ct._rows._BLOCK_BYTES", n_bytes)
    parts = fbp(sinogram, beam, grid, method="direct"), Projector(beam, grid).forward(np.ones(grid.shape))
    assert np.allclose(parts[0], whole[0], atol=1e-14)
    assert np.array_equal(parts[1], whole[1])
