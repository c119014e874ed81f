"""The protocol against a digital phantom whose thickness, diameters and bars are known."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy import special

from imgtech.geometry import ImageGrid
from imgtech.io import Series
from imgtech.phantoms.twins import Placement, acr_mri
from imgtech.qc import Verdict
from imgtech.qc.metrics import RampSignal, percent_integral_uniformity, ramp_signal, slice_thickness
from imgtech.qc.pose import Pose
from imgtech.qc.protocols import acr_mri_large
from imgtech.qc.protocols._acr_mri_ramps import RampBlock, ramps
from imgtech.qc.roi import disk_region
from reference import mr_twins
from reference.acr_twin import Twin

POSE = {"angle_rad": 0.31, "center_mm": (5.2, -3.7), "sigma": 8.0}


def _random_twin(rng: np.random.Generator) -> Twin:
    return Twin(
        diameter_mm=rng.uniform(188.5, 191.5),
        ellipticity_mm=rng.uniform(-0.5, 0.5),
        upper_mm=rng.uniform(44, 58),
        lower_mm=rng.uniform(44, 58),
        edge_mm=rng.uniform(2, 14),
        bars_mm=(rng.uniform(-6, 6), rng.uniform(-6, 6)),
        angle_rad=rng.uniform(-math.pi, math.pi),
        mirrored=bool(rng.integers(2)),
        center_mm=(rng.uniform(-12, 12), rng.uniform(-12, 12)),
        sigma=float(rng.choice([2.0, 8.0, 20.0])),
    )


def _truths(twin: Twin) -> dict[str, float]:
    wide, high = twin.diameter_mm / 2 + twin.ellipticity_mm, twin.diameter_mm / 2
    truths = {"slice thickness": twin.thickness_mm}
    for role, bar in zip((1, 11), twin.bars_mm, strict=True):
        truths[f"bar length difference slice {role}"] = bar
    for name, degrees in (("vertical", 90), ("horizontal", 0), ("falling diagonal", 45)):
        a = math.radians(degrees)
        truths[f"diameter slice 5 {name}"] = 2 / math.hypot(math.cos(a) / wide, math.sin(a) / high)
    return truths


def test_every_length_lies_within_its_uncertainty(rng: np.random.Generator) -> None:
    for _ in range(3):
        twin = _random_twin(rng)
        report = acr_mri_large(twin.series(rng))
        for name, truth in _truths(twin).items():
            m = report[name]
            assert m.value == pytest.approx(truth, abs=3 * m.uncertainty), (name, twin)


@pytest.mark.slow
def test_95_percent_intervals_cover_the_truth(rng: np.random.Generator) -> None:
    inside: dict[str, list[bool]] = {}
    for _ in range(60):
        twin = _random_twin(rng)
        report = acr_mri_large(twin.series(rng))
        for name, truth in _truths(twin).items():
            low, high = report[name].interval(0.95)
            inside.setdefault(name.split()[0], []).append(low <= truth <= high)
    for name, hits in inside.items():
        assert np.mean(hits) >= 0.9, name


@pytest.mark.parametrize(("upper_mm", "lower_mm"), [(40.0, 40.0), (52.0, 48.0), (70.0, 50.0)])
def test_thickness_is_that_of_the_ramps(upper_mm: float, lower_mm: float, rng: np.random.Generator) -> None:
    twin = Twin(upper_mm=upper_mm, lower_mm=lower_mm, **POSE)
    m = acr_mri_large(twin.series(rng))["slice thickness"]
    assert m.value == pytest.approx(0.2 * upper_mm * lower_mm / (upper_mm + lower_mm), abs=0.06)
    assert m.details["first ramp mm"] == pytest.approx(upper_mm, abs=1.2)
    assert m.details["second ramp mm"] == pytest.approx(lower_mm, abs=1.2)


def test_right_bar_longer_counts_positive_also_in_a_mirror(rng: np.random.Generator) -> None:
    for mirrored in (False, True):
        twin = Twin(bars_mm=(3.0, -2.0), mirrored=mirrored, **POSE)
        report = acr_mri_large(twin.series(rng))
        assert report["bar length difference slice 1"].value == pytest.approx(3.0, abs=0.2)
        assert report["bar length difference slice 11"].value == pytest.approx(-2.0, abs=0.2)


def test_slices_in_reverse_order_give_the_same_numbers(rng: np.random.Generator) -> None:
    twin = Twin(**{**POSE, "sigma": 0.0})
    one, other = acr_mri_large(twin.series(rng)), acr_mri_large(twin.series(rng, reverse=True))
    for a, b in zip(one.measurements, other.measurements, strict=True):
        assert a.value == pytest.approx(b.value, abs=1e-6), a.name


def test_a_missing_slice_takes_nothing_else_along(rng: np.random.Generator) -> None:
    whole = Twin(**POSE).series(rng)
    keep = [0, 1, 3]
    report = acr_mri_large(
        dataclasses.replace(whole, pixels=whole.pixels[keep], positions_mm=whole.positions_mm[keep])
    )
    assert report["percent integral uniformity"].error == (
        "the series holds no slice 7: none lies 60 mm from slice 1"
    )
    assert report["percent signal ghosting"].verdict is Verdict.ERROR
    assert report["slice thickness"].value is not None
    assert report["bar length difference slice 11"].value is not None
    assert not report.passed


def test_ramps_that_do_not_shine_are_an_error_of_that_item_alone(rng: np.random.Generator) -> None:
    twin = Twin(upper_mm=1.0, lower_mm=1.0, **POSE)
    report = acr_mri_large(twin.series(rng))
    assert report["slice thickness"].error is not None
    assert report["diameter slice 1 horizontal"].value is not None


def test_even_water_is_uniform_and_a_ghost_of_two_percent_is_found(rng: np.random.Generator) -> None:
    series = Twin(**{**POSE, "sigma": 1.0}).series(rng)
    report = acr_mri_large(series)
    assert report["percent integral uniformity"].value > 98.5
    without = report["percent signal ghosting"].value
    ghost = series.pixels + 0.02 * np.roll(series.pixels, 128, axis=1)
    with_ghost = acr_mri_large(dataclasses.replace(series, pixels=ghost))["percent signal ghosting"].value
    assert with_ghost - without == pytest.approx(2.0, abs=0.1)


def test_snr_of_one_image_and_of_two_is_that_of_the_noise(rng: np.random.Generator) -> None:
    twin = Twin(**POSE)
    first, second = twin.series(rng), twin.series(rng)
    for report in (acr_mri_large(first), acr_mri_large(first, repeat=second)):
        m = report["signal-to-noise ratio"]
        assert m.value == pytest.approx(1000.0 / 8.0, abs=3 * m.uncertainty)
    assert acr_mri_large(first, repeat=second)["signal-to-noise ratio"].algorithm == "snr-two-images-2"


def test_masked_air_falls_back_on_smoothing_and_says_so(rng: np.random.Generator) -> None:
    series = Twin(**POSE).series(rng)
    pixels = np.where(series.pixels < 60.0, 0.0, series.pixels)
    m = acr_mri_large(dataclasses.replace(series, pixels=pixels))["signal-to-noise ratio"]
    assert m.algorithm == "snr-smoothing-3"
    assert "zero" in str(m.details["air unusable"])
    assert m.value == pytest.approx(1000.0 / 8.0, rel=0.1)


@pytest.mark.parametrize(
    ("edition", "field", "uniformity", "ghosting", "geometry"),
    [
        ("2015", 1.5, 87.5, 2.5, (188.0, 192.0)),
        ("2015", 3.0, 82.0, 2.5, (188.0, 192.0)),
        ("2022", 1.5, 85.0, 3.0, (187.0, 193.0)),
        ("2022", 3.0, 80.0, 3.0, (187.0, 193.0)),
    ],
)
def test_limits_are_those_of_the_edition_and_field(
    edition: str,
    field: float,
    uniformity: float,
    ghosting: float,
    geometry: tuple[float, float],
    rng: np.random.Generator,
) -> None:
    series = Twin(**POSE).series(rng)
    tags = dataclasses.replace(series.tags, field_strength_t=field)
    report = acr_mri_large(dataclasses.replace(series, tags=tags), edition=edition)
    assert report["percent integral uniformity"].limit.lower == uniformity
    assert report["percent signal ghosting"].limit.upper == ghosting
    limit = report["diameter slice 1 vertical"].limit
    assert (limit.lower, limit.upper) == geometry
    assert limit.source.verified is (edition == "2015")
    assert report["slice thickness"].verdict is Verdict.UNRATED
    rated = {m.verdict for m in report.measurements} - {Verdict.UNRATED, Verdict.ERROR}
    assert bool(rated) is (edition == "2015")


def test_an_unknown_field_strength_leaves_uniformity_unrated(rng: np.random.Generator) -> None:
    series = Twin(**POSE).series(rng)
    tags = dataclasses.replace(series.tags, field_strength_t=None)
    report = acr_mri_large(dataclasses.replace(series, tags=tags))
    assert report["percent integral uniformity"].limit is None
    assert any("field strength" in note for note in report.notes)


def test_pictures_show_the_regions_at_the_phantom(rng: np.random.Generator) -> None:
    report = acr_mri_large(Twin(**POSE).series(rng))
    assert [p.title for p in report.pictures] == ["slice 1", "slice 5", "slice 7", "slice 11"]
    uniform = next(o for o in report.pictures[2].outlines if o.label.startswith("uniformity"))
    rows, columns = np.mean(uniform.points, axis=0) * 0.9765625 - 127.5 * 0.9765625
    v, u = 5.0, 0.0
    assert rows == pytest.approx(5.2 + u * math.sin(0.31) + v * math.cos(0.31), abs=0.1)
    assert columns == pytest.approx(-3.7 + u * math.cos(0.31) - v * math.sin(0.31), abs=0.1)


def test_other_things_are_refused_with_a_sentence(rng: np.random.Generator) -> None:
    series = Twin(**POSE).series(rng)
    with pytest.raises(ValueError, match="modality 'CT'"):
        acr_mri_large(dataclasses.replace(series, modality="CT"))
    with pytest.raises(ValueError, match="edition must be one of 2015, 2022"):
        acr_mri_large(series, edition="1999")
    noise = dataclasses.replace(series, pixels=rng.random(series.pixels.shape))
    with pytest.raises(ValueError, match="not an axial series of the ACR large MRI phantom"):
        acr_mri_large(noise)
    plain = Series(
        pixels=Twin(**POSE).slice(5, rng)[None],
        spacing_mm=series.spacing_mm,
        positions_mm=np.array([0.0]),
        slice_thickness_mm=5.0,
        modality="MR",
    )
    with pytest.raises(ValueError, match="or its slice 1 is missing"):
        acr_mri_large(plain)


def test_a_steady_floor_is_counted_from_and_a_rectified_one_is_not(rng: np.random.Generator) -> None:
    x = np.arange(-80.0, 80.0, 0.25)
    shape = np.clip((30.0 - np.abs(x - 4.0)) / 10.0, 0.0, 1.0)
    steady = np.tile(50.0 + 100.0 * shape, (8, 1))
    ringing = np.abs(100.0 * shape + 30.0 * np.sin(np.arange(8) * 2 * np.pi / 8)[:, None])
    for lines in (steady, ringing):
        lit = ramp_signal(x, lines, expected_mm=45.0)
        assert lit.length_mm == pytest.approx(50.0, abs=0.4)
        assert (lit.start_mm + lit.end_mm) / 2 == pytest.approx(4.0, abs=0.1)
    assert ramp_signal(x, steady, expected_mm=45.0).floor == pytest.approx(50.0, abs=0.5)
    assert abs(ramp_signal(x, ringing, expected_mm=45.0).floor) < 3.0


def test_strong_noise_of_a_magnitude_image_does_not_lengthen_a_ramp(rng: np.random.Generator) -> None:
    """Noise of half the steady floor is no ringing: the floor stays, and with it the half height."""
    x = np.arange(-74.0, 77.0, 0.55)
    profile = 12.0 + 100.0 * special.ndtr((x + 31.0) / 2.5) * special.ndtr((27.0 - x) / 2.5)
    lit = []
    for _ in range(40):
        parts = 6.0 * rng.standard_normal((2, 10, len(x)))
        lit.append(ramp_signal(x, np.hypot(profile + parts[0], parts[1]), expected_mm=50.0))
    assert np.mean([one.length_mm for one in lit]) == pytest.approx(58.0, abs=0.1)
    assert np.mean([one.floor for one in lit]) == pytest.approx(12.0, abs=1.5)


def test_noise_of_many_channels_does_not_lengthen_a_ramp(rng: np.random.Generator) -> None:
    """A root sum of squares of six channels leaves a floor of 3.4 deviations; the air tells its power."""
    x = np.arange(-74.0, 77.0, 0.55)
    profile = 160.0 * special.ndtr((x + 31.0) / 2.5) * special.ndtr((27.0 - x) / 2.5)
    told, untold = [], []
    for _ in range(20):
        parts = 15.0 * rng.standard_normal((12, 10, len(x)))
        parts[0] += profile
        lines = np.sqrt((parts**2).sum(axis=0))
        told.append(ramp_signal(x, lines, expected_mm=50.0, noise_power=12 * 15.0**2))
        untold.append(ramp_signal(x, lines, expected_mm=50.0))
    assert np.mean([one.length_mm for one in told]) == pytest.approx(58.0, abs=0.15)
    assert abs(np.mean([one.floor for one in told])) < 6.0
    assert np.mean([one.floor for one in untold]) > 40.0


@pytest.mark.parametrize("sigma", [5.0, 16.0])
def test_thickness_of_a_coil_array_is_free_of_its_noise_floor(sigma: float, rng: np.random.Generator) -> None:
    """The share of the floor that is noise is read in the air: a slice of 5 mm read 0.18 mm too thin."""
    scan = mr_twins.MrScan(
        placement=Placement(center_mm=(4.0, -7.0), roll_rad=0.5), sigma=sigma, roles=(1,), thickness_mm=5.2
    )
    image = dataclasses.replace(scan, sigma=0.0, shading=0.0).series(acr_mri("large"), rng)
    parts = sigma * rng.standard_normal((12, *image.pixels.shape))
    parts[0] += image.pixels
    many = dataclasses.replace(image, pixels=np.sqrt((parts**2).sum(axis=0)))
    m = acr_mri_large(many)["slice thickness"]
    assert abs(m.value - 5.2) < 0.1
    assert abs(m.value - 5.2) < 2.5 * m.uncertainty
    assert m.uncertainty < 0.2


def test_lines_count_by_their_weight() -> None:
    x = np.arange(-80.0, 80.0, 0.25)
    short, long = (100.0 * np.clip((half - np.abs(x - 4.0)) / 6.0, 0.0, 1.0) for half in (25.0, 31.0))
    by_weight = ramp_signal(x, [short, long], expected_mm=45.0, weights=[0.0, 2.0])
    assert by_weight.length_mm == pytest.approx(56.0, abs=0.1)
    assert ramp_signal(x, [short, long], expected_mm=45.0, weights=[1.0, 0.0]).length_mm == pytest.approx(
        44.0, abs=0.1
    )


def test_ramps_are_read_about_the_middle_of_the_block_with_fading_weights() -> None:
    """The inner 2.8 mm of each ramp are lit over 50 mm, the rest of it over 70 mm: the inner part counts."""
    grid = ImageGrid(shape=(101, 901), spacing_mm=(0.2, 0.25), center_mm=(1.0, -2.0))
    v, u = (c - o for c, o in zip(grid.coordinates_mm, (1.6, -3.0), strict=True))
    inner = np.abs(np.abs(v - 0.7) - 2.6) < 1.4
    half = np.where(inner, 25.0, 35.0)[:, None] + np.where(v > 0.7, 3.0, 0.0)[:, None]
    image = 100.0 * np.clip((half + 2.0 - np.abs(u)) / 4.0, 0.0, 1.0) + 5.0
    pose = Pose(center_mm=(1.6, -3.0), angle_rad=0.0, mirrored=False, score=1.0, runner_up=0.0)
    upper, lower = ramps(
        image, grid, RampBlock(pose=pose, middle_mm=0.7, height_mm=11.5, reach_mm=80.0), 50.0
    )
    assert upper.length_mm == pytest.approx(50.0, abs=1.5)
    assert lower.length_mm == pytest.approx(56.0, abs=1.5)


def test_ringing_of_the_water_stays_within_the_uncertainty(rng: np.random.Generator) -> None:
    """Worst where pixel rows run along the block: there the water's ringing is the same all along it."""
    errors, scores = [], []
    for i in range(12):
        twin = Twin(
            angle_rad=(i % 2) * math.pi / 2 + 0.012 * rng.standard_normal(),
            center_mm=(rng.uniform(-10, 10), rng.uniform(-10, 10)),
            sigma=2.0,
        )
        m = acr_mri_large(_only(twin.series(rng), 0))["slice thickness"]
        errors.append(m.value - twin.thickness_mm)
        scores.append(errors[-1] / m.uncertainty)
    assert np.sqrt(np.mean(np.square(errors))) <= 0.08, errors
    assert np.sqrt(np.mean(np.square(scores))) <= 1.5, scores


