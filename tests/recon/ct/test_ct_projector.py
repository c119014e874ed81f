"""The matched pair: adjoint to rounding, true to closed-form line integrals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import lsqr

import imgtech
from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.phantoms import uniform_disk
from imgtech.recon import dot_test
from imgtech.recon.ct import Projector, backproject
from reference.ct_loops import project_loop

BEAM = ParallelBeam(
    angles_rad=np.random.default_rng(3).uniform(-4.0, 7.0, 37),
    n_channels=70,
    channel_spacing_mm=0.9,
    detector_offset_mm=0.7,
    channel_width_mm=0.75,
)
GRID = ImageGrid(shape=(41, 52), spacing_mm=(0.8, 1.1), center_mm=(2.0, -3.0))


@pytest.mark.parametrize(("dtype", "limit"), [(np.float32, 1e-6), (np.float64, 1e-12)])
def test_forward_and_adjoint_are_a_matched_pair(rng, dtype, limit):
    assert dot_test(Projector(BEAM, GRID), rng, dtype) <= limit


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    spacing=st.tuples(st.floats(0.3, 3.0), st.floats(0.3, 3.0)),
    center=st.tuples(st.floats(-9.0, 9.0), st.floats(-9.0, 9.0)),
    channels=st.tuples(st.integers(1, 30), st.floats(0.3, 3.0), st.floats(-4.0, 4.0), st.floats(0.3, 5.0)),
    angles=st.lists(st.floats(-7.0, 7.0) | st.sampled_from([0.0, np.pi / 4, np.pi / 2, -np.pi]), min_size=1),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_pair_is_matched_for_any_geometry(shape, spacing, center, channels, angles, seed):
    beam = ParallelBeam(
        angles_rad=angles,
        n_channels=channels[0],
        channel_spacing_mm=channels[1],
        detector_offset_mm=channels[2],
        channel_width_mm=channels[3],
    )
    grid = ImageGrid(shape=shape, spacing_mm=spacing, center_mm=center)
    assert dot_test(Projector(beam, grid), np.random.default_rng(seed)) <= 1e-12


def test_forward_equals_the_naive_loop_to_its_rounding_of_positions(rng):
    grid = ImageGrid(shape=(9, 7), spacing_mm=(1.7, 1.2), center_mm=(1.0, -0.6))
    beam = ParallelBeam(
        angles_rad=np.deg2rad([0.0, 30.0, 45.0, 100.0, 200.0, -75.0]),
        n_channels=15,
        channel_spacing_mm=1.4,
        detector_offset_mm=0.3,
        channel_width_mm=1.1,
    )
    image = rng.random(grid.shape)
    expected = project_loop(image, beam, grid)
    found = Projector(beam, grid).forward(image)
    assert np.abs(found - expected).max() < 0.04 * expected.max()
    assert np.abs((found - expected).mean()) < 2e-3 * expected.mean()


def test_a_single_pixel_at_a_right_angle_casts_its_exact_shadow():
    grid = ImageGrid(shape=(3, 4), spacing_mm=(0.5, 2.0), center_mm=(10.0, -20.0))
    beam = ParallelBeam(
        angles_rad=[0.0, np.pi / 2], n_channels=120, channel_spacing_mm=0.5, detector_offset_mm=-5.0
    )
    image = np.zeros(grid.shape)
    image[2, 0] = 3.0  # y = 10.5 +- 0.25, x = -23 +- 1
    sinogram = Projector(beam, grid).forward(image)
    lit_by_x = np.abs(beam.channels_mm + 23.0) < 1.0
    assert np.allclose(sinogram[0], np.where(lit_by_x, 3.0 * 0.5, 0.0), atol=0.13)
    assert sinogram[0].sum() * 0.5 == pytest.approx(3.0 * 0.5 * 2.0)
    assert sinogram[1].sum() * 0.5 == pytest.approx(3.0 * 0.5 * 2.0)
    assert (sinogram[0] @ beam.channels_mm) / sinogram[0].sum() == pytest.approx(-23.0, abs=0.13)
    assert (sinogram[1] @ beam.channels_mm) / sinogram[1].sum() == pytest.approx(10.5, abs=0.04)


def test_a_constant_image_gives_chord_lengths():
    grid = ImageGrid(shape=(150, 150), spacing_mm=(0.5, 0.7), center_mm=(1.0, 2.0))
    beam = ParallelBeam(
        angles_rad=np.deg2rad([0, 20, 45, 77, 90, 133]),
        n_channels=9,
        channel_spacing_mm=0.8,
        detector_offset_mm=3.0,
    )
    sinogram = Projector(beam, grid).forward(np.full(grid.shape, 0.02))
    for view, angle in enumerate(beam.angles_rad):
        cos, sin = abs(np.cos(angle)), abs(np.sin(angle))
        chord = min(75.0 / cos if cos > 1e-9 else np.inf, 105.0 / sin if sin > 1e-9 else np.inf)
        assert sinogram[view] == pytest.approx(0.02 * chord, rel=1e-9)


def test_forward_of_a_pixel_disk_meets_its_line_integrals():
    disk = uniform_disk(radius_mm=20.0, value=0.02, center_mm=(3.0, -4.0))
    beam = ParallelBeam.half_turn(n_views=45, n_channels=130, channel_spacing_mm=0.5, detector_offset_mm=0.3)
    grid = ImageGrid(shape=(100, 111), spacing_mm=(0.5, 0.6), center_mm=(1.0, -2.0))
    truth = disk.sinogram(beam, dtype=np.float64)
    error = Projector(beam, grid).forward(disk.image(grid, dtype=np.float64)) - truth
    assert np.sqrt(np.mean(error**2)) < 0.003 * truth.max()
    assert abs(error.sum()) < 1e-6 * truth.sum()
    position = np.broadcast_to(beam.channels_mm, truth.shape)
    shift_mm = (error * position).sum(axis=1) / truth.sum(axis=1)
    assert np.abs(shift_mm).max() < 0.6 / 16
    assert abs(shift_mm.mean()) < 1e-3


def test_adjoint_of_ones_is_the_area_of_a_pixel_per_view():
    beam = ParallelBeam.half_turn(n_views=12, n_channels=80, channel_spacing_mm=0.7, detector_offset_mm=0.2)
    grid = ImageGrid(shape=(20, 23), spacing_mm=(1.1, 0.9), center_mm=(1.0, 2.0))
    image = Projector(beam, grid).adjoint(np.ones(beam.shape))
    assert image == pytest.approx(12 * 1.1 * 0.9 / 0.7, rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_bits_of_both_do_not_depend_on_the_number_of_threads(rng, dtype):
    if imgtech._core.jit.thread_count() < 2:
        pytest.skip("needs two threads")
    beam = ParallelBeam.half_turn(n_views=203, n_channels=160, channel_spacing_mm=0.9)
    grid = ImageGrid(shape=(201, 180), spacing_mm=(0.7, 0.8), center_mm=(1.0, 2.0))
    project = Projector(beam, grid)
    image, sinogram = rng.random(grid.shape).astype(dtype), rng.random(beam.shape).astype(dtype)
    both = project.forward(image), project.adjoint(sinogram)
    with imgtech.threads(1):
        one = project.forward(image), project.adjoint(sinogram)
    assert all(a.dtype == dtype and np.array_equal(a, b) for a, b in zip(one, both, strict=True))


def test_the_scipy_view_solves_least_squares(rng):
    grid = ImageGrid(shape=(8, 9), spacing_mm=(1.1, 1.0), center_mm=(0.4, -0.3))
    beam = ParallelBeam.half_turn(n_views=30, n_channels=40, channel_spacing_mm=0.4)
    project = Projector(beam, grid)
    image = rng.random(grid.shape)
    solution = lsqr(project.as_scipy(), project.forward(image).ravel(), atol=1e-12, btol=1e-12, iter_lim=500)[
        0
    ]
    assert np.allclose(solution.reshape(grid.shape), image, atol=1e-6)


def test_transposed_and_read_only_arrays_are_as_good_as_others(rng):
    project = Projector(BEAM, GRID)
    image, sinogram = rng.random(GRID.shape), rng.random(BEAM.shape)
    image_t, sinogram_t = np.asfortranarray(image), np.asfortranarray(sinogram)
    assert np.array_equal(project.forward(image_t), project.forward(image))
    assert np.array_equal(project.adjoint(sinogram_t), project.adjoint(sinogram))
    assert np.array_equal(backproject(sinogram_t, BEAM, GRID), backproject(sinogram, BEAM, GRID))
    image.setflags(write=False)
    sinogram.setflags(write=False)
    assert np.array_equal(project.forward(image), project.forward(image_t))
    assert np.array_equal(project.adjoint(sinogram), project.adjoint(sinogram_t))
    assert np.array_equal(backproject(sinogram, BEAM, GRID), backproject(sinogram_t, BEAM, GRID))


def test_wrong_arrays_are_refused():
    project = Projector(BEAM, GRID)
    with pytest.raises(ValueError, match="x must end with shape"):
        project.forward(np.ones((3, 4)))
    with pytest.raises(ValueError, match="y must be finite"):
        project.adjoint(np.full(BEAM.shape, np.inf))
    with pytest.raises(ValueError, match="grid must have 2 axes"):
        Projector(BEAM, ImageGrid(shape=(2, 3, 4), spacing_mm=(1.0, 1.0, 1.0)))
