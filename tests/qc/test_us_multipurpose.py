"""The protocol us-multipurpose on the digital twin at drawn poses, with planted faults, and through DICOM."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from imgtech import qc
from imgtech.geometry import ImageGrid
from imgtech.io import read_series, series_from_grid, write_us_image
from imgtech.phantoms.twins import Placement, UsDrawing, UsTarget, UsTwin, us_drawing
from imgtech.qc.protocols import us_multipurpose
from reference import us_channels
from reference.us_channels import drawn_us_channels
from reference.us_twins import GRID, drawn_us, drawn_us_grey, grey, us_truth

PLACE = Placement(center_mm=(1.3, -5.4), roll_rad=0.05)


def away(report, truth) -> dict[str, float]:
    """Distance from the truth in half widths of the 95 % interval; items left out are passed over."""
    out = {}
    for m in report.measurements:
        if m.name in truth:
            assert m.error is None, (m.name, m.error)
            low, high = m.interval(0.95)
            out[m.name] = (m.value - truth[m.name]) / max((high - low) / 2, 1e-9)
    return out


def series_of(twin: UsTwin, seed: int = 3, place: Placement = PLACE, grid: ImageGrid = GRID):
    image = twin.images(grid, placement=place, rng=np.random.default_rng(seed))[0]
    return series_from_grid(image, grid, modality="US")


@pytest.mark.parametrize("seed", [21, 22])
def test_a_phantom_is_found_and_measured_right_at_an_odd_pose(seed: int) -> None:
    scan, truth = drawn_us(np.random.default_rng(seed), 66.0)
    off = away(scan.measured(), truth)
    assert len(off) >= 25
    assert np.mean([abs(a) <= 1 for a in off.values()]) > 0.85, off
    assert max(abs(a) for a in off.values()) < 2.2, off


@pytest.mark.parametrize("told", [True, False])
def test_grey_levels_give_the_same_as_the_envelope(told: bool) -> None:
    scan, truth = drawn_us_grey(np.random.default_rng(4), 66.0, told)
    report = scan.measured()
    off = away(report, truth)
    assert np.mean([abs(a) <= 1 for a in off.values()]) > 0.85, off
    assert max(abs(a) for a in off.values()) < 2.2, off
    if not told:
        assert "db_per_level must be given" in report["speckle SNR"].error
        assert any("grey scale from the speckle" in note for note in report.notes)


@pytest.mark.slow
def test_channel_data_through_the_beamformer_give_the_widths_of_the_wires_alone() -> None:
    scan, truth = drawn_us_channels(np.random.default_rng(5))
    off = away(scan.measured(), truth)
    assert len(off) >= 16
    assert np.mean([abs(a) <= 1 for a in off.values()]) > 0.75, off
    assert max(abs(a) for a in off.values()) < 3, off


def test_a_wrong_speed_of_sound_in_the_beamformer_shows_in_the_distances() -> None:
    """Wires alone: delays of 1460 m/s where the sound has 1500 m/s shorten depths by the ratio."""
    twin, grid = UsTwin(axial_fwhm_mm=0.44, lateral_fwhm_mm=1.3, wire_db=24.0), us_channels.GRID
    place = Placement(center_mm=(1.3, -5.2), roll_rad=0.03)
    points = twin.scatterers(
        us_channels.REGION_MM, placement=place, density_per_mm2=0.4, rng=np.random.default_rng(3)
    )
    rf = us_channels.recorded(points)
    report = {}
    for assumed in (1500.0, 1460.0):
        series = series_from_grid(us_channels.beamformed(rf, assumed_m_s=assumed), grid, modality="US")
        report[assumed] = us_multipurpose(series, scanner_speed_m_s=1500.0, phantom_speed_m_s=1500.0)
    right, wrong = (report[s]["vertical distance error"] for s in (1500.0, 1460.0))
    assert abs(right.value) < 0.3
    assert wrong.value == pytest.approx(100 * (1460 / 1500 - 1), abs=0.3)
    assert wrong.uncertainty < 0.3
    assert abs(report[1460.0]["horizontal distance error at 20 mm"].value) < 1.0
    # told what the beamformer reckons with, the protocol takes it into account
    told = us_multipurpose(series, scanner_speed_m_s=1460.0, phantom_speed_m_s=1500.0)
    assert abs(told["vertical distance error"].value) < 0.3


def test_a_file_with_a_border_gives_the_report_of_the_array(tmp_path) -> None:
    twin = UsTwin()
    images = twin.images(GRID, placement=PLACE, rng=np.random.default_rng(8), n_images=2)
    files = [
        write_us_image(image, GRID, tmp_path / name, dynamic_range_db=70.0, border_px=(31, 44))
        for image, name in zip(images, ("one.dcm", "two.dcm"), strict=True)
    ]
    report = qc.run(
        files[0], protocol="us-multipurpose", repeat=files[1], settings={"db_per_level": 70 / 255}
    )
    off = away(report, us_truth(twin, PLACE, 1540.0))
    assert len(off) == 38
    assert np.mean([abs(a) <= 1 for a in off.values()]) > 0.85, off
    first = read_series(files[0])
    assert first.spacing_mm == pytest.approx(GRID.spacing_mm)
    assert first.origin_mm[1] == pytest.approx(GRID.coordinates_mm[0][0], abs=1e-6)
    with pytest.raises(ValueError, match="settings must not hold 'gain': us-multipurpose takes db_per_level"):
        qc.run(files[0], protocol="us-multipurpose", settings={"gain": 1.0})


def test_a_noise_image_gives_the_depth_of_penetration() -> None:
    twin, rng = UsTwin(noise_depth_mm=58.0), np.random.default_rng(6)
    series = series_of(twin)
    noise = series_from_grid(twin.noise_image(GRID, rng=rng), GRID, modality="US")
    m = us_multipurpose(series, noise=noise)["depth of penetration"]
    assert abs(m.value - us_truth(twin, PLACE, 1540.0)["depth of penetration"]) < 2 * m.uncertainty
    assert m.algorithm == "penetration-noise-image-1"


def test_a_dead_element_shows_as_a_shadow_with_its_place() -> None:
    report = us_multipurpose(series_of(UsTwin(shadows={13.2: -9.0})))
    m = report["shadows"]
    assert m.value >= 1
    places = [float(text.split()[2]) for text in m.details["where"].split(",")]
    assert all(abs(place - 13.2) < 1.2 for place in places), m.details
    assert us_multipurpose(series_of(UsTwin()))["shadows"].details["where"] == "none"


def test_a_wide_shadow_is_named_as_a_whole() -> None:
    """Contact lost over 15 mm, more than the neighbours of a strip in the middle of it reach."""
    shadows = {float(x): -9.0 for x in np.arange(6.0, 20.5, 1.5)}
    report = us_multipurpose(series_of(UsTwin(shadows=shadows, noise_depth_mm=95.0)))
    places = [float(text.split()[2]) for text in report["shadows"].details["where"].split(",")]
    assert len(places) >= 13
    # dark from 5.25 to 20.25 mm, strips of 0.92 mm by their middles
    assert min(places) == pytest.approx(5.7, abs=0.92)
    assert max(places) == pytest.approx(19.8, abs=0.92)


def test_scatterers_without_a_wire_among_them() -> None:
    points = UsTwin().scatterers(
        ((41.0, 49.0), (3.0, 20.0)), placement=Placement(), density_per_mm2=2.0, rng=np.random.default_rng(1)
    )
    assert 200 < points.n_scatterers < 350


def test_a_wrong_scale_is_found_and_fails_a_site_limit(tmp_path) -> None:
    site = tmp_path / "site.toml"
    site.write_text(
        'who = "A. P."\nwhen = 2026-11-24\n[limits."horizontal distance error at 20 mm"]\n'
        "lower = -2.0\nupper = 2.0\n"
    )
    file = tmp_path / "us.dcm"
    image = UsTwin(scale=(1.0, 1.03)).images(GRID, placement=PLACE, rng=np.random.default_rng(2))[0]
    write_us_image(image, GRID, file)
    report = qc.run(file, protocol="us-multipurpose", baselines=site)
    assert report["horizontal distance error at 20 mm"].value == pytest.approx(3.0, abs=0.4)
    assert report["horizontal distance error at 20 mm"].verdict is qc.Verdict.FAIL
    assert report["vertical distance error"].value == pytest.approx(0.0, abs=0.15)
    assert report["vertical distance error"].verdict is qc.Verdict.UNRATED  # read in no document


def test_a_slower_phantom_is_not_a_wrong_scale() -> None:
    series = series_of(UsTwin(scale=(1540 / 1480, 1.0)))
    known = us_multipurpose(series, phantom_speed_m_s=1480.0)["vertical distance error"]
    assert known.value == pytest.approx(0.0, abs=0.15)
    taken = us_multipurpose(series)["vertical distance error"]
    assert taken.value == pytest.approx(100 * (1540 / 1480 - 1), abs=0.15)


def test_targets_outside_the_picture_are_left_out_and_said() -> None:
    grid = ImageGrid(shape=(851, 160), spacing_mm=(0.1, 0.23), center_mm=(43.0, 0.0))
    report = us_multipurpose(series_of(UsTwin(), grid=grid))
    names = {m.name for m in report.measurements}
    assert "contrast target 1 (-6 dB)" not in names
    assert "contrast cyst 1" in names
    assert any("targets outside the picture, left out: (35, -12)" in note for note in report.notes)
    assert all(m.error is None for m in report.measurements)


def test_a_hidden_wire_costs_only_its_own_items() -> None:
    drawing = us_drawing()
    less = dataclasses.replace(drawing, wires_mm=tuple(w for w in drawing.wires_mm if w != (40.0, 0.0)))
    report = us_multipurpose(series_of(UsTwin(drawing=less)))
    wrong = {m.name for m in report.measurements if m.error is not None}
    assert wrong == {"axial width at 40 mm", "lateral width at 40 mm"}
    assert "wire 40 mm deep and 0 mm across" in report["axial width at 40 mm"].error


def test_black_cysts_and_white_wires_are_refused_by_name() -> None:
    image = UsTwin(noise_depth_mm=90.0).images(GRID, placement=PLACE, rng=np.random.default_rng(2))[0]
    grey = np.clip(np.rint(110 + 255 * 20 * np.log10(image) / 40), 0, 255)
    report = us_multipurpose(series_from_grid(grey, GRID, modality="US"), db_per_level=40 / 255)
    assert "beyond the grey scale" in report["contrast cyst 1"].error
    assert "pixels are white" in report["lateral width at 30 mm"].error
    assert report["gCNR cyst 1"].value > 0.9


def test_what_is_no_ultrasound_phantom_is_refused() -> None:
    series = series_of(UsTwin())
    with pytest.raises(ValueError, match=r"must be ultrasound \(US\), got modality 'CT'"):
        us_multipurpose(dataclasses.replace(series, modality="CT"))
    with pytest.raises(ValueError, match="edition must be one of"):
        us_multipurpose(series, edition="2050")
    with pytest.raises(ValueError, match="phantom_speed_m_s must be positive, got 0"):
        us_multipurpose(series, phantom_speed_m_s=0.0)
    with pytest.raises(ValueError, match="db_per_level must not be given"):
        us_multipurpose(series, db_per_level=0.2)
    with pytest.raises(ValueError, match="one size and spacing"):
        us_multipurpose(series, repeat=dataclasses.replace(series, spacing_mm=(0.2, 0.23)))
    with pytest.raises(ValueError, match=r"must not be negative|not negative"):
        us_multipurpose(dataclasses.replace(series, pixels=series.pixels - 3.0))
    tissue = UsTwin(wire_db=-60.0)
    with pytest.raises(ValueError, match="no multi-purpose ultrasound phantom was found"):
        us_multipurpose(series_of(tissue))
    turned = dataclasses.replace(PLACE, roll_rad=math.radians(60))
    with pytest.raises(ValueError, match="no multi-purpose ultrasound phantom was found"):
        us_multipurpose(series_of(UsTwin(), place=turned))


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (((10.0, 5.0), (0.0, 1.0)), r"region_mm must ascend, got \(10"),
        (((0.0, 5.0), (1.0, 1.0)), r"region_mm must ascend, got \(1"),
        (((0.0, math.nan), (0.0, 1.0)), "region_mm must be finite"),
        ((0.0, 1.0), "region_mm must be a pair"),
    ],
)
def test_regions_of_scatterers_that_cannot_be(region, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UsTwin().scatterers(region, placement=Placement(), density_per_mm2=2.0, rng=np.random.default_rng(1))


def test_a_phantom_that_looks_the_same_mirrored_is_refused() -> None:
    even = UsDrawing(
        name="even",
        wires_mm=tuple((v, u) for v in (15.0, 45.0) for u in (-15.0, 0.0, 15.0)),
        targets=(UsTarget(center_mm=(30.0, 8.0), radius_mm=3.0, contrast_db=-math.inf),),
        uniform_mm=(30.0, -8.0, 10.0, 10.0),
    )
    series = series_of(UsTwin(drawing=even), place=Placement(center_mm=(2.0, 1.0)))
    with pytest.raises(ValueError, match="6 wires fit either way round"):
        us_multipurpose(series, drawing=even)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: UsTarget(center_mm=(1, 2), radius_mm=0.0, contrast_db=3.0), "radius_mm must be positive"),
        (
            lambda: UsTarget(center_mm=(1, 2), radius_mm=1.0, contrast_db=math.nan),
            "contrast_db must be finite",
        ),
        (lambda: dataclasses.replace(us_drawing(), wires_mm=((1, 2),)), "wires_mm must be five or more"),
        (lambda: dataclasses.replace(us_drawing(), targets=(3,)), "targets must be UsTarget, got 3"),
        (
            lambda: dataclasses.replace(us_drawing(), uniform_mm=(1, 2, 3)),
            r"uniform_mm must be \(v, u, height",
        ),
        (lambda: UsTwin(axial_fwhm_mm=-0.1), "axial_fwhm_mm must be positive, got -0.1"),
        (lambda: UsTwin(shadows={math.nan: 1.0}), "shadows must be finite"),
    ],
)
def test_a_twin_names_the_argument_that_is_wrong(make, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        make()


def test_the_power_of_the_twin_is_the_mean_of_its_images() -> None:
    """A closed form against many draws, on a grid with its middle elsewhere and a mirrored phantom."""
    grid = ImageGrid(shape=(240, 131), spacing_mm=(0.15, 0.3), center_mm=(40.0, 2.0))
    place = Placement(center_mm=(3.0, 4.0), roll_rad=-0.04, mirrored=True)
    twin = UsTwin(wire_db=-200.0, scale=(1.02, 0.98), shadows={8.0: -6.0})
    rng = np.random.default_rng(9)
    mean = np.mean([twin.images(grid, placement=place, rng=rng)[0] ** 2 for _ in range(60)], axis=0)
    ratio = mean / twin.power(grid, placement=place)
    assert ratio.mean() == pytest.approx(1, abs=0.01)
    assert ratio.std() == pytest.approx(1 / math.sqrt(60), rel=0.1)
    (cyst,) = twin.places_mm([(35.0, 12.0)], place)
    assert cyst == pytest.approx(
        [
            1.02 * (3.0 + 35.0 * math.cos(-0.04) - 12.0 * math.sin(-0.04)),
            0.98 * (4.0 - 12.0 * math.cos(-0.04) - 35.0 * math.sin(-0.04)),
        ]
    )
    y, x = grid.coordinates_mm
    inside = np.hypot(y[:, None] - cyst[0], x - cyst[1]) < 2.0
    assert mean[inside].mean() < 0.05


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_picture_upside_down_is_refused(mirrored: bool) -> None:
    series = series_of(UsTwin(), place=dataclasses.replace(PLACE, mirrored=mirrored))
    with pytest.raises(ValueError, match=r"depth downwards: 1[12] wires .* fit upside down, 10 upright"):
        us_multipurpose(dataclasses.replace(series, pixels=series.pixels[:, ::-1].copy()))


SCALED = ("lateral width at 30 mm", "contrast target 1 (-6 dB)", "CNR cyst 1", "speckle SNR")


@pytest.mark.parametrize("seed", [2, 13])
@pytest.mark.parametrize(("curve", "span_db"), [(0.7, 70.0), (1.4, 60.0), (1.0, 45.0), (1.0, 110.0)])
def test_decibels_of_another_grey_curve_or_dynamic_range_are_refused(seed, curve, span_db) -> None:
    """Levels bent by a power, or shown with 70 dB and told otherwise: no width and no contrast is wrong."""
    image = series_of(UsTwin(), seed=seed).pixels[0].astype(np.float64)
    levels = grey(image, 70.0, float(image.max()))
    bent = np.rint(255 * (levels / 255) ** curve)
    report = us_multipurpose(series_from_grid(bent, GRID, modality="US"), db_per_level=span_db / 255)
    for name in SCALED:
        assert "no straight line of decibels" in report[name].error, name
    assert report["vertical distance error"].value == pytest.approx(0.0, abs=0.15)
    assert report["gCNR cyst 1"].value > 0.6  # any curve leaves it as it is
    if curve != 1.0:
        found = us_multipurpose(series_from_grid(bent, GRID, modality="US"))
        assert "no straight line of decibels" in found["lateral width at 30 mm"].error


def test_averaged_frames_keep_the_decibels_of_their_scale() -> None:
    """Speckle of four looks scatters less, but as it must: widths stay right, speckle SNR says it."""
    images = [series_of(UsTwin(), seed=seed).pixels[0].astype(np.float64) for seed in range(40, 44)]
    mean = np.sqrt(np.mean(np.square(images), axis=0))
    levels = grey(mean, 70.0, float(mean.max()))
    report = us_multipurpose(series_from_grid(levels, GRID, modality="US"), db_per_level=70 / 255)
    assert all(report[name].error is None for name in SCALED)
    assert report["speckle SNR"].value > 3.2
    with pytest.raises(ValueError, match=r"can be measured, 5 must: .*3 pixels"):  # taken for one look
        us_multipurpose(series_from_grid(levels, GRID, modality="US"))


def test_faults_of_a_scanner_show_in_their_items() -> None:
    """Blurred to the sides, filled cysts and less penetration against the phantom as it should be."""
    rng = np.random.default_rng(17)
    blurred = us_multipurpose(series_of(UsTwin(lateral_fwhm_mm=1.4)))
    good = us_multipurpose(series_of(UsTwin()))
    for depth in (20, 30, 40):
        name = f"lateral width at {depth} mm"
        assert blurred[name].value == pytest.approx(1.4 / 0.9 * good[name].value, rel=0.1)
        axial = f"axial width at {depth} mm"
        assert blurred[axial].value == pytest.approx(good[axial].value, rel=0.1)
    image = series_of(UsTwin()).pixels[0].astype(np.float64)
    haze = 0.45 * UsTwin(wire_db=-200.0).images(GRID, placement=Placement(center_mm=(900.0, 0.0)), rng=rng)[0]
    filled = us_multipurpose(series_from_grid(np.hypot(image, haze), GRID, modality="US"))
    assert filled["contrast cyst 1"].value > good["contrast cyst 1"].value + 5
    assert filled["gCNR cyst 1"].value < good["gCNR cyst 1"].value - 0.1
    reach = []
    for depth in (66.0, 50.0):
        twin = UsTwin(noise_depth_mm=depth)
        pair = twin.images(GRID, placement=PLACE, rng=np.random.default_rng(5), n_images=2)
        one, two = (series_from_grid(p, GRID, modality="US") for p in pair)
        reach.append(us_multipurpose(one, repeat=two)["depth of penetration"].value)
    assert reach[0] - reach[1] == pytest.approx(16, abs=4)
