"""Maps of T2*, T2 and T1: closed forms without noise, intervals that hold with it, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, special

from imgtech.recon.mri.maps import t1_map, t2_map, t2_star_map
from imgtech.recon.mri.maps.decay import _TABLE_STEP, _information_table

ECHOES = np.array([0.003, 0.008, 0.015, 0.026, 0.041])
INVERSIONS = np.array([0.05, 0.4, 1.1, 2.5])


def magnitudes(signal, sigma, rng):
    return np.abs(signal + sigma * (rng.normal(size=signal.shape) + 1j * rng.normal(size=signal.shape)))


def coverage(found, uncertainty, truth):
    return np.mean(np.abs(found - truth) <= 1.96 * uncertainty)


def test_every_voxel_gets_its_own_rate():
    """Uneven times, a mask, an odd shape; float32 in."""
    rates = np.linspace(8.0, 160.0, 15).reshape(3, 5)
    amplitudes = np.linspace(50.0, 900.0, 15).reshape(5, 3).T
    images = (amplitudes * np.exp(-rates * ECHOES[:, None, None])).astype(np.float32)
    mask = np.ones((3, 5), bool)
    mask[1, 2] = False
    for noise in ("rician", "gaussian"):
        found = t2_star_map(images, ECHOES, sigma=1e-3, noise=noise, mask=mask)
        np.testing.assert_allclose(found.rate_per_s[mask], rates[mask], rtol=2e-5)
        np.testing.assert_allclose(found.amplitude[mask], amplitudes[mask], rtol=2e-5)
        np.testing.assert_allclose(found.time_s[mask], 1 / rates[mask], rtol=2e-5)
        assert (found.fitted == mask).all()
        assert found.rate_per_s[1, 2] == 0
        assert found.time_s[1, 2] == 0
        assert np.isinf(found.rate_uncertainty_per_s[1, 2])
        assert np.isinf(found.time_uncertainty_s[1, 2])


def test_the_uncertainty_is_the_bound_of_cramer_and_rao():
    """Well above the noise: the inverse of the normal equations, written out."""
    amplitude, rate, sigma = 400.0, 35.0, 2.0
    images = amplitude * np.exp(-rate * ECHOES)[:, None]
    found = t2_star_map(images, ECHOES, sigma=sigma, noise="gaussian")
    decay = np.exp(-rate * ECHOES)
    jacobian = np.stack([decay, -amplitude * ECHOES * decay], axis=1)
    covariance = sigma**2 * np.linalg.inv(jacobian.T @ jacobian)
    assert found.amplitude_uncertainty[0] == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-6)
    assert found.rate_uncertainty_per_s[0] == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-6)
    assert found.time_uncertainty_s[0] == pytest.approx(np.sqrt(covariance[1, 1]) / rate**2, rel=1e-6)


@pytest.mark.parametrize(
    ("amplitude", "rate"),
    [(60.0, 30.0), (25.0, 70.0), (15.0, 25.0)],
    ids=["high", "late echoes in the floor", "low"],
)
def test_intervals_hold_the_rate(amplitude, rate, rng):
    """1000 voxels with sigma 1; in the second case the last echo is at 1.4 times the noise."""
    signal = np.repeat(amplitude * np.exp(-rate * ECHOES)[:, None], 1000, axis=1)
    images = magnitudes(signal, 1.0, rng)
    found = t2_star_map(images, ECHOES, sigma=1.0)
    assert found.fitted.all()
    assert 0.93 <= coverage(found.rate_per_s, found.rate_uncertainty_per_s, rate) <= 0.97
    assert 0.93 <= coverage(found.amplitude, found.amplitude_uncertainty, amplitude) <= 0.97
    error = np.std(found.rate_per_s) / np.sqrt(1000)
    assert abs(found.rate_per_s.mean() - rate) < 4 * error + 0.02 * rate


def test_the_floor_pulls_a_plain_fit_and_not_the_rician_one(rng):
    signal = np.repeat(14.0 * np.exp(-75.0 * ECHOES)[:, None], 4000, axis=1)
    images = magnitudes(signal, 1.0, rng)
    plain = t2_star_map(images, ECHOES, sigma=1.0, noise="gaussian")
    rician = t2_star_map(images, ECHOES, sigma=1.0)
    assert np.median(plain.rate_per_s) < 0.95 * 75.0
    assert np.median(rician.rate_per_s) == pytest.approx(75.0, rel=0.015)


def information(snr):
    """Mean of the squared score of a Rician amplitude, by adaptive integration."""

    def integrand(m):
        score = m * special.ive(1, m * snr) / special.ive(0, m * snr) - snr
        return m * np.exp(-0.5 * (m - snr) ** 2) * special.ive(0, m * snr) * score**2

    return integrate.quad(integrand, 0, snr + 12, limit=200)[0]


def test_the_uncertainty_near_the_floor_is_larger():
    """Echoes at 6 down to 0.3 times the noise: each counts by its information."""
    sigma = 1.7
    images = sigma * np.hypot(7.2 * np.exp(-80.0 * ECHOES), 1.0)[:, None]
    found = t2_star_map(images, ECHOES, sigma=sigma)
    decay = np.exp(-found.rate_per_s[0] * ECHOES)
    model = found.amplitude[0] * decay
    jacobian = np.stack([decay, -ECHOES * model], axis=1)
    weights = np.array([information(v / sigma) for v in model]) / sigma**2
    wanted = np.sqrt(np.diag(np.linalg.inv((jacobian.T * weights) @ jacobian)))
    assert weights[-1] < 0.5 / sigma**2
    assert found.amplitude_uncertainty[0] == pytest.approx(wanted[0], rel=1e-3)
    assert found.rate_uncertainty_per_s[0] == pytest.approx(wanted[1], rel=1e-3)


def test_information_of_a_rician_amplitude():
    for snr in (0.0, 0.5, 1.7, 4.0, 9.0):
        wanted = information(snr)
        assert _information_table()[round(snr / _TABLE_STEP)] == pytest.approx(wanted, abs=1e-6)
    assert _information_table()[-1] == pytest.approx(1 - 0.5 / 12.0**2, abs=1e-4)


def test_bessel_functions_of_the_kernel():
    from imgtech.recon.mri.maps._kernels_fits import _bessel

    for x in (0.0, 0.3, 3.7, 3.8, 20.0, 900.0):
        log_zero, ratio = _bessel(x)
        assert log_zero == pytest.approx(np.log(special.ive(0, x)) + x, abs=3e-7 * (1 + x))
        assert ratio == pytest.approx(special.ive(1, x) / special.ive(0, x), abs=1e-6)


def test_the_first_echo_of_a_train_can_be_left_out():
    times = 0.011 * np.arange(1, 9)
    images = np.stack([70.0 * np.exp(-times / t) for t in (0.04, 0.09)], axis=1)
    images[0] *= 0.8
    whole = t2_map(images, times, sigma=0.1)
    later = t2_map(images, times, sigma=0.1, skip_echoes=1)
    assert (np.abs(whole.time_s / [0.04, 0.09] - 1) > 0.02).all()
    np.testing.assert_allclose(later.time_s, [0.04, 0.09], rtol=1e-4)


def test_voxels_of_nothing_but_noise_or_zeros_are_not_called_fitted(rng):
    zero = np.zeros((5, 4))
    found = t2_star_map(zero, ECHOES, sigma=1.0)
    assert not found.fitted.any()
    rising = np.exp(40.0 * ECHOES)[:, None] * 30
    found = t2_star_map(rising, ECHOES, sigma=0.1)
    assert not (found.time_s[found.fitted] < np.inf).any()


@pytest.mark.parametrize("kind", ["complex", "magnitude", "given"])
def test_t1_of_every_voxel(kind):
    """T1 from 0.2 to 2.4 s, imperfect inversion, any phase; zero crossings between all readings."""
    t1 = np.geomspace(0.2, 2.4, 21).reshape(3, 7)
    a = np.linspace(40.0, 90.0, 21).reshape(3, 7)
    b = -1.83 * a
    signal = a + b * np.exp(-INVERSIONS[:, None, None] / t1)
    phase = np.exp(1j * np.linspace(-3, 3, 21).reshape(3, 7))
    images = {"complex": signal * phase, "magnitude": np.abs(signal), "given": signal}[kind]
    found = t1_map(images, INVERSIONS, sigma=0.1)
    assert found.fitted.all()
    np.testing.assert_allclose(found.t1_s, t1, rtol=3e-6)
    scale = phase if kind == "complex" else 1.0
    np.testing.assert_allclose(found.offset, a * scale, rtol=2e-5)
    np.testing.assert_allclose(found.amplitude, b * scale, rtol=2e-5)


def test_the_uncertainty_of_t1_is_the_bound_of_cramer_and_rao():
    t1, a, b, sigma = 0.7, 60.0, -110.0, 0.8
    times = np.array([0.03, 0.2, 0.5, 0.9, 2.0, 3.5])
    decay = np.exp(-times / t1)
    jacobian = np.stack([np.ones(6), decay, b * times / t1**2 * decay], axis=1)
    wanted = sigma * np.sqrt(np.linalg.inv(jacobian.T @ jacobian)[2, 2])
    found = t1_map((a + b * decay)[:, None], times, sigma=sigma)
    assert found.uncertainty_s[0] == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("kind", ["complex", "magnitude"])
def test_intervals_hold_t1(kind, rng):
    times = np.array([0.06, 0.25, 0.7, 1.3, 2.6])
    signal = 60.0 - 112.0 * np.exp(-times / 0.9)
    noisy = np.repeat((signal * np.exp(0.7j))[:, None], 1000, axis=1)
    noisy = noisy + rng.normal(size=noisy.shape) + 1j * rng.normal(size=noisy.shape)
    images = noisy if kind == "complex" else np.abs(noisy)
    found = t1_map(images, times, sigma=1.0)
    assert found.fitted.all()
    assert 0.93 <= coverage(found.t1_s, found.uncertainty_s, 0.9) <= 0.97


def test_a_t1_beyond_the_range_is_not_called_fitted():
    images = (50.0 - 95.0 * np.exp(-INVERSIONS[:, None] / np.array([0.004, 0.6, 30.0])))[:, None]
    found = t1_map(images, INVERSIONS, sigma=0.1, polarity="given")
    assert found.fitted.tolist() == [[False, True, False]]
    assert found.t1_s[0, 0] == 0
    assert np.isinf(found.uncertainty_s[0, 2])
    assert not t1_map(np.zeros((4, 2)), INVERSIONS, sigma=1.0).fitted.any()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"echo_times_s": ECHOES[:4]}, "echo_times_s must name each of the 5 images"),
        ({"echo_times_s": ECHOES[::-1]}, "echo_times_s must ascend"),
        ({"images": np.ones((1, 3)), "echo_times_s": ECHOES[:1]}, "images must be at least 2, got 1"),
        ({"images": -np.ones((5, 3))}, "must be magnitudes for Rician noise, got -1"),
        ({"images": np.full((5, 3), np.nan)}, "images must be finite"),
        ({"images": np.ones((5, 3), complex)}, "images must be real"),
        ({"sigma": 0.0}, "sigma must be positive, got 0"),
        ({"sigma": np.ones(2)}, r"sigma must be a number or have shape \(3,\)"),
        ({"mask": np.ones(3)}, "mask must be boolean"),
        ({"mask": np.zeros(3, bool)}, "mask must hold voxels"),
        ({"noise": "poisson"}, "noise must be one of rician, gaussian"),
    ],
)
def test_decays_that_cannot_be_fitted_are_refused(changed, message):
    arguments = {"images": np.ones((5, 3)), "echo_times_s": ECHOES, "sigma": 1.0} | changed
    with pytest.raises(ValueError, match=message):
        t2_star_map(arguments.pop("images"), arguments.pop("echo_times_s"), **arguments)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"images": np.ones((3, 2)), "inversion_times_s": INVERSIONS[:3]},
            "images must be at least 4, got 3",
        ),
        ({"polarity": "guess"}, "polarity must be one of"),
        (
            {"images": -np.ones((4, 2)), "polarity": "restore"},
            "must be magnitudes where the sign is restored",
        ),
        ({"images": 1j * np.ones((4, 2)), "polarity": "restore"}, "got complex values"),
        ({"range_s": (2.0, 1.0)}, "range_s must ascend"),
        ({"range_s": (0.0, 1.0)}, "range_s must be positive"),
        ({"inversion_times_s": [0.1, 0.1, 0.2, 0.3]}, "inversion_times_s must ascend"),
    ],
)
def test_recoveries_that_cannot_be_fitted_are_refused(changed, message):
    arguments = {"images": np.ones((4, 2)), "inversion_times_s": INVERSIONS, "sigma": 1.0} | changed
    with pytest.raises(ValueError, match=message):
        t1_map(arguments.pop("images"), arguments.pop("inversion_times_s"), **arguments)


def test_skipping_too_many_echoes_is_refused():
    with pytest.raises(ValueError, match="images must be at least 2, got 1"):
        t2_map(np.ones((3, 2)), ECHOES[:3], sigma=1.0, skip_echoes=2)
    with pytest.raises(ValueError, match=r"echo_times_s must name each of the 3 images"):
        t2_map(np.ones((3, 2)), ECHOES[:4], sigma=1.0, skip_echoes=1)
    with pytest.raises(ValueError, match=r"images must have 2 or 3 or 4 axes, got shape \(\)"):
        t2_map(1.0, ECHOES[:3], sigma=1.0, skip_echoes=1)
    with pytest.raises(ValueError, match="echo_times_s must be finite"):
        t2_map(np.ones((3, 2)), [np.nan, 0.01, 0.02], sigma=1.0, skip_echoes=1)
    with pytest.raises(ValueError, match="skip_echoes must be at least 0"):
        t2_map(np.ones((3, 2)), ECHOES[:3], sigma=1.0, skip_echoes=-1)


def test_any_number_of_threads_gives_the_same_bits(rng):
    import imgtech

    images = magnitudes(np.repeat(50.0 * np.exp(-30.0 * ECHOES)[:, None], 700, axis=1), 1.0, rng)
    with imgtech.threads(1):
        one = t2_star_map(images, ECHOES, sigma=1.0)
    np.testing.assert_array_equal(one.rate_per_s, t2_star_map(images, ECHOES, sigma=1.0).rate_per_s)
