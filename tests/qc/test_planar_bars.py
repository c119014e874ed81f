"""Bars fitted as blurred boxes, and their first harmonic, against closed forms."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.special import ndtr

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins import Placement, planar_drawing, qc3
from imgtech.qc.pose import Pose
from imgtech.qc.protocols._planar_bars import _amplitude, measure_group
from imgtech.qc.protocols._planar_bars_fit import fit_bars
from imgtech.qc.protocols._planar_pose import PlanarPose


def _profile(
    at: np.ndarray, *, bars: int, pitch: float, share: float, blur: float, middle: float, around: float = 0.0
) -> np.ndarray:
    """Bars of height 100 on a slope; the ground between them lies ``around`` above that beside them."""
    value = 900.0 + 0.7 * at
    for k in range(bars):
        x = at - middle - (k - (bars - 1) / 2) * pitch
        value += 100 * (ndtr((x + share * pitch / 2) / blur) - ndtr((x - share * pitch / 2) / blur))
    half = (bars - 1 + share) * pitch / 2
    return value + around * (ndtr((at - middle + half) / blur) - ndtr((at - middle - half) / blur))


@pytest.mark.parametrize(
    ("bars", "share", "blur", "around"),
    [(2, 0.5, 0.5, 0.0), (2, 0.42, 0.9, 17.0), (5, 0.5, 1.4, -11.0), (6, 0.57, 0.6, 8.0), (9, 0.5, 2.2, 0.0)],
)
def test_the_pitch_of_a_few_bars_is_not_pulled(bars: int, share: float, blur: float, around: float) -> None:
    """The peak of the spectrum of two bars lies 0.2 % off."""
    pitch, middle = 7.3, 0.61
    at = np.random.default_rng(5).uniform(-bars * pitch / 2, bars * pitch / 2, 3000)
    values = _profile(at, bars=bars, pitch=pitch, share=share, blur=blur, middle=middle, around=around)
    found = fit_bars(at, values, bars=bars, frequency=1.02 / pitch, pixel=0.39)
    assert found.frequency * pitch == pytest.approx(1, abs=2e-4)
    assert found.middle == pytest.approx(middle, abs=0.01)


def test_a_tail_that_is_not_gaussian_leaves_the_pitch_alone() -> None:
    """Bars blurred by a Gaussian and, for a third of the signal, by one six times as wide."""
    pitch, at = 6.1, np.linspace(-14.9, 15.6, 4001)
    parts = [
        part * _profile(at, bars=5, pitch=pitch, share=0.5, blur=blur, middle=-0.4)
        for part, blur in ((0.67, 0.4), (0.33, 2.4))
    ]
    found = fit_bars(at, sum(parts), bars=5, frequency=0.98 / pitch, pixel=0.3)
    assert found.frequency * pitch == pytest.approx(1, abs=5e-4)


@pytest.mark.parametrize(("bars", "blur"), [(2, 0.5), (5, 1.3)])
def test_the_uncertainty_of_the_pitch_is_its_scatter(bars: int, blur: float) -> None:
    rng, pitch = np.random.default_rng(bars), 7.7
    at = rng.uniform(-bars * pitch / 2, bars * pitch / 2, 1500)
    clean = _profile(at, bars=bars, pitch=pitch, share=0.5, blur=blur, middle=0.3)
    off = []
    for _ in range(150):
        noisy = clean + 9.0 * rng.standard_normal(at.size)
        found = fit_bars(at, noisy, bars=bars, frequency=1 / pitch, pixel=0.4)
        off.append((found.frequency - 1 / pitch) / found.frequency_uncertainty)
    # 150 draws: the mean of deviations within 3 / sqrt(150), their scatter within 3 / sqrt(300)
    assert abs(np.mean(off)) < 0.25
    assert np.std(off) == pytest.approx(1, abs=0.18)


def test_what_holds_no_such_bars_is_refused() -> None:
    at = np.linspace(-20, 20, 2000)
    values = _profile(at, bars=5, pitch=8.0, share=0.5, blur=0.5, middle=0.0)
    with pytest.raises(ValueError, match="no bars of about the expected pitch fit"):
        fit_bars(at, values, bars=5, frequency=1 / 5.5, pixel=0.4)
    with pytest.raises(ValueError, match="the bars cover only 9 pixels"):
        fit_bars(at[:9], values[:9], bars=5, frequency=0.125, pixel=0.4)


@pytest.mark.parametrize(("periods", "f", "sigma"), [(1, 0.066, 0.5), (2, 0.335, 0.35), (3, 0.165, 1.2)])
def test_the_first_harmonic_of_opaque_bars_is_two_over_pi_times_the_mtf(
    periods: int, f: float, sigma: float
) -> None:
    """Over one period, too, where a bend of the ground is not fitted."""
    grid = ImageGrid(shape=(301, 280), spacing_mm=(0.21, 0.23), center_mm=(3.0, -1.0))
    y, x = grid.coordinates_mm
    normal, center = 0.4, (2.3, -3.1)
    across = (x - center[1]) * math.cos(normal) + (y[:, None] - center[0]) * math.sin(normal)
    image = np.full(grid.shape, 50.0) + 0.3 * across
    for k in range(-40, 41):
        for side in (1, -1):
            image += side * 200 * ndtr((across - 0.13 - (k - side * 0.25) / f) / sigma)
    found, spread = _amplitude(image, grid, center, normal, (periods / (2 * f), 6.0), f)
    expected = 200 * 2 / math.pi * math.exp(-2 * (math.pi * sigma * f) ** 2)
    assert found == pytest.approx(expected, rel=1.5e-3)
    assert spread < 2e-3 * found


def test_the_middle_of_a_group_is_found_on_the_bars_where_the_pose_is_off() -> None:
    """A pose half a millimetre off across the bars, on a grid with its middle elsewhere."""
    grid = ImageGrid(shape=(640, 610), spacing_mm=(0.37, 0.40), center_mm=(4.0, -7.0))
    place = Placement(center_mm=(2.0, -9.0), roll_rad=0.5)
    image = qc3(unit_mm=30.0).image(grid, sigma_mm=0.5, placement=place)
    image += 3 * np.random.default_rng(8).standard_normal(image.shape)
    sound = PlanarPose(
        pose=Pose(center_mm=(2.0, -9.0), angle_rad=0.5, mirrored=False, score=1.0, runner_up=0.0),
        unit_mm=30.0,
        sign=-1,
        score=1.0,
    )
    normal = sound.bar_normal_rad
    across = math.sin(normal), math.cos(normal)
    shifted = dataclasses.replace(sound.pose, center_mm=(2.0 + 0.5 * across[0], -9.0 + 0.5 * across[1]))
    for group in planar_drawing("qc3").groups[:3]:
        found = measure_group(image, grid, dataclasses.replace(sound, pose=shifted), group, 3.0)
        true = sound.place(group.center)
        off = [a - b for a, b in zip(found.center_mm, true, strict=True)]
        assert abs(off[0] * across[0] + off[1] * across[1]) < 0.02
        assert found.frequency_per_mm == pytest.approx(group.per_unit / 30.0, rel=3e-4)
