"""The protocols pet-nema-iq and gamma-jaszczak on digital twins at drawn poses, and on real series."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from imgtech import qc
from imgtech.geometry import ImageGrid
from imgtech.io import write_series
from imgtech.phantoms.twins import blurred_ball, jaszczak, nema_body
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
