"""Contrast, CNR, gCNR, speckle, penetration and elements on speckle with closed-form statistics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from imgtech.geometry import ImageGrid
from imgtech.phantoms import speckle_field
from imgtech.qc import Source
from imgtech.qc.metrics.ultrasound import (
    ElementLevels,
    column_levels,
    element_levels,
    gcnr,
    lesion_cnr,
    lesion_contrast,
    penetration_depth,
    penetration_depth_by_correlation,
    speckle_snr,
)
from imgtech.qc.metrics.ultrasound.penetration import _correlation
from imgtech.qc.roi import disk_region, rectangle_region

GRID = ImageGrid(shape=(190, 150), spacing_mm=(0.08, 0.15), center_mm=(20.0, 3.0))
FWHM = (0.3, 0.55)


def lesion(ratio, seed=1, fwhm=FWHM):
    """A disk whose power is ``ratio`` that of the tissue around, and regions in both."""
    rng = np.random.default_rng(seed)
    dark, bright = (speckle_field(GRID, fwhm_mm=fwhm, rng=rng) for _ in range(2))
    inside = disk_region(GRID, center_mm=(19.0, 1.0), radius_mm=5.5) > 0
    image = 7 * np.abs(np.where(inside, math.sqrt(ratio) * dark, bright))
    return (
        image,
        disk_region(GRID, center_mm=(19.0, 1.0), radius_mm=5.0),
        rectangle_region(GRID, center_mm=(20.0, 10.5), size_mm=(13.0, 6.0)),
    )


def overlap(ratio):
    edge = ratio * math.log(ratio) / (ratio - 1)
    return abs(math.exp(-edge / ratio) - math.exp(-edge))


def near(measurement, truth, widths=3.0):
    return abs(measurement.value - truth) < widths * measurement.uncertainty


def test_the_speckle_field_has_the_correlation_it_promises():
    field = speckle_field(
        ImageGrid(shape=(900, 700), spacing_mm=(0.05, 0.1)),
        fwhm_mm=(0.3, 0.9),
        rng=np.random.default_rng(5),
    )
    assert (np.abs(field) ** 2).mean() == pytest.approx(1, abs=0.05)
    for axis, lag, spacing, fwhm in ((0, 4, 0.05, 0.3), (1, 5, 0.1, 0.9)):
        f = np.moveaxis(field, axis, 0)
        found = (f[lag:] * f[:-lag].conj()).mean()
        sigma = fwhm / math.sqrt(8 * math.log(2))
        assert abs(found - math.exp(-((lag * spacing) ** 2) / (4 * sigma**2))) < 0.05
    with pytest.raises(ValueError, match="fwhm_mm must not be negative"):
        speckle_field(GRID, fwhm_mm=(-1.0, 1.0), rng=np.random.default_rng(1))


@pytest.mark.parametrize("ratio", [0.5, 0.05, 4.0])
def test_contrast_is_the_ratio_of_powers(ratio):
    found = lesion_contrast(*lesion(ratio))
    assert near(found, 10 * math.log10(ratio))
    assert found.unit == "dB"
    # both regions hold few cells of 2 pi sigma sigma
    cell = 2 * math.pi * math.prod(FWHM) / (8 * math.log(2))
    expected = 10 / math.log(10) * math.sqrt(cell / (math.pi * 25) + cell / 78)
    assert found.uncertainty == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("ratio", [0.5, 0.05, 4.0])
def test_cnr_follows_the_rayleigh_moments(ratio):
    image, inside, around = lesion(ratio, seed=4)
    assert near(lesion_cnr(image, inside, around, scale="power"), abs(1 - ratio) / math.hypot(1, ratio))
    means = abs(1 - math.sqrt(ratio)) * math.sqrt(math.pi / 4)
    truth = means / math.sqrt((1 + ratio) * (1 - math.pi / 4))
    assert near(lesion_cnr(image, inside, around), truth)


@pytest.mark.parametrize("ratio", [0.5, 0.1, 0.01, 6.0])
def test_gcnr_follows_the_overlap_of_rayleigh_distributions(ratio):
    image, inside, around = lesion(ratio, seed=2)
    found = gcnr(image, inside, around)
    assert near(found, overlap(ratio))
    assert found.uncertainty < 0.08


@pytest.mark.parametrize("shape", [(10, 10), (25, 41), (100, 100)])
def test_gcnr_of_equal_distributions_holds_zero_from_100_to_10000_pixels(shape):
    hits, values = 0, []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        field = speckle_field(
            ImageGrid(shape=(shape[0], 2 * shape[1]), spacing_mm=(0.1, 0.1)), fwhm_mm=(0.0, 0.0), rng=rng
        )
        left = np.zeros(field.shape)
        left[:, : shape[1]] = 1
        m = gcnr(np.abs(field), left, 1 - left)
        low, high = m.interval(0.95)
        hits += low <= 0 <= high
        values.append(m.value)
    assert hits >= 35
    assert abs(np.mean(values)) < 4 * np.std(values) / math.sqrt(40)


def test_gcnr_does_not_see_the_grey_scale_and_works_either_way_round():
    image, inside, around = lesion(0.2, seed=8)
    plain = gcnr(image, inside, around)
    squeezed = gcnr(np.log1p(image) ** 3, inside, around)
    assert squeezed.value == pytest.approx(plain.value, abs=1e-12)
    assert gcnr(image, around, inside).value == pytest.approx(plain.value, abs=1e-12)


def test_gcnr_finds_equal_means_of_unequal_spread():
    """Uniform between 1 and 3 against uniform between 1.5 and 2.5: half of the first stands outside."""
    rng = np.random.default_rng(6)
    image = np.concatenate([rng.uniform(1, 3, (60, 50)), rng.uniform(1.5, 2.5, (60, 50))], axis=1)
    left = np.zeros(image.shape)
    left[:, :50] = 1
    assert near(gcnr(image, left, 1 - left), 0.5)


@pytest.mark.parametrize("n", [1, 4])
def test_speckle_snr_is_that_of_rayleigh_and_grows_with_averaging(n):
    rng = np.random.default_rng(9)
    power = np.mean([np.abs(speckle_field(GRID, fwhm_mm=FWHM, rng=rng)) ** 2 for _ in range(n)], axis=0)
    found = speckle_snr(np.sqrt(power), np.ones(GRID.shape))
    mean = math.gamma(n + 0.5) / math.gamma(n) / math.sqrt(n)
    assert near(found, mean / math.sqrt(1 - mean**2))
    cell = 2 * math.pi * math.prod(FWHM) / (8 * math.log(2))
    assert found.details["speckle cells"] == pytest.approx(math.prod(GRID.fov_mm) / cell, rel=0.2)


def faded(slope, depth, seed=1):
    grid = ImageGrid(shape=(320, 90), spacing_mm=(0.1, 0.2), center_mm=(40.0, 1.0))
    rng = np.random.default_rng(seed)
    echo, first, second = (speckle_field(grid, fwhm_mm=(0.3, 0.5), rng=rng) for _ in range(3))
    fade = 10 ** (-slope * (grid.coordinates_mm[0] - depth) / 20)[:, None]
    return grid, np.abs(fade * echo + first), np.abs(fade * echo + second), np.abs(second)


@pytest.mark.parametrize(("slope", "depth", "ratio"), [(3.0, 37.3, 2**0.5), (2.0, 43.1, 1.25)])
def test_penetration_is_where_echoes_sink_to_the_ratio(slope, depth, ratio):
    """Power of the echoes (ratio^2 - 1) times the noise, 10 log10 of it / slope above the even depth."""
    grid, first, second, noise = faded(slope, depth)
    truth = depth - 10 * math.log10(ratio**2 - 1) / slope
    found = penetration_depth(first, noise, grid, window_mm=5.0, ratio=ratio)
    assert near(found, truth)
    assert found.uncertainty < 0.9
    pair = penetration_depth_by_correlation(first, second, grid, window_mm=5.0, ratio=ratio)
    assert near(pair, truth)
    assert pair.uncertainty < 1.2


def test_penetration_of_few_speckle_cells_a_row_is_not_biased():
    """Of sixteen independent pixels a row the correlation of the row itself reads 0.6 mm too shallow."""
    grid, rng = (
        ImageGrid(shape=(2000, 16), spacing_mm=(0.02, 0.26), center_mm=(45.0, 1.0)),
        np.random.default_rng(1),
    )
    fade = 10 ** (0.6 * (46.3 - grid.coordinates_mm[0]) / 20)[:, None]
    found = []
    for _ in range(12):
        echo, *noise = (speckle_field(grid, fwhm_mm=(0.0, 0.0), rng=rng) for _ in range(3))
        pair = [np.abs(fade * echo + n) for n in noise]
        found.append(penetration_depth_by_correlation(*pair, grid, window_mm=8.0, ratio=math.sqrt(2)))
    off = np.array([m.value for m in found]) - 46.3
    assert abs(off.mean()) < 0.3
    assert np.mean([m.uncertainty for m in found]) == pytest.approx(off.std(ddof=1), rel=0.5)
    assert np.mean([m.details["fall (dB/mm)"] for m in found]) == pytest.approx(0.6, rel=0.1)


@pytest.mark.parametrize("coherence", [0.2, 0.5, 0.85])
def test_the_correlation_of_rayleigh_envelopes_is_the_closed_form(coherence):
    rng = np.random.default_rng(2)
    same, *other = (rng.standard_normal(300_000) + 1j * rng.standard_normal(300_000) for _ in range(3))
    pair = [np.abs(math.sqrt(coherence) * same + math.sqrt(1 - coherence) * n) for n in other]
    value, slope = _correlation(np.array(coherence))
    assert value == pytest.approx(np.corrcoef(*pair)[0, 1], abs=0.006)
    step = (_correlation(np.array(coherence + 1e-4))[0] - _correlation(np.array(coherence - 1e-4))[0]) / 2e-4
    assert slope == pytest.approx(step, rel=1e-6)


def test_penetration_that_is_not_in_the_image_is_refused():
    grid, first, second, noise = faded(3.0, 38.0)
    with pytest.raises(ValueError, match="got a ratio that stays above"):
        penetration_depth(first + 10 * noise.max(), noise, grid, window_mm=5.0)
    with pytest.raises(ValueError, match="got a ratio that stays below"):
        penetration_depth(noise, 3 * noise, grid, window_mm=5.0)
    with pytest.raises(ValueError, match="window_mm must stay inside the image"):
        penetration_depth(first, noise, grid, window_mm=15.0)
    with pytest.raises(ValueError, match="window_mm must hold at least 12 rows"):
        penetration_depth_by_correlation(first, second, grid, window_mm=0.3)
    with pytest.raises(ValueError, match="ratio must be above 1"):
        penetration_depth(first, noise, grid, window_mm=5.0, ratio=1.0)


def test_weak_columns_are_found_where_they_are():
    grid = ImageGrid(shape=(300, 96), spacing_mm=(0.05, 0.3), center_mm=(12.0, 2.0))
    image = np.abs(speckle_field(grid, fwhm_mm=(0.2, 0.0), rng=np.random.default_rng(2)))
    image *= np.linspace(1, 3, 96)
    image[:, 17] *= 0.05
    image[:, 60] *= 0.3
    levels = column_levels(image, grid, depth_mm=(5.0, 19.0))
    assert levels.below(-6.0) == (17, 60)
    assert levels.below(-20.0) == (17,)
    assert levels.level_db[17] == pytest.approx(20 * math.log10(0.05), abs=4 * levels.uncertainty_db[17])
    counted = levels.count_below(-6.0)
    assert counted.value == 2
    assert counted.details["which"] == "17, 60"
    # rows outside the depths do not count
    image[grid.coordinates_mm[0] > 19.0] = 1e3
    assert column_levels(image, grid, depth_mm=(5.0, 19.0)).below(-6.0) == (17, 60)


def test_non_uniformity_leaves_the_speckle_out():
    rng = np.random.default_rng(4)
    rf = rng.standard_normal((2, 160, 300))
    even = element_levels(rf, n_neighbours=60).non_uniformity()
    assert even.value < 2 * even.uncertainty
    gains = 10 ** (rng.standard_normal(160) / 20)
    uneven = element_levels(gains[:, None] * rf, n_neighbours=60).non_uniformity()
    assert near(uneven, 1.0)
    assert uneven.unit == "dB"


def test_element_at_the_threshold_makes_the_count_uncertain():
    rf = np.random.default_rng(4).standard_normal((64, 400))
    rf[20] *= 10 ** (-6 / 20)
    assert element_levels(rf).count_below(-6.0).uncertainty > 0.1
    assert element_levels(rf).count_below(-12.0).uncertainty < 1e-6


def test_count_of_elements_changes_with_the_chance_to_be_counted_wrongly():
    """The levels change alternately and far; one lies z of its uncertainty from the threshold."""
    ladder = np.where(np.arange(41) % 2, 5.0, -5.0)
    ladder[20] = 0.0
    for z in (0.0, 0.7, -1.3):
        level = ladder.copy()
        level[10] = -3.0 + 0.01 * z
        levels = ElementLevels(
            level_db=level,
            uncertainty_db=np.full(41, 0.01),
            definition=Source(document="x", edition="1"),
            algorithm="us-elements-2",
            around_db=np.full(41, 2.5),
            n_neighbours=40,
        )
        counted = levels.count_below(-3.0)
        assert counted.value == np.count_nonzero(level < -3.0)
        chance = special.ndtr(-abs(z) / math.sqrt(2))  # the median carries as much noise as the element
        assert counted.uncertainty == pytest.approx(math.sqrt(chance), rel=0.15)


def test_bad_input_is_refused():
    image, inside, around = lesion(0.5)
    for metric in (lesion_contrast, lesion_cnr, gcnr):
        with pytest.raises(ValueError, match="envelope must not be negative"):
            metric(image - 5, inside, around)
        with pytest.raises(ValueError, match="target_region must have the shape"):
            metric(image, inside[:-1], around)
        with pytest.raises(ValueError, match="background_region must not be empty"):
            metric(image, inside, 0 * around)
    with pytest.raises(ValueError, match="scale must be one of amplitude, power"):
        lesion_cnr(image, inside, around, scale="db")
    with pytest.raises(ValueError, match="pixels that are all equal"):
        speckle_snr(np.ones(GRID.shape), inside)
    with pytest.raises(ValueError, match="must hold some power"):
        lesion_contrast(image * (inside == 0), inside, around)
    with pytest.raises(ValueError, match="at least 20 pixels in 4 rows and columns"):
        gcnr(image, np.pad(np.ones((3, 40)), ((0, 187), (0, 110))), around)
    with pytest.raises(ValueError, match="threshold_db must be negative"):
        element_levels(np.ones((64, 50)) + np.arange(50)).below(3.0)
    with pytest.raises(ValueError, match="at least 20 elements for the median, got 8"):
        element_levels(np.random.default_rng(1).standard_normal((8, 50)))
    silent = np.random.default_rng(1).standard_normal((30, 50)) * (np.arange(30) != 3)[:, None]
    with pytest.raises(ValueError, match="some power, got none at 3"):
        element_levels(silent)
    with pytest.raises(ValueError, match="depth_mm must hold at least 20 rows, got 0"):
        column_levels(image, GRID, depth_mm=(90.0, 99.0))


def test_an_even_probe_is_held_to_be_even():
    held = 0
    for seed in range(40):
        rf = np.random.default_rng(300 + seed).standard_normal((2, 64, 120))
        low, high = element_levels(rf).non_uniformity().interval(0.95)
        held += low <= 0 <= high
    assert held >= 38