def _only(series: Series, index: int) -> Series:
    return dataclasses.replace(
        series, pixels=series.pixels[[index]], positions_mm=series.positions_mm[[index]]
    )


def test_a_ramp_without_signal_or_without_end_is_refused(rng: np.random.Generator) -> None:
    x = np.arange(-80.0, 80.0, 0.25)
    with pytest.raises(ValueError, match=r"stand out|no end|too long"):
        ramp_signal(x, 10.0 + rng.random((6, len(x))), expected_mm=50.0)
    with pytest.raises(ValueError, match=r"stand out|no end|too long"):
        ramp_signal(x, np.tile(np.where(x > -60, 100.0, 1.0), (4, 1)), expected_mm=50.0)


def test_noise_that_is_left_in_the_uniformity_widens_its_interval(rng: np.random.Generator) -> None:
    """The number of the guide is too low by a known bias b: it adds b to the half width, no more."""
    grid = ImageGrid(shape=(150, 140), spacing_mm=(1.4, 1.5), center_mm=(2.0, -1.0))
    region = disk_region(grid, center_mm=(2.0, -1.0), radius_mm=79.0)
    image = 500 + 0.4 * grid.coordinates_mm[1] + 12 * rng.standard_normal(grid.shape)
    raw, free = (percent_integral_uniformity(image, grid, region, noise_corrected=c) for c in (False, True))
    bias = free.value - raw.value
    assert bias > 0.05
    assert raw.uncertainty == pytest.approx(free.uncertainty + bias / 1.96, rel=1e-3)


def test_thickness_formula_and_its_uncertainty() -> None:
    top, bottom = (
        RampSignal(
            start_mm=-20.0,
            end_mm=length - 20.0,
            plateau=9.0,
            floor=1.0,
            edge_uncertainty_mm=0.3,
            level_uncertainty_mm=0.4,
        )
        for length in (60.0, 40.0)
    )
    m = slice_thickness(top, bottom)
    by_top, by_bottom = 0.2 * 0.4**2, 0.2 * 0.6**2
    edges = math.sqrt(2) * 0.3 * math.hypot(by_top, by_bottom)
    assert m.value == pytest.approx(0.2 * 60 * 40 / 100)
    assert m.uncertainty == pytest.approx(math.hypot(edges, 0.4 * (by_top + by_bottom)))
    assert slice_thickness(top, bottom, slope=0.2).value == pytest.approx(2 * m.value)
