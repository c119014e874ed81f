"""The protocol us-in-air on the twin of a probe in air, with planted dead and weak elements."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from imgtech import qc
from imgtech.geometry import ImageGrid
from imgtech.io import series_from_grid, write_us_image
from imgtech.phantoms import speckle_field
from imgtech.phantoms.twins import UsAirTwin
from imgtech.qc.metrics.ultrasound import element_levels
from imgtech.qc.protocols import us_in_air
from imgtech.qc.protocols._us_air_reach import reach_of_lines
from imgtech.qc.protocols.us_in_air import HORSSEN
from reference.us_air import COLUMNS, N, beamformed, drawn_air, drawn_air_channels, recorded

GRID = ImageGrid(shape=(640, 384), spacing_mm=(0.05, 0.1), center_mm=(16.5, 0.0))


def report_of(twin: UsAirTwin, seed: int = 1, grid: ImageGrid = GRID, **settings):
    image = twin.image(grid, rng=np.random.default_rng(seed))
    return us_in_air(series_from_grid(image, grid, modality="US"), **settings)


def test_dead_and_weak_elements_are_named() -> None:
    twin = UsAirTwin(gains_db={17: -60.0, 40: -5.0, 126: -60.0})
    report = report_of(twin, n_elements=128)
    assert report["dead elements"].details["which"] == "17, 126"
    assert report["weak elements"].details["which"] == "17, 40, 126"
    assert report["weak elements"].value == 3
    sound = report_of(UsAirTwin(), n_elements=128)
    assert sound["weak elements"].value == 0
    assert sound["weak elements"].interval(0.95)[1] < 0.5


def test_columns_are_counted_where_the_elements_are_not_told() -> None:
    report = report_of(UsAirTwin(gains_db={17: -60.0}))
    assert report["dead columns"].details["which"] == "51, 52, 53"


@pytest.mark.parametrize(("fall", "level"), [(2.5, 50.0), (3.4, 62.0)])
def test_the_depth_of_reverberations_and_the_segments_hold_the_truth(fall: float, level: float) -> None:
    hits, reach = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        places, levels = rng.choice(128, 6, replace=False), rng.uniform(-8, 0, 6)
        gains = {int(k): float(g) for k, g in zip(places, levels, strict=True)}
        twin = UsAirTwin(level_db=level, fall_db_per_mm=fall, gains_db=gains)
        report = report_of(twin, seed=seed + 50, n_elements=128)
        low, high = report["depth of reverberations"].interval(0.95)
        reach.append(low <= twin.reach_mm(GRID) <= high)
        power = twin.gain(GRID.coordinates_mm[1]) ** 2
        for k, part in enumerate(np.array_split(power, 5)):
            low, high = report[f"level of segment {k + 1}"].interval(0.95)
            edges = np.rint(np.linspace(0, 384, 6)).astype(int)
            part = power[edges[k] : edges[k + 1]]
            hits.append(low <= 10 * math.log10(part.mean() / power.mean()) <= high)
    assert sum(reach) >= 9
    assert np.mean(hits) > 0.85


def test_unevenness_is_that_of_the_columns() -> None:
    gains = {k: 2.0 * math.sin(k) for k in range(128)}
    twin = UsAirTwin(gains_db=gains)
    m = report_of(twin, n_elements=128)["non-uniformity"]
    truth = float(np.std(20 * np.log10(twin.gain(GRID.coordinates_mm[1])), ddof=1))
    assert abs(m.value - truth) < 2 * m.uncertainty
    assert truth > 1
    low, _ = report_of(UsAirTwin())["non-uniformity"].interval(0.95)
    assert low <= 0


def test_a_file_and_the_command_of_a_folder_agree(tmp_path) -> None:
    twin = UsAirTwin(gains_db={60: -60.0})
    file = write_us_image(
        twin.image(GRID, rng=np.random.default_rng(3)), GRID, tmp_path / "air.dcm", dynamic_range_db=80.0
    )
    report = qc.run(file, protocol="us-in-air", settings={"n_elements": 128, "db_per_level": 80 / 255})
    assert report["dead elements"].details["which"] == "60"
    with pytest.raises(ValueError, match="db_per_level must be given"):
        qc.run(file, protocol="us-in-air")


def test_what_shows_no_reverberations_is_refused() -> None:
    field = np.abs(speckle_field(GRID, fwhm_mm=(0.3, 0.6), rng=np.random.default_rng(1)))
    tissue = field * np.exp(-GRID.coordinates_mm[0] / 4)[:, None] + 1e-3
    with pytest.raises(ValueError, match="no reverberations were found"):
        us_in_air(series_from_grid(tissue, GRID, modality="US"))
    with pytest.raises(ValueError, match="0 lines stand out"):
        report_of(UsAirTwin(level_db=-30.0))


def test_too_little_depth_costs_only_the_depth_of_reverberations() -> None:
    shallow = ImageGrid(shape=(300, 384), spacing_mm=(0.05, 0.1), center_mm=(8.0, 0.0))
    report = report_of(UsAirTwin(gains_db={30: -60.0}), grid=shallow, n_elements=128)
    assert "above the lowest quarter" in report["depth of reverberations"].error
    assert report["dead elements"].details["which"] == "30"


def test_bad_arguments_are_named() -> None:
    twin = UsAirTwin()
    with pytest.raises(
        ValueError, match="n_elements must not exceed the 384 columns of the picture, got 500"
    ):
        report_of(twin, n_elements=500)
    with pytest.raises(ValueError, match="dead_db must lie below weak_db"):
        report_of(twin, dead_db=-2.0)
    with pytest.raises(ValueError, match="bright_db must be positive, got 0"):
        report_of(twin, bright_db=0.0)
    with pytest.raises(ValueError, match="edition must be one of"):
        report_of(twin, edition="1")
    series = series_from_grid(twin.image(GRID, rng=np.random.default_rng(1)), GRID, modality="US")
    with pytest.raises(ValueError, match="must be ultrasound"):
        us_in_air(dataclasses.replace(series, modality="MR"))
    with pytest.raises(ValueError, match="gains_db must name elements 0 to 127, got 128"):
        UsAirTwin(gains_db={128: -3.0})
    for element in (1.5, "a"):
        with pytest.raises(ValueError, match="gains_db must be a whole number"):
            UsAirTwin(gains_db={element: -3.0})
    with pytest.raises(ValueError, match="pitch_mm must be positive"):
        UsAirTwin(pitch_mm=0.0)


@pytest.mark.parametrize(
    ("group", "gain_db", "dead", "weak"),
    [
        (
            range(48, 64),
            -60.0,
            range(48, 64),
            range(48, 64),
        ),  # a cable of sixteen, longer than half the window
        (range(16), -60.0, range(16), range(16)),
        (range(80, 120), -60.0, range(80, 120), range(80, 120)),
        (range(96, 128), -7.0, (), range(96, 128)),  # the lens loose on one side
    ],
)
def test_a_dead_cable_and_a_loose_lens_are_named_through_channel_data(group, gain_db, dead, weak) -> None:
    gains = np.random.default_rng(3).normal(0, 0.3, N)
    gains[list(group)] += gain_db
    rf = recorded(np.random.default_rng(4), gains, 55.0, 2.7, 1.3)
    report = us_in_air(series_from_grid(beamformed(rf), COLUMNS, modality="US"), n_elements=N)
    assert report["dead elements"].details["which"] == ", ".join(map(str, dead))
    assert report["weak elements"].details["which"] == ", ".join(map(str, weak))
    darkest = min(range(1, 6), key=lambda k: report[f"level of segment {k}"].value)
    assert darkest == np.mean(list(group)) // (N / 5) + 1
    # the elements as such, before beamforming, tell the same
    assert element_levels(rf).below(-3.0) == tuple(weak)


@pytest.mark.parametrize("band", [range(48, 56), range(48, 72)])
def test_a_band_that_reverberates_more_is_named(band) -> None:
    """Loose from the elements, the lens sends the pulse back and back by itself."""
    gains = np.random.default_rng(3).normal(0, 0.3, N)
    gains[list(band)] += 7.0
    rf = recorded(np.random.default_rng(4), gains, 50.0, 2.7, 1.3)
    report = us_in_air(series_from_grid(beamformed(rf), COLUMNS, modality="US"), n_elements=N)
    assert report["bright elements"].details["which"] == ", ".join(map(str, band))
    assert report["dead elements"].value == 0
    # of more than a tenth of the probe it cannot be told which part is right
    assert report["weak elements"].value == (0 if len(band) < 13 else N - len(band))
    assert max(range(1, 6), key=lambda k: report[f"level of segment {k}"].value) in (2, 3)


def test_what_is_left_of_a_dead_probe_is_not_bright() -> None:
    gains = np.where(np.arange(N) < 90, -14.0, 0.0)
    rf = recorded(np.random.default_rng(4), gains, 62.0, 2.7, 1.3)
    report = us_in_air(series_from_grid(beamformed(rf), COLUMNS, modality="US"), n_elements=N)
    assert report["bright elements"].value == 0
    assert report["dead elements"].value == 90


def test_the_noise_of_dead_elements_is_not_taken_for_their_level() -> None:
    """Of the last segment 1.6 elements of 25.6 are left: noise lifted it by 0.1 dB."""
    twin = UsAirTwin(level_db=50.0, gains_db=dict.fromkeys(range(104, 128), -90.0), beam_mm=0.12)
    power = twin.gain(GRID.coordinates_mm[1]) ** 2
    truth = 10 * math.log10(power[np.rint(0.8 * power.size).astype(int) :].mean() / power.mean())
    found = [report_of(twin, seed=seed + 70, n_elements=128)["level of segment 5"] for seed in range(4)]
    off, spread = np.mean([m.value for m in found]) - truth, np.mean([m.uncertainty for m in found])
    assert abs(off) < 1.5 * spread
    assert spread < 0.1


def test_faint_lines_below_the_last_one_seen_do_not_count_as_noise() -> None:
    """Lines of 62 dB that fall by 2.5 dB/mm reach 24.8 mm, into the quarter that tells the noise."""
    twin = UsAirTwin(level_db=62.0, fall_db_per_mm=2.5)
    off, spread = [], []
    for seed in range(6):
        m = report_of(twin, seed=seed + 90)["depth of reverberations"]
        off.append(m.value - twin.reach_mm(GRID))
        spread.append(m.uncertainty)
    assert abs(np.mean(off)) < 0.04
    assert np.mean(spread) < 0.05


def test_a_fall_over_more_than_3_db_counts_and_one_of_less_does_not() -> None:
    slope = np.clip((np.arange(N) - 70) / 57, 0, 1)
    for end_db, weak in ((-2.8, False), (-12.0, True)):
        rf = recorded(np.random.default_rng(5), end_db * slope, 55.0, 2.7, 1.3)
        report = us_in_air(series_from_grid(beamformed(rf), COLUMNS, modality="US"), n_elements=N)
        named = [int(k) for k in report["weak elements"].details["which"].split(", ") if k]
        assert bool(named) is weak
        if weak:
            assert named == list(range(named[0], N))
            assert 90 <= named[0] <= 104  # the levels fall by 3 dB at 84, by 6 dB at 98


def test_more_than_half_of_a_probe_dead_is_not_an_even_probe() -> None:
    """The elements that are left tell the level, though they are few."""
    rf = np.random.default_rng(6).standard_normal((96, 600))
    rf[20:80] *= 0.01
    assert element_levels(rf).below(-9.0) == tuple(range(20, 80))


@pytest.mark.parametrize("draw", [drawn_air, drawn_air_channels])
@pytest.mark.parametrize("level_db", [62.0, 50.0])
def test_a_drawn_probe_holds_the_truth(draw, level_db: float) -> None:
    scan, truth = draw(np.random.default_rng(31), level_db)
    report = scan.measured()
    off = {}
    for name, value in truth.items():
        low, high = report[name].interval(0.95)
        off[name] = (report[name].value - value) / max((high - low) / 2, 1e-9)
    assert len(off) >= 8
    assert np.mean([abs(a) <= 1 for a in off.values()]) > 0.8, off
    assert max(abs(a) for a in off.values()) < 2, off


def test_the_depth_of_sharp_lines_knows_where_between_the_rows_they_lie(rng) -> None:
    """Lines of a Gaussian power fall by 1.2 dB/mm from 50 dB at 2.3 mm down to the noise at 43.97 mm."""
    spacing, fall, above = (0.31, 0.2), 1.2, 50.0
    grid = ImageGrid(shape=(300, 400), spacing_mm=spacing, center_mm=(51.0, 0.0))
    y = grid.coordinates_mm[0]
    depths = 2.3 + 3.37 * np.arange(1, 17)
    power = sum(
        10 ** ((above - fall * (z - 2.3)) / 10) * np.exp(-((y - z) ** 2) / (2 * 0.45**2)) for z in depths
    )
    floor = rng.exponential(size=grid.shape)
    image = np.sqrt(power[:, None] + floor)
    rows = np.array([int(np.argmin(np.abs(y - z))) for z in depths[:11]])
    found = reach_of_lines(image, rows, grid, bare=0.25, definition=HORSSEN)
    truth = 2.3 + above / fall
    assert found.value == pytest.approx(truth, abs=4 * found.uncertainty)
    assert found.uncertainty < 0.04
    assert found.details["fall (dB/mm)"] == pytest.approx(fall, rel=2e-3)
