"""MTF of wires, beads, disks and bars whose transfer function is known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage, optimize

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredBars, BlurredDisk, BlurredEdge, BlurredPoint
from imgtech.qc import Measurement, Source
from imgtech.qc.metrics import (
    MTF,
    bar_contrast,
    bar_modulation,
    bead_mtf,
    coltman_mtf,
    disk_mtf,
    droege_morin_mtf,
    fit_point,
    slanted_edge_mtf,
    wire_mtf,
)
from imgtech.qc.roi import rectangle_region

SPACING = (0.21, 0.19)
GRID = ImageGrid(shape=(61, 66), spacing_mm=SPACING, center_mm=(1.0, -2.0))


def wire(sigma_px: float, *, total: float = 4.0, shape: tuple[float, float] = (1.0, 1.0)) -> BlurredPoint:
    sigma = (0.2 * sigma_px * shape[0], 0.2 * sigma_px * shape[1])
    return BlurredPoint(position_mm=(1.13, -2.28), sigma_mm=sigma, total=total, background=20.0)


def level(curve, at: float) -> float:
    """Frequency at which a closed-form curve falls to a level."""
    return float(optimize.brentq(lambda f: float(curve(np.array([f]))[0]) - at, 1e-3, 4.0))


def worst(m: MTF, truth) -> float:
    return float(np.abs(m.values - truth(m.frequencies_per_mm)).max())


@pytest.mark.parametrize("total", [4.0, -3.0])
@pytest.mark.parametrize(("sigma_px", "error"), [(0.6, 6e-3), (0.8, 3e-3), (1.5, 1e-3), (2.5, 1e-4)])
def test_radial_mtf_of_a_wire_without_noise_is_that_of_the_closed_form(sigma_px, error, total) -> None:
    w = wire(sigma_px, total=total)
    m = wire_mtf(w.image(GRID, dtype=np.float64), SPACING)
    assert worst(m, lambda f: w.mtf(f, spacing_mm=SPACING)) < error
    assert m.at(0.5).value == pytest.approx(level(lambda f: w.mtf(f, spacing_mm=SPACING), 0.5), rel=2e-3)


@pytest.mark.parametrize("direction", [0.0, 0.5, math.pi / 2, -2.0])
def test_mtf_in_one_direction_is_that_of_an_oblong_spot(direction: float) -> None:
    w = wire(1.0, shape=(1.3, 0.8))
    m = wire_mtf(w.image(GRID, dtype=np.float64), SPACING, direction_rad=direction)
    assert worst(m, lambda f: w.mtf(f, spacing_mm=SPACING, direction_rad=direction)) < 5e-3


def test_the_fitted_point_lies_where_it_was_put() -> None:
    point = fit_point(wire(0.9).image(GRID, dtype=np.float64), SPACING)
    assert point.center_mm == pytest.approx((0.13, -0.28), abs=1e-4)
    assert point.background == pytest.approx(20.0, abs=0.05)
    # blur and pixel area: 1/12 of the squared pixel
    assert point.width_mm == pytest.approx(math.sqrt(0.18**2 + 0.2**2 / 12), rel=0.01)
    dark = fit_point(wire(0.9, total=-4.0).image(GRID, dtype=np.float64), SPACING)
    assert dark.height == pytest.approx(-point.height, rel=1e-6)


def test_bead_between_the_slices_gives_the_mtf_of_the_plane() -> None:
    grid = ImageGrid(shape=(13, 61, 66), spacing_mm=(0.9, *SPACING), center_mm=(0.2, 1.0, -2.0))
    bead = BlurredPoint(position_mm=(0.37, 1.13, -2.28), sigma_mm=(1.1, 0.2, 0.2), total=40.0)
    m = bead_mtf(bead.image(grid, dtype=np.float64), grid.spacing_mm)
    assert worst(m, lambda f: bead.mtf(f, spacing_mm=SPACING)) < 3e-3
    flat = bead_mtf(bead.image(grid, dtype=np.float64).sum(axis=0), SPACING)
    assert flat.at(0.5).value == pytest.approx(m.at(0.5).value, rel=1e-9)


def test_a_thick_wire_is_a_small_disk_and_its_own_size_is_divided_out() -> None:
    rod = BlurredDisk(center_mm=(1.13, -2.28), radius_mm=0.25, sigma_mm=0.2, high=100.0)
    m = wire_mtf(rod.image(GRID, dtype=np.float64), SPACING, wire_diameter_mm=0.5)
    assert worst(m, lambda f: rod.mtf(f, spacing_mm=SPACING)) < 5e-3
    assert m.frequencies_per_mm[-1] < 1 / 0.19
    raw = wire_mtf(rod.image(GRID, dtype=np.float64), SPACING)
    assert raw.at(0.5).value < 0.93 * m.at(0.5).value


def test_a_bead_projects_to_the_transform_of_a_ball() -> None:
    """A ball of 0.6 mm blurred by 0.2 mm, as a sum of blurred points on a fine lattice."""
    axis = (np.arange(24) + 0.5) / 24 * 0.6 - 0.3
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    inside = z * z + y * y + x * x < 0.09
    image = np.zeros(GRID.shape)
    columns = {(round(b, 6), round(a, 6)) for b, a in zip(y[inside], x[inside], strict=True)}
    for b, a in columns:
        height = float(((np.abs(y - b) < 1e-4) & (np.abs(x - a) < 1e-4) & inside).sum())
        image += BlurredPoint(position_mm=(1.1 + b, -2.2 + a), sigma_mm=(0.2, 0.2), total=height).image(
            GRID, dtype=np.float64
        )
    m = bead_mtf(image, SPACING, bead_diameter_mm=0.6, max_frequency_per_mm=1.4)
    truth = wire(1.0)
    assert worst(m, lambda f: truth.mtf(f, spacing_mm=SPACING)) < 6e-3


@pytest.mark.parametrize("high", [90.0, -30.0])
@pytest.mark.parametrize(("radius", "sigma_px"), [(1.2, 0.8), (3.0, 0.6), (3.0, 1.5), (6.0, 1.0)])
def test_mtf_of_a_disk_without_noise_is_that_of_the_closed_form(radius, sigma_px, high) -> None:
    grid = ImageGrid(shape=(101, 96), spacing_mm=SPACING, center_mm=(1.0, -2.0))
    rod = BlurredDisk(center_mm=(1.13, -2.28), radius_mm=radius, sigma_mm=0.2 * sigma_px, low=40.0, high=high)
    guess = (1.13 + 0.2 * radius, -2.28 - 0.2 * radius)
    m = disk_mtf(rod.image(grid, dtype=np.float64), grid, center_mm=guess, radius_mm=1.2 * radius)
    assert worst(m, lambda f: rod.mtf(f, spacing_mm=SPACING)) < 2e-3
    found = dict(m.details)
    assert found["radius (mm)"] == pytest.approx(radius, abs=1e-3)
    assert (found["center y (mm)"], found["center x (mm)"]) == pytest.approx((1.13, -2.28), abs=1e-4)


def test_a_sharpened_image_has_an_mtf_above_one() -> None:
    """Two blurs, one taken off the other: twice the narrow minus the wide."""
    f = np.linspace(0, 2.5, 6)
    narrow, wide = wire(0.9), wire(2.0)
    image = 2 * narrow.image(GRID, dtype=np.float64) - wide.image(GRID, dtype=np.float64)
    truth = 2 * narrow.mtf(f, spacing_mm=SPACING) - wide.mtf(f, spacing_mm=SPACING)
    m = wire_mtf(image, SPACING)
    assert m.values.max() > 1.1
    assert np.interp(f, m.frequencies_per_mm, m.values) == pytest.approx(np.abs(truth), abs=0.025)


def pattern(sigma: float, frequency: float, angle: float, noise: np.ndarray) -> tuple[float, float]:
    """Modulation of bars in a region of whole periods, and its uncertainty."""
    grid = ImageGrid(shape=(120, 160), spacing_mm=SPACING, center_mm=(0.3, -0.2))
    period = 1 / frequency
    n = max(int(14 / period), 3)
    bars = BlurredBars(angle_rad=angle, period_mm=period, n_bars=n + 4, low=20.0, high=120.0, sigma_mm=sigma)
    region = rectangle_region(
        grid, center_mm=(0.0, 0.0), size_mm=(9.0, min(n, int(14 / period)) * period), angle_rad=angle
    )
    image = bars.image(grid, dtype=np.float64) + noise[:120, :160]
    flat = np.zeros((120, 400))
    flat[:, :160] = image
    flat[:, 160:] = noise[:120, 160:400]
    bar_region, plain = np.zeros((120, 400)), np.zeros((120, 400))
    bar_region[:, :160], plain[:, 170:390] = region, 1.0
    return bar_modulation(flat, bar_region, plain)


@pytest.mark.parametrize("angle", [0.25, 1.1])
def test_bars_give_the_mtf_of_the_closed_form_at_all_frequencies(rng, angle: float) -> None:
    """Low frequencies, too, where three harmonics pass and the formula of 1982 alone reads 20 % high."""
    f = np.array([0.15, 0.25, 0.4, 0.6, 0.8, 1.0, 1.3, 1.6])
    noise = 0.5 * rng.standard_normal((120, 400))
    found = [pattern(0.2, at, angle, noise) for at in f]
    image = np.full((40, 80), 20.0)
    image[:, 40:] = 120.0
    half = (image > 50).astype(float)
    contrast = bar_contrast(image, half, 1 - half)
    m = droege_morin_mtf(f, found, contrast)
    truth = BlurredEdge(angle_rad=angle, sigma_mm=0.2).mtf(f, spacing_mm=SPACING)
    assert m.values[1:] == pytest.approx(truth, abs=0.012)
    assert m.at(0.5).value == pytest.approx(
        level(lambda f: BlurredEdge(angle_rad=angle, sigma_mm=0.2).mtf(f, spacing_mm=SPACING), 0.5), rel=0.015
    )


def test_intervals_of_bars_that_only_noise_shows_hold_zero() -> None:
    """Two groups of noise without bars, 200 times: at least 93 of 100 intervals reach down to 0."""
    rng, held = np.random.default_rng(21), []
    contrast = measured(8.0, 0.1)
    bars, plain = np.zeros((32, 90)), np.zeros((32, 90))
    bars[:, :24], plain[:, 30:] = 1.0, 1.0
    for _ in range(200):
        groups = [bar_modulation(rng.standard_normal(bars.shape), bars, plain) for _ in range(2)]
        curve = droege_morin_mtf([0.5, 0.9], groups, contrast)
        held += [m.interval(0.95)[0] <= 0 for m in groups]
        held += list(curve.values[1:] <= 1.96 * curve.uncertainties[1:])
    assert 0.93 <= np.mean(held) <= 0.995


def measured(value: float, spread: float = 1e-6) -> Measurement:
    return Measurement(name="response", value=value, uncertainty=spread, algorithm="test-1",
                       definition=Source(document="test", edition="1"))  # fmt: skip


def test_coltman_series_undoes_the_square_wave() -> None:
    """Square waves through a Gaussian peak at 4/pi sum (-1)^((k-1)/2) MTF(k f) / k, k odd."""
    f = np.linspace(0.05, 1.6, 40)
    k = np.arange(1, 400, 2)[:, None]
    transfer = np.exp(-2 * (np.pi * 0.2 * k * f) ** 2)
    response = 4 / np.pi * np.sum((-1.0) ** ((k - 1) // 2) * transfer / k, axis=0)
    m = coltman_mtf(f, [measured(c) for c in response])
    assert m.values[1:] == pytest.approx(np.exp(-2 * (np.pi * 0.2 * f) ** 2), abs=2e-3)


def test_edge_wire_bead_disk_and_bars_of_one_object_agree_within_two_percent(rng) -> None:
    spacing, sigma = (0.3, 0.3), 0.32
    grid = ImageGrid(shape=(160, 150), spacing_mm=spacing, center_mm=(0.4, -0.3))
    noise = rng.standard_normal((7, *grid.shape))
    edge = BlurredEdge(angle_rad=math.radians(4), position_mm=0.2, low=0.0, high=100.0, sigma_mm=sigma)
    point = BlurredPoint(position_mm=(0.5, -0.1), sigma_mm=(sigma, sigma), total=400.0)
    disk = BlurredDisk(center_mm=(0.5, -0.1), radius_mm=9.0, sigma_mm=sigma, high=100.0)
    volume = ImageGrid(shape=(9, *grid.shape), spacing_mm=(0.8, *spacing), center_mm=(0.0, 0.4, -0.3))
    bead = BlurredPoint(position_mm=(0.3, 0.5, -0.1), sigma_mm=(0.7, sigma, sigma), total=700.0)
    curves = {
        "edge": slanted_edge_mtf(edge.image(grid, dtype=np.float64) + noise[0], spacing),
        "wire": wire_mtf(point.image(grid, dtype=np.float64) + noise[1], spacing),
        "bead": bead_mtf(bead.image(volume, dtype=np.float64) + 0.3 * rng.standard_normal(volume.shape),
                         volume.spacing_mm),
        "disk": disk_mtf(disk.image(grid, dtype=np.float64) + noise[2], grid, center_mm=(0, 0),
                         radius_mm=8.5),
    }  # fmt: skip
    f = np.linspace(0.08, 1.1, 18)
    groups = []
    for at in f:
        bars = BlurredBars(angle_rad=0.1, period_mm=1 / at, n_bars=math.ceil(60 * at) + 2, high=100.0,
                           sigma_mm=sigma)  # fmt: skip
        image = bars.image(grid, dtype=np.float64) + noise[3]
        region = rectangle_region(
            grid, center_mm=(0.4, -0.3), size_mm=(30.0, int(35 * at) / at), angle_rad=0.1
        )
        both = np.concatenate([image, noise[4]])
        zero = np.zeros(grid.shape)
        groups.append(bar_modulation(both, np.concatenate([region, zero]), np.concatenate([zero, zero + 1])))
    curves["bars"] = droege_morin_mtf(f, groups, measured(100.0, 0.1))
    truth50, truth10 = (level(lambda f: edge.mtf(f, spacing_mm=spacing), at) for at in (0.5, 0.1))
    found = {name: (m.at(0.5).value / truth50, m.at(0.1).value / truth10) for name, m in curves.items()}
    assert np.array(list(found.values())) == pytest.approx(1.0, abs=0.01), found


@pytest.mark.parametrize("blur_px", [0.0, 0.8])
def test_uncertainties_are_the_scatter_seen(rng, blur_px: float) -> None:
    rod = BlurredDisk(center_mm=(1.13, -2.28), radius_mm=3.0, sigma_mm=0.25, high=100.0)
    spot = wire(1.2, total=60.0)
    clean = rod.image(GRID, dtype=np.float64), spot.image(GRID, dtype=np.float64)
    found = []
    for _ in range(60):
        noise = rng.standard_normal((2, *GRID.shape))
        if blur_px:
            noise = ndimage.gaussian_filter(noise, (0, blur_px, blur_px), mode="wrap")
            noise *= math.sqrt(4 * math.pi) * blur_px
        a = disk_mtf(clean[0] + 4 * noise[0], GRID, center_mm=(1.0, -2.0), radius_mm=3.2).at(0.5)
        b = wire_mtf(clean[1] + 3 * noise[1], SPACING).at(0.5)
        found.append([(a.value, a.uncertainty), (b.value, b.uncertainty)])
    values, spreads = np.moveaxis(np.array(found), -1, 0)
    # the scatter of 60 values is known to 9 %, and the choice of terms adds to the spread of u
    assert values.std(axis=0, ddof=1) == pytest.approx(spreads.mean(axis=0), rel=0.35)


def test_what_cannot_be_measured_is_refused_with_the_reason(rng) -> None:
    flat = rng.standard_normal((40, 44))
    grid = ImageGrid(shape=(40, 44), spacing_mm=SPACING)
    with pytest.raises(ValueError, match="image must"):
        wire_mtf(flat, SPACING)
    with pytest.raises(ValueError, match="image must hold one point, got a flat image"):
        wire_mtf(np.ones((40, 44)), SPACING)
    with pytest.raises(ValueError, match="at least 9 by 9"):
        wire_mtf(flat[:8], SPACING)
    with pytest.raises(ValueError, match="spacing_mm must have 2 numbers"):
        bead_mtf(flat, (0.5, 0.2, 0.2))
    with pytest.raises(ValueError, match="n_terms must be at most 12"):
        wire_mtf(flat, SPACING, n_terms=13)
    with pytest.raises(ValueError, match="max_frequency_per_mm must be at most"):
        wire_mtf(flat, SPACING, wire_diameter_mm=2.0, max_frequency_per_mm=3.0)
    with pytest.raises(ValueError, match=r"rim of a disk|stand out of the noise"):
        disk_mtf(flat, grid, center_mm=(0, 0), radius_mm=2.0)
    with pytest.raises(ValueError, match="radius_mm must be positive"):
        disk_mtf(flat, grid, center_mm=(0, 0), radius_mm=0.0)
    with pytest.raises(ValueError, match="modulations must hold 2"):
        droege_morin_mtf([0.1, 0.2], [measured(1.0)], measured(2.0))
    with pytest.raises(ValueError, match="contrast must differ from 0"):
        droege_morin_mtf([0.1, 0.2], [measured(1.0)] * 2, measured(0.0))
    with pytest.raises(ValueError, match="frequencies_per_mm must rise"):
        coltman_mtf([0.2, 0.1], [measured(1.0)] * 2)
    flat[3, 4] = np.nan
    for call in (
        lambda: wire_mtf(flat, SPACING),
        lambda: disk_mtf(flat, grid, center_mm=(0, 0), radius_mm=2),
        lambda: bar_modulation(flat, np.ones((40, 44)), np.ones((40, 44))),
    ):
        with pytest.raises(ValueError, match="image must be finite"):
            call()
