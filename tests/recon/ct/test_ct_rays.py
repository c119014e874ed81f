"""Projectors of fan and cone: adjoint to rounding, equal to a plain loop, true to closed-form integrals."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import lsqr

import imgtech
from imgtech.geometry import ConeBeam, FanBeam, ImageGrid
from imgtech.phantoms import Ellipsoid, Phantom, uniform_disk
from imgtech.recon import dot_test
from imgtech.recon.ct import Projector
from reference.ct_ray_loops import cone_loop, fan_loop

FAN = FanBeam(
    source_axis_mm=70.0,
    source_detector_mm=110.0,
    angles_rad=np.random.default_rng(3).uniform(-4.0, 7.0, 29),
    n_channels=53,
    channel_spacing_mm=1.7,
    detector_offset_mm=2.3,
)
GRID = ImageGrid(shape=(41, 52), spacing_mm=(0.8, 1.1), center_mm=(2.0, -3.0))
CONE = ConeBeam(
    source_axis_mm=70.0,
    source_detector_mm=110.0,
    angles_rad=np.random.default_rng(3).uniform(-4.0, 7.0, 11),
    n_channels=31,
    channel_spacing_mm=2.7,
    detector_offset_mm=2.3,
    n_rows=14,
    row_spacing_mm=1.9,
    row_offset_mm=-1.1,
    source_z_mm=np.linspace(-6.0, 8.0, 11),
    focal_shift_mm=np.random.default_rng(4).uniform(-1.0, 1.0, (11, 3)),
)
VOLUME = ImageGrid(shape=(17, 21, 24), spacing_mm=(1.3, 1.6, 2.1), center_mm=(1.0, 2.0, -3.0))
BEAMS = {
    "fan flat": (FAN, GRID),
    "fan curved": (replace(FAN, detector="curved"), GRID),
    "fan with gaps": (replace(FAN, channel_width_mm=1.2), GRID),
    "fan with overlap": (replace(FAN, channel_width_mm=2.9), GRID),
    "cone flat": (CONE, VOLUME),
    "cone curved": (replace(CONE, detector="curved"), VOLUME),
    "cone with gaps": (replace(CONE, channel_width_mm=2.0, row_height_mm=1.1), VOLUME),
    "one row": (replace(CONE, n_rows=1), VOLUME),
}


@pytest.mark.parametrize(("beam", "grid"), BEAMS.values(), ids=BEAMS)
@pytest.mark.parametrize(("dtype", "limit"), [(np.float32, 1e-6), (np.float64, 1e-12)])
def test_forward_and_adjoint_are_a_matched_pair(rng, beam, grid, dtype, limit):
    assert dot_test(Projector(beam, grid), rng, dtype) <= limit


def matched_or_a_mere_touch(project, seed):
    """The dot test, unless no ray meets more of the grid than rounding makes of a touch."""
    lengths, counts = (
        project.forward(np.ones(project.input_shape)),
        project.adjoint(np.ones(project.output_shape)),
    )
    if max(abs(lengths).max(), abs(counts).max()) < 1e-12:
        return True
    return dot_test(project, np.random.default_rng(seed)) <= 1e-12


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    spacing=st.tuples(st.floats(0.3, 2.0), st.floats(0.3, 2.0)),
    center=st.tuples(st.floats(-9.0, 9.0), st.floats(-9.0, 9.0)),
    channels=st.tuples(st.integers(1, 30), st.floats(0.3, 5.0), st.floats(-9.0, 9.0), st.floats(0.3, 5.0)),
    detector=st.sampled_from(["flat", "curved"]),
    angles=st.lists(st.floats(-7.0, 7.0) | st.sampled_from([0.0, np.pi / 4, np.pi / 2, -np.pi]), min_size=1),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_fan_pair_is_matched_for_any_geometry(shape, spacing, center, channels, detector, angles, seed):
    beam = FanBeam(
        source_axis_mm=61.0,
        source_detector_mm=80.0,
        angles_rad=angles,
        n_channels=channels[0],
        channel_spacing_mm=channels[1],
        detector_offset_mm=channels[2],
        channel_width_mm=channels[3],
        detector=detector,
    )
    grid = ImageGrid(shape=shape, spacing_mm=spacing, center_mm=center)
    assert matched_or_a_mere_touch(Projector(beam, grid), seed)


@settings(max_examples=15, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)),
    spacing=st.tuples(st.floats(0.3, 2.0), st.floats(0.3, 3.0), st.floats(0.3, 3.0)),
    rows=st.tuples(st.integers(1, 7), st.floats(0.5, 5.0), st.floats(-9.0, 9.0), st.floats(0.1, 1.0)),
    heights=st.lists(st.floats(-9.0, 9.0), min_size=1, max_size=4),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_cone_pair_is_matched_for_any_geometry(shape, spacing, rows, heights, seed):
    rng = np.random.default_rng(seed)
    beam = replace(
        CONE,
        angles_rad=rng.uniform(-7, 7, len(heights)),
        source_z_mm=np.array(heights),
        focal_shift_mm=rng.uniform(-1, 1, (len(heights), 3)),
        n_rows=rows[0],
        row_spacing_mm=rows[1],
        row_offset_mm=rows[2],
        row_height_mm=rows[1] * rows[3],
    )
    assert matched_or_a_mere_touch(Projector(beam, ImageGrid(shape=shape, spacing_mm=spacing)), seed)


@pytest.mark.parametrize("n_channels", [1, 2, 7])
@pytest.mark.parametrize("width_mm", [0.7, 1.0, 2.0])
@pytest.mark.parametrize("angle_rad", [0.0, 1.3, np.pi, -2.0])
def test_a_fan_that_misses_the_grid_gives_exactly_zero_both_ways(rng, n_channels, width_mm, angle_rad):
    beam = FanBeam(
        source_axis_mm=61.0,
        source_detector_mm=80.0,
        angles_rad=[angle_rad],
        n_channels=n_channels,
        channel_spacing_mm=1.0,
        channel_width_mm=width_mm,
        detector_offset_mm=6.4,
    )
    project = Projector(beam, ImageGrid(shape=(3, 2), spacing_mm=(0.9, 0.7), center_mm=(-0.2, 0.3)))
    assert not project.forward(rng.random((3, 2))).any()
    assert not project.adjoint(rng.random((1, n_channels))).any()


@pytest.mark.parametrize("name", ["fan flat", "fan curved", "fan with gaps", "fan with overlap"])
def test_fan_forward_equals_the_plain_loop(rng, name):
    beam = replace(BEAMS[name][0], angles_rad=np.deg2rad([0.0, 30.0, 45.0, 100.0, 200.0, -75.0]))
    grid = ImageGrid(shape=(9, 7), spacing_mm=(4.7, 5.2), center_mm=(1.0, -0.6))
    image = rng.random(grid.shape)
    expected = fan_loop(image, beam, grid)
    assert Projector(beam, grid).forward(image) == pytest.approx(expected, abs=1e-11 * expected.max())


@pytest.mark.parametrize("name", ["cone flat", "cone curved", "cone with gaps", "one row"])
def test_cone_forward_equals_the_plain_loop(rng, name):
    beam = BEAMS[name][0].views([1, 4, 5, 9])
    grid = ImageGrid(shape=(5, 6, 7), spacing_mm=(3.3, 5.1, 5.6), center_mm=(1.0, 2.0, -3.0))
    volume = rng.random(grid.shape)
    expected = cone_loop(volume, beam, grid)
    assert expected.max() > 5
    assert Projector(beam, grid).forward(volume) == pytest.approx(expected, abs=1e-11 * expected.max())


@pytest.mark.parametrize("detector", ["flat", "curved"])
def test_a_constant_image_gives_chord_lengths_of_a_fan(detector):
    beam = replace(FAN, detector=detector, n_channels=9, source_axis_mm=300.0, source_detector_mm=340.0)
    grid = ImageGrid(shape=(150, 150), spacing_mm=(0.5, 0.7), center_mm=(1.0, 2.0))
    sinogram = Projector(beam, grid).forward(np.full(grid.shape, 0.02))
    gamma = beam.fan_angles_rad(beam.channels_mm)
    for view, beta in enumerate(beam.angles_rad):
        for channel, angle in enumerate(beta - gamma):
            start = 300.0 * np.sin(beta), -300.0 * np.cos(beta)
            chord = _chord(start, (-np.sin(angle), np.cos(angle)), (2.0, 1.0), (105.0, 75.0))
            assert sinogram[view, channel] == pytest.approx(0.02 * chord, rel=2e-3)


def _chord(start, direction, center, size):
    """Length of a line in a rectangle, all in (x, y)."""
    enter, leave = -np.inf, np.inf
    for s, d, c, w in zip(start, direction, center, size, strict=True):
        one, other = sorted(((c - w / 2 - s) / d, (c + w / 2 - s) / d))
        enter, leave = max(enter, one), min(leave, other)
    return max(0.0, leave - enter)


@pytest.mark.parametrize("detector", ["flat", "curved"])
def test_fan_forward_of_a_pixel_disk_meets_its_line_integrals(detector):
    disk = uniform_disk(radius_mm=20.0, value=0.02, center_mm=(3.0, -4.0))
    beam = FanBeam.full_turn(
        source_axis_mm=150.0,
        source_detector_mm=240.0,
        n_views=45,
        n_channels=133,
        channel_spacing_mm=0.8,
        detector=detector,
        detector_offset_mm=0.3,
        start_rad=0.2,
    )
    grid = ImageGrid(shape=(100, 111), spacing_mm=(0.5, 0.6), center_mm=(1.0, -2.0))
    truth = disk.sinogram(beam, dtype=np.float64)
    error = Projector(beam, grid).forward(disk.image(grid, dtype=np.float64)) - truth
    assert np.sqrt(np.mean(error**2)) < 0.003 * truth.max()
    assert abs(error.sum()) < 1e-5 * truth.sum()
    shift_mm = (error * beam.channels_mm).sum(axis=1) / truth.sum(axis=1)
    assert np.abs(shift_mm).max() < 2e-3


@pytest.mark.parametrize("detector", ["flat", "curved"])
def test_cone_forward_of_a_voxel_ball_meets_its_line_integrals(detector):
    ball = Phantom(
        shapes=(Ellipsoid(value=0.02, semi_axes_mm=(9.0, 12.0, 13.0), center_mm=(2.0, 3.0, -4.0)),)
    )
    beam = ConeBeam.helical(
        pitch_mm=7.0,
        n_turns=1.5,
        n_views_per_turn=12,
        source_axis_mm=150.0,
        source_detector_mm=240.0,
        n_channels=81,
        channel_spacing_mm=0.9,
        n_rows=60,
        row_spacing_mm=1.1,
        detector=detector,
        detector_offset_mm=0.3,
        row_offset_mm=0.4,
        start_rad=0.2,
        focal_shift_mm=(0.5, 0.7, -0.8),
    )
    grid = ImageGrid(shape=(52, 65, 71), spacing_mm=(0.5, 0.5, 0.6), center_mm=(1.0, 2.0, -3.0))
    truth = ball.projections(beam, dtype=np.float64)
    error = Projector(beam, grid).forward(ball.image(grid, dtype=np.float64)) - truth
    assert np.sqrt(np.mean(error**2)) < 0.004 * truth.max()
    assert abs(error.sum()) < 2e-4 * truth.sum()
    for positions, axis in ((beam.channels_mm, (1, 2)), (beam.rows_mm[:, None], (1, 2))):
        shift_mm = (error * positions).sum(axis=axis) / truth.sum(axis=axis)
        assert np.abs(shift_mm).max() < 5e-3


@pytest.mark.parametrize("name", ["fan curved", "cone curved"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_bits_of_both_do_not_depend_on_the_number_of_threads(rng, name, dtype):
    if imgtech._core.jit.thread_count() < 2:
        pytest.skip("needs two threads")
    beam, grid = BEAMS[name]
    beam = replace(
        beam,
        angles_rad=np.linspace(0, 6, 120 if isinstance(beam, ConeBeam) else 800),
        **({} if isinstance(beam, FanBeam) else {"source_z_mm": 0.7, "focal_shift_mm": (0.1, 0.2, 0.3)}),
    )
    project = Projector(beam, grid)
    image, data = rng.random(grid.shape).astype(dtype), rng.random(beam.shape).astype(dtype)
    both = project.forward(image), project.adjoint(data)
    with imgtech.threads(1):
        one = project.forward(image), project.adjoint(data)
    assert all(a.dtype == dtype and np.array_equal(a, b) for a, b in zip(one, both, strict=True))


def test_blocks_of_views_change_nothing(rng, monkeypatch):
    project, volume, data = Projector(CONE, VOLUME), rng.random(VOLUME.shape), rng.random(CONE.shape)
    whole = project.forward(volume), project.adjoint(data)
    monkeypatch.setattr("imgtech.recon.ct._rays._BLOCK_BYTES", 1)
    assert np.array_equal(project.forward(volume), whole[0])
    assert np.allclose(project.adjoint(data), whole[1], rtol=1e-13)


def test_the_scipy_view_of_a_fan_solves_least_squares(rng):
    grid = ImageGrid(shape=(8, 9), spacing_mm=(1.1, 1.0), center_mm=(0.4, -0.3))
    beam = FanBeam.full_turn(
        source_axis_mm=30.0, source_detector_mm=45.0, n_views=30, n_channels=40, channel_spacing_mm=0.6
    )
    project = Projector(beam, grid)
    image = rng.random(grid.shape)
    solution = lsqr(project.as_scipy(), project.forward(image).ravel(), atol=1e-12, btol=1e-12, iter_lim=500)
    assert np.allclose(solution[0].reshape(grid.shape), image, atol=1e-6)


def test_wrong_arrays_and_grids_are_refused():
    for beam, grid in ((FAN, GRID), (CONE, VOLUME)):
        project = Projector(beam, grid)
        with pytest.raises(ValueError, match="x must have"):
            project.forward(np.ones(3))
        with pytest.raises(ValueError, match="y must be finite"):
            project.adjoint(np.full(beam.shape, np.nan))
    with pytest.raises(ValueError, match="grid must have 2 axes"):
        Projector(FAN, VOLUME)
    with pytest.raises(ValueError, match="grid must have 3 axes"):
        Projector(CONE, GRID)
    with pytest.raises(ValueError, match="inside the circle of the source of radius 70 mm"):
        Projector(FAN, ImageGrid.square(100, fov_mm=100.0))
    with pytest.raises(ValueError, match=r"row_height_mm must not be above row_spacing_mm 1\.9, got 2\.0"):
        Projector(replace(CONE, row_height_mm=2.0), VOLUME)
