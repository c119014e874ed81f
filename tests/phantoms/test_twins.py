"""Digital CT phantoms against sums over fine grids, laws and their own sections."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage, stats

from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.phantoms.twins import (
    Bead,
    Block,
    Placement,
    Rod,
    Twin,
    Wire,
    blurred_disk,
    catphan,
    catphan_drawing,
    ct_noise_images,
    ct_noise_spectrum,
    disk_mean_deviation,
    with_ring,
)
from imgtech.qc.roi import disk_region

GRID = ImageGrid(shape=(61, 72), spacing_mm=(0.7, 0.6), center_mm=(2.0, -3.0))
PLACE = Placement(center_mm=(3.1, -4.3), z_mm=5.0, roll_rad=0.4, tilt=(0.02, -0.03))
SIGMA = 0.8


def _fine(value, place, grid=GRID, sigma=SIGMA, n=24):
    """Blur and sample a function of (v, u) by brute force on a grid n times finer."""
    fine = ImageGrid(
        shape=tuple(k * n for k in grid.shape),
        spacing_mm=tuple(d / n for d in grid.spacing_mm),
        center_mm=grid.center_mm,
    )
    y, x = fine.coordinates_mm
    cy, cx = place.to_image(0.0, 0.0)
    v, u = place.along(y[:, None] - cy, x[None, :] - cx, 0.0)
    image = value(v, u).astype(float)
    blurred = ndimage.gaussian_filter(image, [sigma / d for d in fine.spacing_mm], truncate=7)
    return ndimage.map_coordinates(
        blurred,
        np.meshgrid(*(np.arange(k) * n + (n - 1) / 2 for k in grid.shape), indexing="ij"),
        order=1,
    )


def _image(solid, position=4.0, thickness=3.0, placement=PLACE):
    image = np.zeros(GRID.shape)
    solid.add(image, GRID, placement.at(position, thickness_mm=thickness), SIGMA)
    return image


def test_blurred_disk_is_the_chance_that_a_normal_point_lies_in_the_disk() -> None:
    """A disk convolved with a Gaussian is the distribution of Rice, here as a non-central chi-square."""
    for radius, sigma in ((6.1, 0.7), (1.5, 0.9), (100.0, 0.5), (0.14, 0.6)):
        r = np.abs(radius + np.array([-4.0, -1.0, 0.0, 0.4, 1.3]) * sigma)
        expected = stats.ncx2.cdf((radius / sigma) ** 2, 2, (r / sigma) ** 2)
        assert np.abs(blurred_disk(r, radius, sigma) - expected).max() < 3e-5
    assert blurred_disk([1.0, 2.5], 2.0, 0.0).tolist() == [1.0, 0.0]


def test_a_rod_is_the_mean_over_the_slice_blurred_in_the_plane() -> None:
    rod = Rod(value_hu=300.0, center_mm=(2.0, 5.0), radius_mm=4.3, z_mm=(-2.0, 0.2))
    place = PLACE.at(4.0, thickness_mm=3.0)  # from z = -2.5 to 0.5: 2.2 of 3 mm are inside
    expected = 300.0 * 2.2 / 3.0 * _fine(lambda v, u: np.hypot(v - 2.0, u - 5.0) < 4.3, place)
    assert np.abs(_image(rod) - expected).max() < 0.6
    assert _image(rod, position=8.0).max() == 0.0


def test_a_block_is_turned_with_the_phantom_and_mirrored_with_it() -> None:
    block = Block(value_hu=100.0, center_mm=(-3.0, 4.0), size_mm=(3.0, 7.0), angle_rad=0.6, z_mm=(-9, 9))
    for mirrored in (False, True):
        placement = Placement(center_mm=(3.1, -4.3), roll_rad=0.4, mirrored=mirrored)
        place = placement.at(0.0, thickness_mm=3.0)

        def inside(v, u):
            a, b = v + 3.0, u - 4.0
            across, along = a * math.cos(0.6) - b * math.sin(0.6), b * math.cos(0.6) + a * math.sin(0.6)
            return (np.abs(across) < 1.5) & (np.abs(along) < 3.5)

        y, x = GRID.coordinates_mm
        image = np.zeros(GRID.shape)
        block.add(image, GRID, place, SIGMA)
        centroid = [float((image * c).sum() / image.sum()) for c in (y[:, None], x[None, :])]
        assert centroid == pytest.approx(place.to_image(-3.0, 4.0), abs=1e-3)
        if not mirrored:
            assert np.abs(image - 100.0 * _fine(inside, place)).max() < 0.6
        area = image.sum() * 0.7 * 0.6
        assert area == pytest.approx(100.0 * 21.0, rel=1e-4)


def test_mirroring_the_phantom_mirrors_its_image() -> None:
    grid = ImageGrid(shape=(60, 70), spacing_mm=(0.8, 0.6))
    solid = Block(value_hu=50.0, center_mm=(3.0, 8.0), size_mm=(2.0, 9.0), angle_rad=0.5, z_mm=(-9, 9))
    plain, turned = np.zeros(grid.shape), np.zeros(grid.shape)
    solid.add(plain, grid, Placement().at(0.0, thickness_mm=1.0), SIGMA)
    solid.add(turned, grid, Placement(mirrored=True).at(0.0, thickness_mm=1.0), SIGMA)
    assert np.abs(plain[:, ::-1] - turned).max() < 1e-9


@pytest.mark.parametrize("backwards", [False, True])
def test_a_ramp_is_lit_over_the_thickness_of_the_slice_where_it_cuts_it(backwards: bool) -> None:
    slope = math.tan(math.radians(23))
    wire = Wire(value_hu=9000.0, start_mm=(-8, 2.0, -8 / slope), end_mm=(8, 2.0, 8 / slope), diameter_mm=0.28)
    placement = Placement(center_mm=(3.1, -4.3), z_mm=5.0, roll_rad=0.4, reversed=backwards)
    image, y, x = _image(wire, position=6.5, thickness=2.0, placement=placement), *GRID.coordinates_mm
    mass = image.sum() * 0.7 * 0.6
    length = 2.0 / math.sin(math.radians(23))
    assert mass == pytest.approx(9000.0 * math.pi / 4 * 0.28**2 * length / 2.0, rel=1e-6)
    middle = placement.at(6.5, thickness_mm=2.0).to_image(2.0, (-1.5 if backwards else 1.5) / slope)
    centroid = [float((image * c).sum() / image.sum()) for c in (y[:, None], x[None, :])]
    assert centroid == pytest.approx(middle, abs=1e-3)
    along = (x[None, :] - middle[1]) * math.cos(0.4) + (y[:, None] - middle[0]) * math.sin(0.4)
    second = float((image * along**2).sum() / image.sum())
    assert second == pytest.approx((2.0 / slope) ** 2 / 12 + SIGMA**2, rel=1e-3)


def test_a_bead_keeps_its_mass_over_the_slices() -> None:
    bead = Bead(value_hu=20000.0, center_mm=(1.0, 3.0, -2.0), diameter_mm=0.5)
    masses = [
        _image(bead, position=z, thickness=0.4, placement=Placement()).sum() * 0.42
        for z in np.arange(0.0, 2.1, 0.4)
    ]
    assert sum(masses) * 0.4 == pytest.approx(20000.0 * math.pi / 6 * 0.125, rel=1e-4)


def test_tilt_moves_each_slice_and_reversal_swaps_the_ends() -> None:
    p = Placement(center_mm=(1.0, 2.0), z_mm=10.0, tilt=(0.1, -0.2))
    assert p.at(15.0, thickness_mm=1.0).to_image(0, 0) == pytest.approx((1.5, 1.0))
    back = Placement(center_mm=(1.0, 2.0), z_mm=10.0, tilt=(0.1, -0.2), reversed=True)
    place = back.at(15.0, thickness_mm=1.0)
    assert place.z_mm == pytest.approx((-5.5, -4.5))
    assert place.to_image(0, 0) == pytest.approx((1.5, 1.0))


def test_the_section_has_the_mass_of_the_slice_and_a_sinogram() -> None:
    twin, grid = catphan("504"), ImageGrid(shape=(260, 250), spacing_mm=(0.9, 0.95))
    p = Placement(center_mm=(4.0, -3.0), roll_rad=0.7, mirrored=True)
    for z in (0.5, 30.4, -30.0):
        image = twin.slices(grid, [z], thickness_mm=2.5, sigma_mm=0.7, placement=p)[0]
        section = twin.section(z, thickness_mm=2.5, placement=p, water_per_mm=0.02)
        flat = section.image(grid) / 0.02 * 1000 - 1000
        assert flat.mean() == pytest.approx(image.mean(), abs=0.1)
        blurred = ndimage.gaussian_filter(flat.astype(float), 3.0)
        assert np.abs(blurred - ndimage.gaussian_filter(image.astype(float), 2.95)).max() < 16.0
    beam = ParallelBeam.half_turn(n_views=3, n_channels=300, channel_spacing_mm=0.9)
    masses = section.sinogram(beam).sum(axis=1) * 0.9
    assert masses == pytest.approx(
        [(image.mean() + 1000) / 1000 * 0.02 * 260 * 0.9 * 250 * 0.95] * 3, rel=1e-3
    )


def test_every_insert_of_the_catphan_has_its_value(rng: np.random.Generator) -> None:
    twin = catphan("504", hu={"Delrin": 333.0})
    p = Placement(center_mm=(-2.0, 5.0), roll_rad=-1.1, mirrored=True, reversed=True, z_mm=7.0)
    grid = ImageGrid(shape=(260, 250), spacing_mm=(0.9, 0.95))
    image = twin.slices(grid, [8.0], thickness_mm=2.0, sigma_mm=0.6, placement=p)[0]
    for insert in catphan_drawing("504").inserts:
        place = p.at(8.0, thickness_mm=2.0).to_image(*insert.center_mm)
        weights = disk_region(grid, center_mm=place, radius_mm=3.0)
        value = 333.0 if insert.name == "Delrin" else insert.nominal_hu
        assert float((image * weights).sum() / weights.sum()) == pytest.approx(value, abs=0.3)


def test_noise_has_its_spectrum_and_disks_scatter_as_it_says(rng: np.random.Generator) -> None:
    grid = ImageGrid(shape=(180, 150), spacing_mm=(0.8, 1.0))
    noise = ct_noise_images(60, grid, sigma_hu=12.0, peak_per_mm=0.25, rng=rng)
    assert noise.std() == pytest.approx(12.0, rel=0.01)
    weights = disk_region(grid, center_mm=(3.0, -4.0), radius_mm=4.0)
    means = (noise * weights).sum(axis=(1, 2)) / weights.sum()
    expected = disk_mean_deviation(grid, radius_mm=4.0, sigma_hu=12.0, peak_per_mm=0.25)
    assert means.std(ddof=1) == pytest.approx(expected, rel=0.3)
    power = (np.abs(np.fft.fft2(noise)) ** 2).mean(axis=0) * 0.8 / (180 * 150)
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(180, 0.8), np.fft.fftfreq(150, 1.0), indexing="ij"))
    ring = (f > 0.2) & (f < 0.22)
    ratio = power[ring].mean() / ct_noise_spectrum(f[ring], sigma_hu=12.0, peak_per_mm=0.25).mean()
    assert 1.0 < ratio < 1.4  # raised by what the Nyquist frequency cuts off


def test_a_ring_lies_around_the_axis_of_the_scanner() -> None:
    grid = ImageGrid(shape=(80, 90), spacing_mm=(0.9, 0.7))
    ring = with_ring(np.zeros((2, 80, 90)), grid, radius_mm=20.0, width_mm=0.8, height_hu=9.0)
    y, x = grid.coordinates_mm
    r = np.hypot(y[:, None], x)
    assert ring.shape == (2, 80, 90)
    assert ring[0][np.abs(r - 20) < 0.1].min() > 8.5
    assert ring[1][np.abs(r - 20) > 5].max() < 1e-3


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: Rod(value_hu=1.0, center_mm=(0, 0), radius_mm=0.0, z_mm=(0, 1)),
            "radius_mm must be positive",
        ),
        (lambda: Rod(value_hu=1.0, center_mm=(0, 0), radius_mm=1.0, z_mm=(1, 1)), "z_mm must rise"),
        (
            lambda: Rod(value_hu=math.nan, center_mm=(0, 0), radius_mm=1.0, z_mm=(0, 1)),
            "value_hu must be finite",
        ),
        (
            lambda: Wire(value_hu=1.0, start_mm=(0, 0, 0), end_mm=(0, 1, 1), diameter_mm=1.0),
            "must differ in z",
        ),
        (lambda: Bead(value_hu=1.0, center_mm=(0, 0, 0), diameter_mm=-1.0), "diameter_mm must be positive"),
        (
            lambda: Block(value_hu=1.0, center_mm=(0, 0), size_mm=(0, 1), z_mm=(0, 1)),
            "size_mm must be positive",
        ),
        (lambda: Twin(name="none", solids={}), "solids must hold at least one"),
        (lambda: Placement(roll_rad=math.inf), "roll_rad must be finite"),
        (lambda: catphan("505"), "model must be one of 504, 600, 604"),
        (lambda: catphan("504", hu={"Gold": 1.0}), "hu must be one of"),
        (lambda: catphan("504").section(900.0, thickness_mm=1.0), "a slice that cuts the phantom"),
    ],
)
def test_wrong_arguments_are_named(make, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()
