"""Widths of peaks, slice profiles and rows of holes, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtr

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredDisk, BlurredPoint
from imgtech.qc import Measurement, Source
from imgtech.qc.metrics import (
    bead_slice_profile,
    hole_dip,
    opposed_ramps,
    profile_width,
    ramp_slice_profile,
)

FWHM, FWTM = 2 * math.sqrt(2 * math.log(2)), 2 * math.sqrt(2 * math.log(10))


def bell(x: np.ndarray, sigma: float = 1.7, place: float = 0.83) -> np.ndarray:
    return np.exp(-(((x - place) / sigma) ** 2) / 2)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(("level", "factor", "name"), [(0.5, FWHM, "FWHM"), (0.1, FWTM, "FWTM")])
@pytest.mark.parametrize("method", ["nema", "fit"])
def test_width_of_a_bell_is_its_closed_form(method, level, factor, name, sign) -> None:
    x = np.arange(-35, 38) * 0.31
    background = 7 + 0.1 * x
    m = profile_width(x, background + 40 * bell(sign * x), level=level, method=method)
    assert m.name == name
    assert m.value == pytest.approx(factor * 1.7, rel=4e-3 if method == "nema" else 1e-6)
    assert m.value == pytest.approx(factor * 1.7, abs=3 * m.uncertainty + 2e-3)
    assert m.details["place (mm)"] == pytest.approx(0.83 * sign, abs=0.01)


def test_the_rule_of_nema_on_numbers_worked_by_hand() -> None:
    """Parabola through 8, 10, 9 peaks at 10 + 1/24; half of that is crossed on the lines 2-8 and 4-9."""
    x = np.array([0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0])
    y = np.array([0.0, 0.0, 2.0, 8.0, 10.0, 9.0, 4.0, 0.0])
    height = 10 - (8 - 9) ** 2 / (8 * (8 - 2 * 10 + 9))
    left = 4 + 2 * (height / 2 - 2) / 6
    right = 10 + 2 * (9 - height / 2) / 5
    m = profile_width(x, y, background=0.0, noise=0.1)
    assert m.value == pytest.approx(right - left, rel=1e-12)
    assert m.details["height"] == pytest.approx(height)


@pytest.mark.parametrize("method", ["nema", "fit"])
def test_uncertainty_of_a_width_is_the_scatter_seen(rng, method) -> None:
    x = np.arange(-30, 31) * 0.5
    found = []
    for _ in range(300):
        m = profile_width(x, 5 + 40 * bell(x) + rng.standard_normal(61), method=method)
        found.append((m.value, m.uncertainty))
    values, spreads = np.array(found).T
    # the rule of NEMA reads a little short in noise, which its uncertainty holds
    error = math.sqrt(np.mean((values - FWHM * 1.7) ** 2))
    assert error == pytest.approx(np.sqrt(np.mean(spreads**2)), rel=0.2)


def test_position_of_the_samples_counts_and_not_their_number() -> None:
    uneven = np.sort(np.concatenate([np.arange(-8, 8, 0.4), np.arange(-2, 3, 0.3) + 0.13]))
    assert profile_width(uneven, bell(uneven), method="fit").value == pytest.approx(FWHM * 1.7, rel=1e-6)


@pytest.mark.parametrize("total", [50.0, -50.0])
def test_slice_profile_of_a_bead_has_the_width_it_was_given(total) -> None:
    grid = ImageGrid(shape=(29, 40, 42), spacing_mm=(0.3, 0.4, 0.5), center_mm=(0.2, 0.0, 0.0))
    bead = BlurredPoint(position_mm=(0.5, 0.3, -0.4), sigma_mm=(0.9, 0.6, 0.6), total=total, background=9.0)
    profile = bead_slice_profile(bead.image(grid, dtype=np.float64), grid.spacing_mm)
    # averaged over slices of 0.3 mm
    truth = math.sqrt(0.9**2 + 0.3**2 / 12)
    assert profile.width().value == pytest.approx(FWHM * truth, rel=4e-3)
    assert profile.width(0.1, method="fit").value == pytest.approx(FWTM * truth, rel=2e-3)
    assert profile.width().details["place (mm)"] == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("kind", ["ramp", "wedge"])
def test_ramp_and_wedge_show_the_profile_stretched(kind) -> None:
    angle = math.radians(14.0)
    z = np.arange(-90, 97) * 0.25 * math.tan(angle)
    # a wire shows the profile itself, a wedge what is left of it below
    seen = 50 - 30 * bell(z, 0.8, 0.4) if kind == "ramp" else 50 - 30 * ndtr((z - 0.4) / 0.8)
    profile = ramp_slice_profile(np.arange(-90, 97) * 0.25 + 3.0, seen, ramp_angle_rad=angle, kind=kind)
    assert profile.width().value == pytest.approx(FWHM * 0.8, rel=3e-3)


def length(value: float, spread: float = 0.1) -> Measurement:
    return Measurement(name="FWHM", value=value, unit="mm", uncertainty=spread, algorithm="test-1",
                       definition=Source(document="test", edition="1"))  # fmt: skip


@pytest.mark.parametrize("tilt", [-8.0, 0.0, 3.0])
@pytest.mark.parametrize("ramp", [5.71, 11.3, 23.0, 45.0, 60.0])
def test_opposed_ramps_give_thickness_and_tilt_exactly(ramp: float, tilt: float) -> None:
    if abs(tilt) >= ramp:
        return
    a, d = math.radians(ramp), math.radians(tilt)
    first, second = length(4.2 / math.tan(a + d)), length(4.2 / math.tan(a - d))
    m = opposed_ramps(first, second, ramp_angle_rad=a)
    assert m.value == pytest.approx(4.2, rel=1e-9)
    assert m.details["tilt (deg)"] == pytest.approx(tilt, abs=1e-9)
    # uncertainty by small changes of the lengths
    by = [
        opposed_ramps(*pair, ramp_angle_rad=a).value - m.value
        for pair in ((length(first.value + 1e-4), second), (first, length(second.value + 1e-4)))
    ]
    assert m.uncertainty == pytest.approx(0.1 * math.hypot(*by) / 1e-4, rel=1e-3)


def holes(pitch: float, sigma: float) -> tuple[np.ndarray, ImageGrid, list[tuple[float, float]]]:
    """Four holes in a row turned by 0.2 rad, as wide as half of their distance."""
    grid = ImageGrid(shape=(64, 70), spacing_mm=(0.4, 0.35), center_mm=(1.0, -1.0))
    centers = [
        (1.3 + (i - 1.5) * pitch * math.sin(0.2), -1.2 + (i - 1.5) * pitch * math.cos(0.2)) for i in range(4)
    ]
    image = 100 * sum(
        BlurredDisk(center_mm=c, radius_mm=pitch / 4, sigma_mm=sigma).image(grid, dtype=np.float64)
        for c in centers
    )
    return image, grid, centers


def test_holes_are_resolved_where_the_blur_leaves_a_dip(rng) -> None:
    found = {}
    for pitch in (3.2, 1.6, 1.0):
        image, grid, centers = holes(pitch, 0.5)
        noisy = image + rng.standard_normal(grid.shape)
        found[pitch] = hole_dip(
            noisy, grid, centers_mm=centers, hole_diameter_mm=pitch / 2, background=0.0, noise=1.0
        )
    assert [found[p].details["resolved"] for p in (3.2, 1.6, 1.0)] == ["yes", "yes", "no"]
    assert found[3.2].value > found[1.6].value > found[1.0].value
    assert found[3.2].value > 0.85


def test_noise_alone_is_called_resolved_as_seldom_as_it_says(rng) -> None:
    """A bar without holes: all six differences positive by chance, far below one in twenty."""
    grid = ImageGrid(shape=(30, 60), spacing_mm=(0.5, 0.5))
    centers = [(0.1, -4.5 + 3.0 * i) for i in range(4)]
    calls = [
        hole_dip(50 + rng.standard_normal(grid.shape), grid, centers_mm=centers, hole_diameter_mm=1.5,
                 background=0.0, noise=1.0)
        for _ in range(300)
    ]  # fmt: skip
    assert np.mean([m.details["resolved"] == "yes" for m in calls]) < 0.02
    pulls = np.array([m.value / m.uncertainty for m in calls])
    assert pulls.std() == pytest.approx(1.0, abs=0.15)
    assert abs(pulls.mean()) < 0.2


def test_what_cannot_be_measured_is_refused_with_the_reason() -> None:
    x = np.arange(-20, 21) * 0.5
    with pytest.raises(ValueError, match=r"fall to 0\.5 of its height"):
        profile_width(x[:25], bell(x)[:25], background=0.0)
    with pytest.raises(ValueError, match="peak between its ends"):
        profile_width(x, x, background=-100.0)
    with pytest.raises(ValueError, match="level must lie between"):
        profile_width(x, bell(x), level=1.0)
    with pytest.raises(ValueError, match="position_mm must rise"):
        profile_width(x[::-1], bell(x))
    with pytest.raises(ValueError, match="method must be one of"):
        profile_width(x, bell(x), method="best")
    with pytest.raises(ValueError, match="profile must be finite"):
        profile_width(x, np.where(x > 0, np.nan, 1.0))
    with pytest.raises(ValueError, match="at least 7 slices"):
        bead_slice_profile(np.ones((5, 20, 20)), (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="ramp_angle_rad must lie"):
        ramp_slice_profile(x, bell(x), ramp_angle_rad=0.0)
    with pytest.raises(ValueError, match="kind must be one of"):
        ramp_slice_profile(x, bell(x), ramp_angle_rad=0.3, kind="step")
    with pytest.raises(ValueError, match="first must be positive"):
        opposed_ramps(length(-1.0), length(1.0), ramp_angle_rad=0.3)
    image, grid, centers = holes(2.0, 0.4)
    arguments = {"hole_diameter_mm": 1.0, "background": 0.0, "noise": 1.0}
    with pytest.raises(ValueError, match="centers_mm must lie inside"):
        hole_dip(image, grid, centers_mm=[(0, 0), (0, 99)], **arguments)
    with pytest.raises(ValueError, match="shape"):
        hole_dip(image, grid, centers_mm=[(0, 0)], **arguments)
    with pytest.raises(ValueError, match="brighter than the background"):
        hole_dip(-image, grid, centers_mm=centers, **arguments)
