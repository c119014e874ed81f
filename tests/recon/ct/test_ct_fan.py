"""Fan-beam FBP against closed forms, laws and the direct formula, and what it refuses."""

import numpy as np
import pytest
from scipy.special import j1

import imgtech
from imgtech.geometry import FanBeam, ImageGrid, ParallelBeam
from imgtech.phantoms import Gaussian, Phantom, shepp_logan, uniform_disk, wire
from imgtech.recon.ct import fbp, window_response
from reference.ct_fan_loops import fan_fbp_loop

SCANNER = {"source_axis_mm": 410.0, "source_detector_mm": 553.0, "n_channels": 291, "channel_spacing_mm": 1.1}
GRID = ImageGrid(shape=(201, 175), spacing_mm=(0.7, 0.9), center_mm=(4.0, -7.0))
CENTER_MM = (9.13, -12.57)


def scan(kind, detector):
    if kind == "short":
        return FanBeam.short_scan(
            n_views=461, detector=detector, detector_offset_mm=0.37, start_rad=0.3, **SCANNER
        )
    offset_mm = {"full": 0.37, "offset": 60.0}[kind]
    return FanBeam.full_turn(
        n_views=721, detector=detector, detector_offset_mm=offset_mm, start_rad=0.3, **SCANNER
    )


def radius_mm(grid, center_mm):
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    return np.hypot(y - center_mm[0], x - center_mm[1])


