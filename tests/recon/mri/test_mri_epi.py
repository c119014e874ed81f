"""Echo-planar readouts: uneven samples, two directions, and the ghost between them."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import Trajectory, delayed_positions, trapezoid_positions
from imgtech.phantoms import CoilSensitivities, Ellipse, Phantom
from imgtech.recon.mri import (
    GhostPhase,
    correct_ghost,
    ghost_phase,
    image_to_kspace,
    kspace_to_image,
    navigator_phase,
    regrid_readout,
    root_sum_of_squares,
)

NY, NX = 60, 72
SPACING = (3.1, 2.7)
OBJECT = Phantom(
    shapes=(
        Ellipse(value=1.0, semi_axes_mm=(36.0, 41.0), center_mm=(4.0, -7.0), angle_rad=0.3),
        Ellipse(value=-0.6, semi_axes_mm=(9.0, 6.0), center_mm=(-11.0, 9.0)),
    )
)
COILS = CoilSensitivities.ring(n_coils=3, radius_mm=140.0)
RASTER = Trajectory.cartesian((NY, NX), spacing_mm=SPACING)
BACK = np.arange(NY) % 2 == 1


def ramp_sampled(n_samples: int = 120) -> np.ndarray:
    """Positions along the readout: ramps of different length, samples beyond the raster's edge."""
    return trapezoid_positions(
        n_samples,
        ramp_up_s=150e-6,
        flat_s=260e-6,
        ramp_down_s=170e-6,
        first_s=20e-6,
        dwell_s=540e-6 / n_samples,
        span_per_mm=1.08 / SPACING[1],
    )


def kspace_at(kx: np.ndarray) -> np.ndarray:
    ky = RASTER.positions_per_mm[:, 0, 0]
    positions = np.stack(np.meshgrid(ky, kx, indexing="ij"), axis=-1)
    return OBJECT.kspace(Trajectory(positions_per_mm=positions), COILS, dtype=np.complex128)


def test_positions_follow_the_area_under_the_gradient():
    first, dwell, n = 25e-6, 4e-6, 121
    k = trapezoid_positions(
        n, ramp_up_s=130e-6, flat_s=200e-6, ramp_down_s=210e-6, first_s=first, dwell_s=dwell, span_per_mm=0.4
    )
    fine = np.linspace(0, 540e-6, 540_001)
    gradient = np.interp(fine, [0, 130e-6, 330e-6, 540e-6], [0.0, 1.0, 1.0, 0.0])
    area = np.concatenate([[0.0], np.cumsum((gradient[1:] + gradient[:-1]) / 2) * 1e-9])
    ends = np.interp([first - dwell / 2, first + (n - 0.5) * dwell], fine, area)
    expected = (np.interp(first + np.arange(n) * dwell, fine, area) - area[-1] / 2) * 0.4 / np.diff(ends)
    np.testing.assert_allclose(k, expected, atol=1e-8)


def test_a_delay_moves_every_sample_by_its_own_gradient():
    later = {
        "ramp_up_s": 150e-6,
        "flat_s": 260e-6,
        "ramp_down_s": 170e-6,
        "dwell_s": 4e-6,
        "span_per_mm": 0.4,
    }
    now = trapezoid_positions(130, first_s=20e-6, **later)
    # the scale of the later readout follows from its own span
    area = trapezoid_positions(130, first_s=22.8e-6, **later)
    scale = np.diff(now)[60] / np.diff(area)[60]
    np.testing.assert_allclose(delayed_positions(now, 0.7), area * scale, atol=2e-5 * 0.4)
    assert abs(delayed_positions(now, 0.7) - now)[65] > 3 * abs(delayed_positions(now, 0.7) - now)[0]


