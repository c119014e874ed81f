"""The protocols pet-nema-iq and gamma-jaszczak on digital twins at drawn poses, and on real series."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from imgtech import qc
from imgtech.geometry import ImageGrid
from imgtech.io import series_from_grid, write_series
from imgtech.phantoms.twins import Placement, blurred_ball, jaszczak, nema_body
from imgtech.qc.protocols import gamma_jaszczak, pet_nema_iq
from reference.nm_twins import drawn_jaszczak, drawn_pet

GRID = ImageGrid(shape=(30, 34), spacing_mm=(4.0, 4.2))


def _away(report, truth) -> dict[str, float]:
    out = {}
    for name, value in truth(report).items():
        m = report[name]
        assert m.error is None, (name, m.error)
        low, high = m.interval(0.95)
        off = m.value - value
        off = (off + 180) % 360 - 180 if name == "roll" else off
        out[name] = off / ((high - low) / 2)
    return out


def test_a_blurred_ball_is_the_mean_over_a_gaussian() -> None:
    """Against random points of the Gaussian."""
    rng = np.random.default_rng(1)
    points = 1.7 * rng.standard_normal((200_000, 3))
    for r in (0.0, 3.0, 5.5, 8.0):
        share = (np.linalg.norm(points + np.array([r, 0.0, 0.0]), axis=1) < 5.0).mean()
        assert float(blurred_ball(r, 5.0, 1.7)) == pytest.approx(share, abs=0.004)


def test_a_blurred_ball_is_even_in_the_distance() -> None:
    np.testing.assert_array_equal(blurred_ball([-9.0, -3.0], 5.0, 1.7), blurred_ball([9.0, 3.0], 5.0, 1.7))


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: blurred_ball([0.0, math.nan], 5.0, 1.0), "r_mm must be finite, got nan at index"),
        (lambda: nema_body(GRID, [0.0], ratio=-1.0), "ratio must not be negative, got -1.0"),
        (lambda: nema_body(GRID, [0.0], sigma_mm=0.0), "sigma_mm must be positive, got 0.0"),
        (lambda: nema_body(GRID, [math.nan]), "positions_mm must be finite, got nan"),
        (lambda: jaszczak(GRID, [[0.0]]), "positions_mm must have 1 axes"),
        (lambda: jaszczak(GRID, [0.0], background="low"), "background must be a number, got 'low'"),
        (
            lambda: jaszczak(ImageGrid(shape=(3, 4, 5), spacing_mm=(1.0, 2.0, 3.0)), [0.0]),
            r"grid must have two axes \(y, x\), got shape \(3, 4, 5\)",
        ),
    ],
)
def test_a_twin_names_the_argument_that_is_wrong(make, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        make()


@pytest.mark.parametrize(
    ("draw", "noise", "measure"), [(drawn_pet, 0.2, pet_nema_iq), (drawn_jaszczak, 0.05, gamma_jaszczak)]
)
def test_spheres_are_found_and_measured_right_at_drawn_poses(draw, noise, measure) -> None:
    rng = np.random.default_rng(4)
    inside = []
    for _ in range(3):
        series, truth = draw(rng, noise)
        away = _away(measure(series), truth)
        inside += [abs(a) <= 1 for a in away.values()]
        assert max(abs(a) for a in away.values()) < 3.0, away
    assert np.mean(inside) > 0.85


def test_contrast_recovery_needs_the_activity_ratio() -> None:
    series, _ = drawn_pet(np.random.default_rng(2), 0.1)
    assert not [m.name for m in pet_nema_iq(series).measurements if m.name.startswith("contrast recovery")]
    report = pet_nema_iq(series, activity_ratio=4.0)
    ratio = report["sphere to background 28 mm"].value
    assert report["contrast recovery 28 mm"].value == pytest.approx(100 * (ratio - 1) / 3, rel=1e-9)
    with pytest.raises(ValueError, match="activity_ratio must differ from 1"):
        pet_nema_iq(series, activity_ratio=1.0)


def test_a_bottle_beside_the_body_is_no_background() -> None:
    series, _ = drawn_pet(np.random.default_rng(8), 0.05)
    wide = np.pad(series.pixels, ((0, 0), (0, 0), (0, 30)))
    y, x = (d * (np.arange(n) - (n - 1) / 2) for n, d in zip(wide.shape[1:], series.spacing_mm, strict=True))
    level = float(np.percentile(series.pixels, 90))
    bottle = np.hypot(y[:, None], x - x[-15]) < 12 * series.spacing_mm[1]
    beside = pet_nema_iq(dataclasses.replace(series, pixels=np.where(bottle, 1.5 * level, wide)))
    alone = pet_nema_iq(dataclasses.replace(series, pixels=wide))
    for m in alone.measurements:
        other = beside[m.name]
        assert other.value == pytest.approx(m.value, abs=2 * np.hypot(m.uncertainty, other.uncertainty)), (
            m.name
        )


def test_other_series_are_refused(tmp_path) -> None:
    series, _ = drawn_pet(np.random.default_rng(2), 0.1)
    with pytest.raises(ValueError, match="must be PET"):
        pet_nema_iq(dataclasses.replace(series, modality="CT"))
    with pytest.raises(ValueError, match="at least 10 slices"):
        pet_nema_iq(
            dataclasses.replace(series, pixels=series.pixels[:5], positions_mm=series.positions_mm[:5])
        )
    with pytest.raises(ValueError, match="no slice is lit"):
        pet_nema_iq(dataclasses.replace(series, pixels=0 * series.pixels))
    near = series.positions_mm < series.positions_mm[0] + 45
    short = dataclasses.replace(series, pixels=series.pixels[near], positions_mm=series.positions_mm[near])
    with pytest.raises(ValueError, match=r"ring|20 mm beyond|slice"):
        pet_nema_iq(short)
    write_series(series, tmp_path)
    back = qc.run(tmp_path, protocol="pet-nema-iq")
    direct = pet_nema_iq(series)
    name = "sphere to background 22 mm"
    assert back[name].value == pytest.approx(direct[name].value, rel=1e-3)


def test_the_real_pet_series(data) -> None:
    report = qc.run(data("pet_nema_iq/recon_1"), protocol="pet-nema-iq")
    assert [m.name for m in report.measurements if m.error] == []
    assert report["background"].value == pytest.approx(1686.8, rel=0.02)
    assert report["coefficient of variation"].value == pytest.approx(0.350, abs=0.02)
    ratios = [report[f"sphere to background {d} mm"].value for d in (37, 28, 22, 17, 13, 10)]
    assert np.all(np.diff(ratios) < 0)


def test_the_real_jaszczak_tomogram(data) -> None:
    report = qc.run(data("nm/Jaszack.dcm"), protocol="gamma-jaszczak")
    assert [m.name for m in report.measurements if m.error] == []
    contrasts = [report[f"contrast {d} mm"].value for d in (31.8, 25.4, 19.1, 15.9, 12.7, 9.5)]
    assert np.all(np.diff(contrasts) < 0)
    assert contrasts[0] > 50
    assert math.isclose(report["roll"].value, -10, abs_tol=4)


@pytest.mark.parametrize(
    ("draw", "noise", "measure"), [(drawn_pet, 0.1, pet_nema_iq), (drawn_jaszczak, 0.05, gamma_jaszczak)]
)
def test_an_empty_slice_between_lit_ones_is_refused(draw, noise, measure) -> None:
    """It would lower the contrast of every sphere that its neighbours share in."""
    series, _ = draw(np.random.default_rng(5), noise)
    pixels = series.pixels.copy()
    pixels[19] = 0.0
    with pytest.raises(ValueError, match="no empty slice between lit ones, got image 20"):
        measure(dataclasses.replace(series, pixels=pixels))
    pixels = series.pixels.copy()
    pixels[:2] = pixels[-2:] = 0.0
    whole = measure(dataclasses.replace(series, pixels=pixels))
    assert [m.name for m in whole.measurements if m.error] == []


PET_GRID, PET_Z_MM = ImageGrid(shape=(150, 158), spacing_mm=(2.4, 2.5)), np.arange(-58.0, 62.0, 3.1)
SPECT_GRID, SPECT_Z_MM = ImageGrid(shape=(84, 90), spacing_mm=(3.9, 4.1)), np.arange(-70.0, 74.0, 4.0)


def _noisy(volume: np.ndarray, noise: float, seed: int) -> np.ndarray:
    return volume + noise * np.random.default_rng(seed).standard_normal(volume.shape) * (volume > 100)


def test_lost_contrast_recovery_and_scatter_in_the_lung_are_named() -> None:
    """Spheres that show half of their excess, and counts left in the insert: two items, two sizes."""
    place = Placement(center_mm=(7.0, -11.0), roll_rad=0.8, mirrored=True)

    def report_of(ratio: float, scatter: float):
        volume = nema_body(PET_GRID, PET_Z_MM, ratio=ratio, sigma_mm=2.6, placement=place)
        y, x = PET_GRID.coordinates_mm
        away = (y[:, None] - 7.0) ** 2 + (x + 11.0) ** 2
        volume = volume + scatter * np.exp(-away / (2 * 40.0**2))
        series = series_from_grid(_noisy(volume, 40.0, 3), PET_GRID, modality="PT", slices_mm=PET_Z_MM)
        return pet_nema_iq(series, activity_ratio=4.0)

    sound, weak, scattered = report_of(4.0, 0.0), report_of(2.5, 0.0), report_of(4.0, 200.0)
    for d in (37, 22, 13):
        name = f"contrast recovery {d} mm"
        off = weak[name].value - sound[name].value / 2
        assert abs(off) < 2.5 * math.hypot(weak[name].uncertainty, sound[name].uncertainty / 2), name
    assert abs(weak["lung residual"].value - sound["lung residual"].value) < 2.0
    # 200 on 1000, mean over a disk of 30 mm of a bell of 40 mm: 19.3 %, less what the background gains
    assert scattered["lung residual"].value - sound["lung residual"].value == pytest.approx(19.0, abs=3.0)


def test_a_ring_of_a_wrong_axis_shows_in_the_uniformity_of_the_cylinder() -> None:
    """A bull's eye of 20 % in every slice: the middle disk against those around it."""
    place = Placement(center_mm=(5.0, 9.0), roll_rad=-2.2)
    volume = jaszczak(SPECT_GRID, SPECT_Z_MM, sigma_mm=4.6, placement=place)
    y, x = SPECT_GRID.coordinates_mm
    bell = np.exp(-((y[:, None] - 5.0) ** 2 + (x - 9.0) ** 2) / (2 * 25.0**2))
    reports = [
        gamma_jaszczak(
            series_from_grid(
                _noisy(volume * (1 + height * bell), 30.0, 4),
                SPECT_GRID,
                modality="NM",
                slices_mm=SPECT_Z_MM,
            )
        )
        for height in (0.0, 0.2)
    ]
    assert reports[0]["uniformity"].value < 2.0
    # means over disks of 31.8 mm: 18.1 % in the middle, 3.5 % at 50 mm: 0.146 / 2.216
    assert reports[1]["uniformity"].value == pytest.approx(6.6, abs=1.2)
    assert reports[1]["contrast 31.8 mm"].error is None


@pytest.mark.parametrize("degrees", [0.0, 17.0, 90.0, 201.0, 330.0])
def test_a_good_phantom_is_no_other_for_its_rotation(degrees: float) -> None:
    for mirrored in (False, True):
        place = Placement(roll_rad=math.radians(degrees), mirrored=mirrored)
        volume = jaszczak(SPECT_GRID, SPECT_Z_MM, sigma_mm=4.6, placement=place)
        series = series_from_grid(_noisy(volume, 20.0, 5), SPECT_GRID, modality="NM", slices_mm=SPECT_Z_MM)
        report = gamma_jaszczak(series)
        assert [m.name for m in report.measurements if m.error] == []
        assert report["contrast 31.8 mm"].value == pytest.approx(73.0, abs=3.0)
        assert report["uniformity"].value < 2.0