@pytest.mark.parametrize("detector", ["flat", "curved"])
@pytest.mark.parametrize("kind", ["full", "short", "offset"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fan_fbp_gives_the_value_and_the_place_of_a_disk(kind, detector, dtype):
    beam = scan(kind, detector)
    disk = uniform_disk(radius_mm=45.0, value=0.021, center_mm=CENTER_MM)
    image = fbp(disk.sinogram(beam, dtype=dtype), beam, GRID)
    radius = radius_mm(GRID, CENTER_MM)
    assert image.dtype == dtype
    assert image[radius < 0.8 * 45.0].mean() == pytest.approx(0.021, rel=1e-4)
    assert image[radius < 0.8 * 45.0].std() < 0.005 * 0.021
    mass = np.where(radius < 55.0, image, 0.0).astype(np.float64)
    y, x = np.meshgrid(*GRID.coordinates_mm, indexing="ij")
    found = np.array([(mass * y).sum(), (mass * x).sum()]) / mass.sum()
    assert np.abs((found - CENTER_MM) / GRID.spacing_mm).max() < 0.01


@pytest.mark.parametrize("detector", ["flat", "curved"])
def test_fan_fbp_agrees_with_the_direct_formula(detector):
    beam = FanBeam.full_turn(
        source_axis_mm=60.0,
        source_detector_mm=85.0,
        n_views=180,
        n_channels=60,
        channel_spacing_mm=0.9,
        detector=detector,
        detector_offset_mm=0.2,
        start_rad=0.4,
    )
    grid = ImageGrid(shape=(21, 16), spacing_mm=(0.4, 0.5), center_mm=(1.2, -0.7))
    blob = Phantom(shapes=(Gaussian(sigma_mm=(3.0, 2.0), center_mm=(2.0, -1.5), angle_rad=0.4),))
    sinogram = blob.sinogram(beam, dtype=np.float64)
    expected = fan_fbp_loop(sinogram, beam, grid)
    assert np.abs(fbp(sinogram, beam, grid) - expected).max() < 0.003 * expected.max()


@pytest.mark.parametrize("detector", ["flat", "curved"])
@pytest.mark.parametrize("kind", ["full", "short"])
def test_fan_and_parallel_rays_give_the_same_head(kind, detector):
    head = shepp_logan(radius_mm=60.0)
    beam = scan(kind, detector)
    parallel = ParallelBeam.half_turn(n_views=361, n_channels=290, channel_spacing_mm=beam.axis_spacing_mm)
    theirs = fbp(head.sinogram(parallel), parallel, GRID, window="hann")
    ours = fbp(head.sinogram(beam), beam, GRID, window="hann")
    assert np.sqrt(np.mean((ours - theirs) ** 2)) < 0.006 * theirs.max()
    assert abs((ours - theirs).mean()) < 1e-4 * theirs.max()


@pytest.mark.parametrize("kind", ["full", "short"])
def test_turning_the_gantry_by_90_degrees_turns_the_image_of_a_fan(kind):
    beam = scan(kind, "flat")
    later = FanBeam(
        **SCANNER, angles_rad=beam.angles_rad + np.pi / 2, detector_offset_mm=beam.detector_offset_mm
    )
    grid = ImageGrid(shape=(90, 90), spacing_mm=(1.3, 1.3))
    sinogram = shepp_logan(radius_mm=50.0).sinogram(beam, dtype=np.float64)
    turned = np.rot90(fbp(sinogram, later, grid), 1)  # y grows with the row: +90 degrees takes x to y
    assert np.abs(turned - fbp(sinogram, beam, grid)).max() < 0.06 * turned.max()
    assert np.sqrt(np.mean((turned - fbp(sinogram, beam, grid)) ** 2)) < 0.005 * turned.max()


@pytest.mark.parametrize("detector", ["flat", "curved"])
def test_the_mtf_of_a_fan_is_that_of_channel_width_and_window(detector):
    diameter, place, pixel = 0.3, (5.37, -8.21), 0.23
    f = np.linspace(0.1, 0.5, 41)
    grid = ImageGrid(shape=(130, 131), spacing_mm=(pixel, pixel), center_mm=(5.0, -8.0))
    y, x = (axis - c for axis, c in zip(grid.coordinates_mm, place, strict=True))
    image = np.zeros(grid.shape)
    for quarter in range(4):
        beam = FanBeam.full_turn(
            source_axis_mm=400.0,
            source_detector_mm=560.0,
            n_views=720,
            n_channels=121,
            channel_spacing_mm=0.98,
            detector=detector,
            detector_offset_mm=0.07 + quarter / 4 * 0.98,
            start_rad=0.2,
        )
        disk = wire(diameter_mm=diameter, center_mm=place)
        image += fbp(disk.sinogram(beam, dtype=np.float64), beam, grid, window="hann") / 4
    image *= np.cos(np.pi / 2 * np.clip((np.hypot(y[:, None], x) - 7.0) / 6.0, 0.0, 1.0)) ** 2
    spectra = []
    for way in np.arange(24) * np.pi / 24:
        waves_y = np.exp(-2j * np.pi * np.outer(f * np.sin(way), y))
        waves_x = np.exp(-2j * np.pi * np.outer(f * np.cos(way), x))
        spectra.append(np.sum((waves_y @ image) * waves_x, axis=1) * pixel**2)
    argument = np.pi * diameter * f
    found = np.mean(spectra, axis=0).real / (np.pi / 4 * diameter**2 * 2 * j1(argument) / argument)
    step = beam.axis_spacing_mm
    expected = np.sinc(step * f) * window_response("hann", 2 * step * f)
    expected *= np.sinc(pixel * 0.9 / 8 * f)
    at_half = int(np.argmin(np.abs(expected - 0.5)))
    assert found[at_half] == pytest.approx(expected[at_half], rel=0.01)
    assert np.abs(found[: at_half + 1] - expected[: at_half + 1]).max() < 0.01


def test_the_order_of_views_and_repeated_views_do_not_matter(rng):
    beam = scan("full", "flat")
    disk = uniform_disk(radius_mm=40.0, center_mm=CENTER_MM)
    sinogram = disk.sinogram(beam, dtype=np.float64)
    order = rng.permutation(np.append(np.arange(721), [3, 500]))
    mixed = FanBeam(
        **SCANNER, angles_rad=beam.angles_rad[order] + 4 * np.pi, detector_offset_mm=beam.detector_offset_mm
    )
    np.testing.assert_allclose(fbp(sinogram[order], mixed, GRID), fbp(sinogram, beam, GRID), atol=1e-6)


def test_a_stack_of_fan_slices_equals_its_slices(rng):
    beam = scan("short", "curved")
    stack = rng.normal(size=(3, *beam.shape)).astype(np.float32)
    images = fbp(stack, beam, GRID)
    assert images.shape == (3, *GRID.shape)
    for image, sinogram in zip(images, stack, strict=True):
        np.testing.assert_array_equal(image, fbp(sinogram, beam, GRID))


@pytest.mark.parametrize(
    ("beam", "grid", "words"),
    [
        (
            FanBeam.from_degrees(np.arange(0.0, 190.0, 0.5), **SCANNER),
            GRID,
            "must cover every line .* got 189.5 degrees",
        ),
        (
            FanBeam.short_scan(n_views=460, detector_offset_mm=60.0, **SCANNER),
            GRID,
            "or a full turn if the detector is shifted",
        ),
        (
            FanBeam.from_degrees([*np.arange(0.0, 100.0), *np.arange(130.0, 300.0)], **SCANNER),
            GRID,
            "at most one gap",
        ),
        (
            FanBeam.full_turn(n_views=360, detector_offset_mm=200.0, **SCANNER),
            GRID,
            "detector must see the rotation axis",
        ),
        (FanBeam.full_turn(n_views=5, **SCANNER), GRID, "at least 6 views and channels"),
        (
            FanBeam.full_turn(n_views=360, **SCANNER),
            ImageGrid(shape=(300, 300), spacing_mm=(2.0, 2.0)),
            "inside the circle of the source of radius 410.0 mm",
        ),
    ],
    ids=["short", "shifted", "two gaps", "off axis", "few", "source in image"],
)
def test_geometries_that_do_not_cover_are_refused_by_name(beam, grid, words):
    with pytest.raises(ValueError, match=words):
        fbp(np.ones(beam.shape), beam, grid)


def test_nan_in_a_fan_sinogram_is_refused_with_its_place():
    beam = scan("full", "flat")
    sinogram = np.ones(beam.shape)
    sinogram[3, 5] = np.nan
    with pytest.raises(ValueError, match=r"sinogram must be finite, got nan at index \(3, 5\)"):
        fbp(sinogram, beam, GRID)


def test_fan_images_do_not_depend_on_the_number_of_threads():
    if imgtech._core.jit.thread_count() < 2:
        pytest.skip("needs two threads")
    beam = scan("short", "flat")
    sinogram = uniform_disk(radius_mm=30.0, center_mm=CENTER_MM).sinogram(beam)
    both = fbp(sinogram, beam, GRID)
    with imgtech.threads(1):
        np.testing.assert_array_equal(fbp(sinogram, beam, GRID), both)
