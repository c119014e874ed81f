"""Iterative methods: their formulas on a dense matrix, their laws, and their error at 60 views."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from imgtech.geometry import ConeBeam, FanBeam, ImageGrid, ParallelBeam
from imgtech.phantoms import Ellipsoid, Phantom, poisson_transmission, shepp_logan, uniform_disk
from imgtech.recon.ct import Projector, cgls, fbp, mlem, os_sart, osem, pwls, sirt, tv
from imgtech.recon.solvers import Gradient

BEAM = ParallelBeam.half_turn(n_views=9, n_channels=17, channel_spacing_mm=1.3, detector_offset_mm=0.4)
GRID = ImageGrid(shape=(11, 12), spacing_mm=(1.4, 1.2), center_mm=(0.5, -0.8))
PENALTY = {pwls: {"strength": 0.02, "edge_per_mm2": 1e-3}, tv: {"strength": 0.02}}
METHODS = [sirt, os_sart, cgls, mlem, osem, pwls, tv]


def settings(method, **more):
    """Arguments that a method must have, and fewer subsets than the few views of these tests."""
    subsets = {"n_subsets": 3} if method in (os_sart, osem) else {}
    return PENALTY.get(method, {}) | subsets | more


@pytest.fixture(scope="module")
def matrix():
    """The projector as a matrix."""
    project = Projector(BEAM, GRID)
    units = np.eye(int(np.prod(GRID.shape))).reshape(-1, *GRID.shape)
    return np.stack([project.forward(unit).ravel() for unit in units], axis=1)


@pytest.fixture(scope="module")
def scan():
    """Data, weights, a mask and a first image, without meaning."""
    rng = np.random.default_rng(8)
    data = Projector(BEAM, GRID).forward(rng.random(GRID.shape)) + rng.random(BEAM.shape)
    return data, rng.uniform(0.2, 2.0, BEAM.shape), rng.random(GRID.shape) > 0.3, rng.normal(size=GRID.shape)


def sart_steps(a, data, weights, blocks, image, n_iter, relaxation=1.0, inside=None, non_negative=False):
    """Textbook SART: weights from row sums, steps from column sums, one block of rows after the other."""
    a = a if inside is None else a * inside.ravel()
    x = image.ravel() * (1 if inside is None else inside.ravel())
    for _ in range(n_iter):
        for rows in blocks:
            part, lengths = a[rows], a[rows].sum(axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                w = np.where(lengths > 0, 1 / lengths, 0) if weights is None else weights.ravel()[rows]
                columns = part.T @ (w * lengths)
                step = np.where(columns > 0, relaxation / columns, 0)
            x = x + step * (part.T @ (w * (data.ravel()[rows] - part @ x)))
            x = np.maximum(x, 0) if non_negative else x
    return x.reshape(GRID.shape)


@pytest.mark.parametrize("weighted", [False, True])
def test_sirt_takes_the_steps_of_its_formula(matrix, scan, weighted):
    data, weights, inside, first = scan
    weights = weights if weighted else None
    result = sirt(
        data,
        BEAM,
        GRID,
        weights=weights,
        mask=inside,
        initial=first,
        n_iter=4,
        relaxation=1.3,
        non_negative=True,
    )
    expected = sart_steps(matrix, data, weights, [slice(None)], np.maximum(first, 0), 4, 1.3, inside, True)
    assert np.allclose(result.image, expected, atol=1e-10)
    left = data.ravel() - matrix @ expected.ravel()
    norm = np.sqrt(np.sum((1 if weights is None else weights.ravel()) * left**2))
    assert result.residuals[-1] == pytest.approx(norm)
    assert result.n_iter == 4


def test_os_sart_takes_the_views_of_every_subset_in_turn(matrix, scan):
    data, weights, _, first = scan
    rows = np.arange(data.size).reshape(BEAM.shape)
    blocks = [rows[s::4].ravel() for s in (0, 2, 1, 3)]
    result = os_sart(data, BEAM, GRID, weights=weights, initial=first, n_iter=2, relaxation=0.7, n_subsets=4)
    assert np.allclose(
        result.image, sart_steps(matrix, data, weights, blocks, first, 2, relaxation=0.7), atol=1e-10
    )


def test_one_subset_is_no_subset(scan):
    data, *_ = scan
    one = os_sart(data, BEAM, GRID, n_iter=3, n_subsets=1).image
    assert np.allclose(one, sirt(data, BEAM, GRID, n_iter=3).image, atol=1e-12)
    one = osem(data, BEAM, GRID, n_iter=3, n_subsets=1).image
    assert np.array_equal(one, mlem(data, BEAM, GRID, n_iter=3).image)


def test_as_many_subsets_as_views_is_sart(matrix, scan):
    data, _, _, first = scan
    rows = np.arange(data.size).reshape(BEAM.shape)
    found = os_sart(data, BEAM, GRID, initial=first, n_iter=1, n_subsets=9).image
    order = [0, 8, 4, 2, 6, 1, 5, 3, 7]
    blocks = [rows[view] for view in order]
    assert np.allclose(found, sart_steps(matrix, data, None, blocks, first, 1), atol=1e-10)


def test_cgls_solves_the_normal_equations(matrix, scan):
    data, weights, inside, first = scan
    result = cgls(
        data, BEAM, GRID, weights=weights, mask=inside, initial=first, regularization=0.5, n_iter=200
    )
    a = matrix[:, inside.ravel()]
    normal = a.T @ (weights.reshape(-1, 1) * a) + 0.5 * np.eye(inside.sum())
    expected = np.linalg.solve(normal, a.T @ (weights * data).ravel() + 0.5 * first[inside])
    assert np.allclose(result.image[inside], expected, atol=1e-8)
    assert not result.image[~inside].any()


def test_mlem_keeps_the_sum_of_the_data_and_comes_closer_to_them(scan):
    data, _, inside, _ = scan
    project = Projector(BEAM, GRID)
    seen = project.forward(np.where(inside, 1.0, 0.0)) > 0
    data = np.where(seen, data, 0.0)
    distances = []
    for n in (1, 2, 5, 20):
        image = mlem(data, BEAM, GRID, mask=inside, n_iter=n).image
        model = project.forward(image)
        assert model.sum() == pytest.approx(data.sum())
        assert (image >= 0).all()
        assert not image[~inside].any()
        ratio = np.where(seen & (data > 0), data / np.where(model > 0, model, 1), 1)
        distances.append(float(np.sum(data * np.log(ratio))))
    assert (np.diff(distances) < 0).all()


def test_mlem_takes_the_step_of_its_formula(matrix, scan):
    data, _, _, first = scan
    x = np.abs(first).ravel()
    model = matrix @ x
    ratio = np.where(model > 0, data.ravel() / np.where(model > 0, model, 1), 0)
    expected = x / matrix.sum(axis=0) * (matrix.T @ ratio)
    assert np.allclose(mlem(data, BEAM, GRID, initial=np.abs(first), n_iter=1).image.ravel(), expected)


def test_pwls_below_the_edge_is_a_linear_system(matrix, scan):
    data, weights, _, _ = scan
    gradient = Gradient(GRID.shape, GRID.spacing_mm)
    units = np.eye(132).reshape(-1, *GRID.shape)
    d = np.stack([gradient.forward(unit).ravel() for unit in units], axis=1)
    normal = matrix.T @ (weights.reshape(-1, 1) * matrix) + 3.0 * 1.4 * 1.2 / 50.0 * d.T @ d
    expected = np.linalg.solve(normal, matrix.T @ (weights * data).ravel()).reshape(GRID.shape)
    result = pwls(data, BEAM, GRID, weights=weights, strength=3.0, edge_per_mm2=50.0, n_iter=3000)
    assert np.abs(gradient.forward(expected)).max() < 50.0
    assert np.allclose(result.image, expected, atol=1e-5)


def objective(image, data, weights, strength, edge=0.0):
    """Half the weighted squares and the penalty, as integrals over the image."""
    field = Gradient(GRID.shape, GRID.spacing_mm).forward(image)
    length = np.sqrt((field**2).sum(axis=0))
    penalty = np.where(length > edge, length - edge / 2, length**2 / (2 * max(edge, 1e-300)))
    left = Projector(BEAM, GRID).forward(image) - data
    return 0.5 * np.sum(weights * left**2) + strength * 1.4 * 1.2 * penalty.sum()


@pytest.mark.parametrize("scale", [1.0, 400.0])
def test_pwls_and_tv_end_in_a_minimum(scan, rng, scale):
    data, weights, inside, _ = scan
    weights = weights * scale
    common = {"weights": weights, "mask": inside, "non_negative": True, "n_iter": 3000}
    strength = 0.5 * scale
    for image, edge in (
        (tv(data, BEAM, GRID, strength=strength, **common).image, 0.0),
        (pwls(data, BEAM, GRID, strength=strength, edge_per_mm2=0.05, **common).image, 0.05),
    ):
        assert (image >= 0).all()
        assert not image[~inside].any()
        least = objective(image, data, weights, strength, edge)
        for size in (1e-2, 1e-3):
            for _ in range(40):
                moved = np.maximum(image + size * rng.normal(size=GRID.shape) * rng.random(), 0) * inside
                assert objective(moved, data, weights, strength, edge) > least * (1 - 1e-8)


def test_tv_is_near_its_minimum_after_the_usual_number_of_iterations():
    for scale in (1.0, 0.2):
        beam = ParallelBeam.half_turn(n_views=30, n_channels=62, channel_spacing_mm=4.0 * scale)
        grid = ImageGrid(shape=(50, 46), spacing_mm=(4.5 * scale, 4.2 * scale))
        head = shepp_logan(radius_mm=100 * scale, contrast="modified", attenuation_per_mm=0.02 / scale)
        data = head.sinogram(beam, dtype=np.float64)

        def value(image, beam=beam, grid=grid, data=data):
            field = Gradient(grid.shape, grid.spacing_mm).forward(image)
            left = Projector(beam, grid).forward(image) - data
            return 0.5 * np.sum(left**2) + 0.02 * np.prod(grid.spacing_mm) * np.sum(np.hypot(*field))

        usual, long = (tv(data, beam, grid, strength=0.02, n_iter=n).image for n in (200, 2000))
        assert value(usual) < 1.001 * value(long)
        assert np.abs(usual - long).max() < 0.05 * long.max()


def test_rays_of_no_weight_do_not_count(scan, rng):
    data, weights, _, _ = scan
    dead = rng.random(BEAM.shape) < 0.2
    weights = np.where(dead, 0.0, weights)
    for method in (sirt, os_sart, cgls, pwls, tv):
        good, bad = (
            method(d, BEAM, GRID, weights=weights, n_iter=5, **settings(method))
            for d in (data, np.where(dead, 50.0, data))
        )
        assert np.allclose(bad.image, good.image, atol=1e-10), method
        assert bad.residuals == pytest.approx(good.residuals)


@pytest.mark.parametrize("method", METHODS)
def test_stopping_rules_and_history(scan, method):
    data, *_ = scan
    data = data.astype(np.float32)
    full = method(data, BEAM, GRID, n_iter=12, **settings(method))
    assert full.image.dtype == np.float32
    assert full.image.shape == GRID.shape
    assert len(full.residuals) == 13
    assert full.stopped_by == "n_iter"
    assert not full.converged
    limit = float(full.residuals[4] + full.residuals[5]) / 2
    early = method(data, BEAM, GRID, n_iter=12, discrepancy=limit, **settings(method))
    assert early.stopped_by == "discrepancy"
    assert early.converged
    assert early.n_iter == int(np.argmax(full.residuals <= limit))
    still = method(data, BEAM, GRID, n_iter=400, tolerance=0.02, **settings(method))
    assert still.stopped_by == "tolerance"
    assert still.n_iter < 400


@pytest.mark.parametrize("method", METHODS)
def test_arguments_are_left_as_they_were_and_results_do_not_change_later(scan, method):
    data, _, inside, first = scan
    first = np.abs(first)
    copies = data.copy(), inside.copy(), first.copy()
    one = method(data, BEAM, GRID, mask=inside, initial=first, n_iter=3, **settings(method))
    again = method(data, BEAM, GRID, mask=inside, initial=first, n_iter=3, **settings(method))
    assert np.array_equal(one.image, again.image)
    assert all(np.array_equal(a, b) for a, b in zip(copies, (data, inside, first), strict=True))
    assert not one.image[~inside].any()


@pytest.mark.parametrize("method", METHODS)
def test_wrong_arguments_are_refused(scan, method):
    data, _, inside, first = scan

    def call(sinogram=data, **more):
        return method(sinogram, BEAM, GRID, **settings(method, **more))

    with pytest.raises(ValueError, match="sinogram must be finite, got nan"):
        call(np.where(data == data[2, 3], np.nan, data))
    with pytest.raises(ValueError, match=r"sinogram must have shape \(9, 17\)"):
        call(data.T)
    with pytest.raises(ValueError, match=r"mask must be boolean of shape \(11, 12\)"):
        call(mask=inside.astype(float))
    with pytest.raises(ValueError, match="mask must hold at least one pixel"):
        call(mask=np.zeros(GRID.shape, bool))
    with pytest.raises(ValueError, match=r"initial must have shape \(11, 12\)"):
        call(initial=first.T)
    with pytest.raises(ValueError, match="n_iter must be at least 1"):
        call(n_iter=0)
    with pytest.raises(ValueError, match="tolerance must not be negative"):
        call(tolerance=-1.0)
    if method not in (mlem, osem):
        with pytest.raises(ValueError, match=r"weights must have shape \(9, 17\)"):
            call(weights=np.ones((17, 9)))
        with pytest.raises(ValueError, match="weights must not be negative"):
            call(weights=np.full(BEAM.shape, -1.0))


@pytest.mark.parametrize("offset_mm", [-40.0, 40.0])
def test_a_detector_that_misses_the_grid_is_refused(offset_mm):
    grid = ImageGrid(shape=(9, 7), spacing_mm=(1.1, 1.3), center_mm=(2.0, -1.0))
    parallel = ParallelBeam.half_turn(
        n_views=20, n_channels=31, channel_spacing_mm=0.9, detector_offset_mm=offset_mm
    )
    fan = FanBeam.full_turn(
        source_axis_mm=60.0,
        source_detector_mm=90.0,
        n_views=20,
        n_channels=31,
        channel_spacing_mm=0.9,
        detector_offset_mm=offset_mm,
    )
    for beam in (parallel, fan):
        assert not Projector(beam, grid).forward(np.ones(grid.shape)).any()
        with pytest.raises(ValueError, match="the beam must meet the grid"):
            sirt(np.zeros(beam.shape), beam, grid)
        near = replace(beam, detector_offset_mm=0.4 * offset_mm)
        assert Projector(near, grid).forward(np.ones(grid.shape)).any()
        assert sirt(np.ones(beam.shape), near, grid, n_iter=1).image.any()


def test_wrong_settings_are_refused(scan):
    data, _, _, first = scan
    with pytest.raises(ValueError, match="relaxation must be below 2, got 2"):
        sirt(data, BEAM, GRID, relaxation=2.0)
    with pytest.raises(ValueError, match="relaxation must be positive"):
        os_sart(data, BEAM, GRID, relaxation=0.0)
    for method in (os_sart, osem):
        with pytest.raises(ValueError, match="n_subsets must not be above the 9 views"):
            method(data, BEAM, GRID, n_subsets=10)
    with pytest.raises(ValueError, match="sinogram must not be negative"):
        mlem(data - 100.0, BEAM, GRID)
    with pytest.raises(ValueError, match="initial must not be negative"):
        osem(data, BEAM, GRID, initial=first, n_subsets=3)
    with pytest.raises(ValueError, match="the beam must meet the grid"):
        mlem(data, BEAM, replace(GRID, center_mm=(900.0, 900.0)))
    with pytest.raises(ValueError, match="strength must not be negative"):
        tv(data, BEAM, GRID, strength=-1.0)
    with pytest.raises(ValueError, match="edge_per_mm2 must be positive"):
        pwls(data, BEAM, GRID, strength=1.0, edge_per_mm2=0.0)


SIXTY = ParallelBeam.half_turn(n_views=60, n_channels=185, channel_spacing_mm=1.3, detector_offset_mm=0.3)
FINE = ImageGrid(shape=(150, 140), spacing_mm=(1.5, 1.4), center_mm=(2.0, -3.0))
HEAD = shepp_logan(radius_mm=100.0, contrast="modified", center_mm=(1.0, -2.0))


@pytest.fixture(scope="module")
def noisy():
    """A head from 60 views with the noise of 100,000 photons a channel, from closed forms."""
    return poisson_transmission(HEAD.sinogram(SIXTY), photons_per_channel=1e5, rng=np.random.default_rng(4))


def error(image):
    """Root-mean-square error relative to the largest value."""
    truth = HEAD.image(FINE)
    return float(np.sqrt(np.mean((image - truth) ** 2)) / truth.max())


@pytest.fixture(scope="module")
def fbp_images(noisy):
    """FBP with the default window, and the best of many windows, chosen with the truth in hand."""
    windows = ("ram-lak", "shepp-logan", "cosine", "hamming", "hann")
    images = [
        fbp(noisy, SIXTY, FINE, window=name, cutoff=cutoff) for name in windows for cutoff in (1.0, 0.9, 0.8)
    ]
    return images[0], min(images, key=error)


def test_the_window_decides_how_good_fbp_of_60_views_is(fbp_images):
    plain, best = fbp_images
    assert error(plain) == pytest.approx(0.055, abs=0.002)
    assert error(best) == pytest.approx(0.038, abs=0.001)


@pytest.mark.parametrize(
    ("method", "more", "limit"),
    [
        (sirt, {"n_iter": 150}, 0.8),
        (os_sart, {"n_iter": 20}, 0.8),
        (cgls, {"n_iter": 12}, 0.8),
    ],
)
def test_plain_least_squares_of_60_views_beats_the_plain_window(noisy, fbp_images, method, more, limit):
    assert error(method(noisy, SIXTY, FINE, **more).image) < limit * error(fbp_images[0])


@pytest.mark.parametrize(
    ("method", "more", "limit"),
    [
        (sirt, {"n_iter": 150, "non_negative": True}, 0.7),
        (os_sart, {"n_iter": 20, "non_negative": True}, 0.55),
        (mlem, {"n_iter": 50}, 0.8),
        (osem, {"n_iter": 5}, 0.8),
        (pwls, {"strength": 0.1, "edge_per_mm2": 1e-4, "non_negative": True}, 0.6),
        (tv, {"strength": 0.05, "non_negative": True}, 0.5),
    ],
)
def test_what_is_known_of_the_object_beats_every_window(noisy, fbp_images, method, more, limit):
    data = np.maximum(noisy, 0) if method in (mlem, osem) else noisy
    assert error(method(data, SIXTY, FINE, **more).image) < limit * error(fbp_images[1])


def test_a_few_steps_of_cgls_from_the_best_fbp_beat_every_window(noisy, fbp_images):
    image = cgls(noisy, SIXTY, FINE, initial=fbp_images[1], n_iter=3).image
    assert error(image) < 0.96 * error(fbp_images[1])


def test_the_discrepancy_rule_stops_cgls_near_its_best_image(noisy):
    noise = float(np.linalg.norm(noisy - HEAD.sinogram(SIXTY)))
    stopped = cgls(noisy, SIXTY, FINE, discrepancy=noise, n_iter=60)
    errors = [error(cgls(noisy, SIXTY, FINE, n_iter=n).image) for n in (6, 9, 12, 15, 100)]
    assert stopped.stopped_by == "discrepancy"
    assert error(stopped.image) < 1.06 * min(errors)
    assert errors[-1] > 1.12 * min(errors)


@pytest.mark.parametrize("detector", ["flat", "curved"])
def test_a_fan_gives_the_value_of_a_disk(detector):
    disk = uniform_disk(radius_mm=25.0, value=0.02, center_mm=(4.0, -6.0))
    beam = FanBeam.full_turn(
        source_axis_mm=200.0,
        source_detector_mm=330.0,
        n_views=90,
        n_channels=121,
        channel_spacing_mm=1.3,
        detector=detector,
        detector_offset_mm=0.4,
    )
    grid = ImageGrid(shape=(80, 90), spacing_mm=(0.9, 0.8), center_mm=(3.0, -5.0))
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    inside = np.hypot(y - 4.0, x + 6.0) < 20.0
    for method in (os_sart, cgls):
        image = method(disk.sinogram(beam), beam, grid, n_iter=16).image
        assert image[inside].mean() == pytest.approx(0.02, rel=1e-3)
    flat = tv(disk.sinogram(beam), beam, grid, strength=0.01, non_negative=True, n_iter=150).image
    assert flat[inside] == pytest.approx(0.02, rel=0.01)


def test_a_helix_gives_the_value_of_a_ball():
    ball = Phantom(
        shapes=(Ellipsoid(value=0.02, semi_axes_mm=(9.0, 10.0, 12.0), center_mm=(2.0, 3.0, -4.0)),)
    )
    beam = ConeBeam.helical(
        pitch_mm=12.0,
        n_turns=3.0,
        n_views_per_turn=30,
        source_axis_mm=150.0,
        source_detector_mm=240.0,
        n_channels=65,
        channel_spacing_mm=1.5,
        n_rows=16,
        row_spacing_mm=1.6,
        detector="curved",
        center_z_mm=2.0,
    )
    grid = ImageGrid(shape=(26, 35, 38), spacing_mm=(1.0, 1.0, 1.1), center_mm=(2.0, 3.0, -3.0))
    image = os_sart(ball.projections(beam), beam, grid, n_iter=8, n_subsets=9).image
    z, y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    inside = ((z - 2) / 9) ** 2 + ((y - 3) / 10) ** 2 + ((x + 4) / 12) ** 2 < 0.5
    assert image[inside].mean() == pytest.approx(0.02, rel=3e-3)


LARGE = {
    "image": (
        ParallelBeam.half_turn(n_views=8, n_channels=64, channel_spacing_mm=8.0),
        ImageGrid.square(500, fov_mm=500.0),
    ),
    "sinogram": (
        ParallelBeam.half_turn(n_views=900, n_channels=900, channel_spacing_mm=1.0),
        ImageGrid.square(60, fov_mm=600.0),
    ),
}


@pytest.mark.parametrize(
    ("method", "images", "sinograms"),
    [
        (sirt, 5, 4),
        (os_sart, 4 + 5, 2.5),
        (cgls, 7, 5),
        (mlem, 6, 5),
        (osem, 4 + 6, 4),
        (pwls, 12, 4),
        (tv, 16, 9),
    ],
)
def test_the_memory_of_a_call_is_as_stated(method, images, sinograms):
    for kind, number in (("image", images), ("sinogram", sinograms)):
        beam, grid = LARGE[kind]
        more = settings(method) | ({"n_subsets": 4} if method in (os_sart, osem) else {})
        data = np.ones(beam.shape)
        method(data, beam, grid, n_iter=1, **more)
        tracemalloc.start()
        method(data, beam, grid, n_iter=3, **more)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        stated = number * 8 * np.prod(grid.shape if kind == "image" else beam.shape)
        assert peak == pytest.approx(stated, rel=0.2)