def test_regridding_gives_the_samples_of_the_raster():
    even = regrid_readout(kspace_at(ramp_sampled()), ramp_sampled(), n_pixels=NX, spacing_mm=SPACING[1])
    truth = OBJECT.kspace(RASTER, COILS, dtype=np.complex128)
    inside = slice(3, -3)  # at the very edge the samples of the object beyond the raster matter
    error = np.linalg.norm((even - truth)[..., inside]) / np.linalg.norm(truth)
    assert error < 3e-3
    shifted = ramp_sampled() + 0.5 / (NX * SPACING[1])
    wrong = regrid_readout(kspace_at(ramp_sampled()), shifted, n_pixels=NX, spacing_mm=SPACING[1])
    assert np.linalg.norm((wrong - truth)[..., inside]) / np.linalg.norm(truth) > 0.1


def test_a_reversed_readout_gives_the_same_raster():
    k = ramp_sampled()
    forward = regrid_readout(kspace_at(k), k, n_pixels=NX, spacing_mm=SPACING[1])
    back = regrid_readout(kspace_at(k)[..., ::-1], k[::-1], n_pixels=NX, spacing_mm=SPACING[1])
    np.testing.assert_allclose(back, forward, atol=1e-9 * np.abs(forward).max())


def ghosted(phase: GhostPhase) -> np.ndarray:
    """k-space whose forward lines are ahead by the phase."""
    opposite = GhostPhase(constant_rad=-phase.constant_rad, slope_rad_per_mm=-phase.slope_rad_per_mm)
    truth = OBJECT.kspace(RASTER, COILS, dtype=np.complex128)
    return correct_ghost(truth, BACK, opposite, spacing_mm=SPACING[1])


def test_the_phase_delays_forward_lines_and_advances_reversed_ones():
    lines = np.ones((1, 2, 8), np.complex128)
    phase = GhostPhase(constant_rad=0.4, slope_rad_per_mm=0.05)
    turned = kspace_to_image(correct_ghost(lines, np.array([False, True]), phase, spacing_mm=2.0), (-1,))
    before = kspace_to_image(lines, (-1,))
    np.testing.assert_allclose(turned[0, 0, 4], before[0, 0, 4] * np.exp(-0.2j))
    np.testing.assert_allclose(turned[0, 1, 4], before[0, 1, 4] * np.exp(0.2j))
    spread = correct_ghost(
        image_to_kspace(np.ones((1, 2, 8)), (-1,)), np.array([False, True]), phase, spacing_mm=2.0
    )
    angles = np.angle(kspace_to_image(spread, (-1,)))
    np.testing.assert_allclose(np.diff(angles[0, 0]), -0.05, atol=1e-9)
    np.testing.assert_allclose(np.diff(angles[0, 1]), 0.05, atol=1e-9)


@pytest.mark.parametrize("phase", [(0.7, 0.012), (-1.2, -0.031), (0.2, 0.06)])
def test_the_image_itself_tells_the_phase(phase):
    put_in = GhostPhase(constant_rad=phase[0], slope_rad_per_mm=phase[1])
    noise = np.random.default_rng(3).normal(size=(2, 3, NY, NX)) * 8.0
    data = ghosted(put_in) + noise[0] + 1j * noise[1]
    found = ghost_phase(data, BACK, spacing_mm=SPACING[1])
    assert found.constant_rad == pytest.approx(phase[0], abs=0.01)
    assert found.slope_rad_per_mm == pytest.approx(phase[1], abs=3e-4)
    near = GhostPhase(constant_rad=phase[0] + 0.2, slope_rad_per_mm=phase[1] + 0.004)
    again = ghost_phase(data, BACK, spacing_mm=SPACING[1], start=near)
    assert again.constant_rad == pytest.approx(phase[0], abs=0.01)


def test_correcting_removes_the_ghost():
    phase = GhostPhase(constant_rad=0.5, slope_rad_per_mm=0.01)
    truth = root_sum_of_squares(kspace_to_image(ghosted(GhostPhase(constant_rad=0.0, slope_rad_per_mm=0.0))))
    bad = root_sum_of_squares(kspace_to_image(ghosted(phase)))
    found = ghost_phase(ghosted(phase), BACK, spacing_mm=SPACING[1])
    good = root_sum_of_squares(kspace_to_image(correct_ghost(ghosted(phase), BACK, found, spacing_mm=2.7)))
    assert np.abs(bad - truth).max() > 0.2 * truth.max()
    assert np.abs(good - truth).max() < 0.005 * truth.max()


def navigator(drift_rad: float, phase: GhostPhase, directions: list[bool]) -> np.ndarray:
    kx = RASTER.positions_per_mm[0, :, 1]
    positions = np.stack([np.zeros_like(kx), kx], axis=-1)[None]
    line = OBJECT.kspace(Trajectory(positions_per_mm=positions), COILS, dtype=np.complex128)[:, 0]
    x = (np.arange(NX) - NX // 2) * SPACING[1]
    image = kspace_to_image(line, (-1,))
    half = (phase.constant_rad + phase.slope_rad_per_mm * x) / 2
    lines = [
        image * np.exp(1j * ((-half if back else half) + drift_rad * j)) for j, back in enumerate(directions)
    ]
    return image_to_kspace(np.stack(lines), (-1,))


@pytest.mark.parametrize("directions", [[True, False, True], [False, True, False], [False, True]])
def test_navigators_tell_the_phase(directions):
    phase = GhostPhase(constant_rad=-0.6, slope_rad_per_mm=0.02)
    drift = 0.3 if len(directions) > 2 else 0.0
    found = navigator_phase(navigator(drift, phase, directions), directions, spacing_mm=SPACING[1])
    assert found.constant_rad == pytest.approx(-0.6, abs=1e-9)
    assert found.slope_rad_per_mm == pytest.approx(0.02, abs=1e-9)


def test_what_cannot_be_is_refused():
    lines = np.ones((2, 4, 8))
    with pytest.raises(ValueError, match="both directions"):
        ghost_phase(lines, np.ones(4, bool), spacing_mm=1.0)
    with pytest.raises(ValueError, match="only zeros"):
        ghost_phase(np.zeros((1, 4, 8)), np.arange(4) % 2 == 0, spacing_mm=1.0)
    with pytest.raises(ValueError, match="for each of 4 kspace lines"):
        ghost_phase(lines, [True, False], spacing_mm=1.0)
    with pytest.raises(ValueError, match="alternating"):
        navigator_phase(np.ones((3, 1, 8)), [True, True, False], spacing_mm=1.0)
    with pytest.raises(ValueError, match="must hold a signal"):
        navigator_phase(np.zeros((2, 1, 8)), [True, False], spacing_mm=1.0)
    with pytest.raises(ValueError, match="constant_rad must be finite"):
        GhostPhase(constant_rad=np.nan, slope_rad_per_mm=0.0)
    with pytest.raises(ValueError, match="samples must be finite"):
        regrid_readout([1.0, np.nan], [-0.1, 0.1], n_pixels=2, spacing_mm=2.0)
    with pytest.raises(ValueError, match="largest gap"):
        regrid_readout(np.ones(3), [-0.2, 0.0, 0.2], n_pixels=8, spacing_mm=1.0)
    with pytest.raises(ValueError, match="reach over the raster"):
        regrid_readout(np.ones(5), np.linspace(-0.05, 0.05, 5), n_pixels=10, spacing_mm=2.0)
    with pytest.raises(ValueError, match="at least 4 positions"):
        delayed_positions([0.0, 0.1, 0.2], 0.1)
    with pytest.raises(ValueError, match="within -4 and 4"):
        delayed_positions(np.arange(5.0), 4.5)
    with pytest.raises(ValueError, match="within the gradient"):
        trapezoid_positions(
            5, ramp_up_s=1e-4, flat_s=0.0, ramp_down_s=1e-4, first_s=1e-4, dwell_s=1e-4, span_per_mm=0.4
        )
