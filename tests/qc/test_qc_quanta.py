"""Noise power of lines and volumes, cuts along axes, NEQ and DQE against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredEdge
from imgtech.qc import Source
from imgtech.qc.metrics import (
    SpectralCurve,
    dqe,
    line_noise_power,
    neq,
    noise_power_along,
    noise_power_spectrum,
    slanted_edge_mtf,
    volume_noise_power,
)

SPACING = (0.9, 0.6, 0.45)


def coloured(rng, shape: tuple[int, ...], spacing: tuple[float, ...], power) -> np.ndarray:
    """Periodic noise of ``shape``, several of it along the first axis, with a spectrum in closed form."""
    axes = np.meshgrid(
        *(np.fft.fftfreq(n, d) for n, d in zip(shape[1:], spacing, strict=True)), indexing="ij"
    )
    gain = np.sqrt(power(*axes) / math.prod(spacing))
    over = tuple(range(1, len(shape)))
    return np.fft.ifftn(np.fft.fftn(rng.standard_normal(shape), axes=over) * gain, axes=over).real


def smooth(*f: np.ndarray) -> np.ndarray:
    """Different blurs along the axes, so that none can stand for another."""
    widths = (0.6, 0.5, 0.3)[-len(f) :]
    return 3 * np.exp(-((2 * np.pi) ** 2) * sum((w * g) ** 2 for w, g in zip(widths, f, strict=True)))


@pytest.mark.parametrize("detrend", ["mean", "plane", "quadratic"])
def test_lines_return_their_closed_form(rng, detrend) -> None:
    long = coloured(rng, (160, 64 * 16), (0.45,), smooth).reshape(-1, 64)
    curve = line_noise_power(long + 70, 0.45, detrend=detrend)
    pull = (curve.values - smooth(curve.frequencies_per_mm)) / curve.uncertainties
    strong = smooth(curve.frequencies_per_mm) > 0.03
    assert np.sqrt(np.mean(pull[strong] ** 2)) < 1.8
    # both signs of the frequency, and frequency 0 on the way of the first two
    df = curve.frequencies_per_mm[0]
    total = df * (2 * curve.values.sum() + 2 * curve.values[0] - curve.values[1])
    # a parabola through 64 samples takes most of the first cell: what is in doubt there is in the uncertainty
    doubt = 4 * df * curve.uncertainties[0] if detrend == "quadratic" else 0.0
    assert total == pytest.approx(long.var(), rel=0.02, abs=doubt)
    if detrend != "quadratic":
        assert total == pytest.approx(long.var(), rel=0.01)


@pytest.mark.parametrize("detrend", ["mean", "plane"])
def test_volumes_return_their_closed_form_along_every_axis(rng, detrend) -> None:
    big = coloured(rng, (3, 64, 72, 80), SPACING, smooth)
    parts = big.reshape(3, 2, 32, 2, 36, 2, 40).transpose(0, 1, 3, 5, 2, 4, 6).reshape(-1, 32, 36, 40)
    nps = volume_noise_power(parts, SPACING, detrend=detrend)
    truth = smooth(*np.meshgrid(*nps.frequencies_per_mm, indexing="ij"))
    strong = truth > 0.3
    strong[16, 18, 20] = False
    ratio = nps.values[strong] / truth[strong]
    assert ratio.mean() == pytest.approx(1, abs=0.015)
    assert np.sqrt(np.mean((ratio - 1) ** 2)) < 0.24  # 24 volumes: 20 % a cell
    assert nps.variance().value == pytest.approx(big.var(), rel=0.01)


def test_periodic_volumes_keep_their_variance_and_give_the_spectrum_of_a_slice(rng) -> None:
    volumes = coloured(rng, (12, 24, 36, 40), SPACING, smooth)
    nps = volume_noise_power(volumes, SPACING)
    assert nps.variance().value == pytest.approx(volumes.var(), rel=1e-3)
    df = math.prod(1 / (n * d) for n, d in zip((36, 40), SPACING[1:], strict=True))
    assert nps.slice_spectrum().sum() * df == pytest.approx(volumes.var(), rel=1e-3)


@pytest.mark.parametrize(("axis", "width"), [("x", 0.3), ("y", 0.5)])
def test_cuts_along_the_axes_are_those_of_the_closed_form(rng, axis, width) -> None:
    field = coloured(rng, (1, 1440, 1680), SPACING[1:], smooth)[0]
    regions = field.reshape(30, 48, 30, 56).transpose(0, 2, 1, 3).reshape(-1, 48, 56)
    curve = noise_power_along(noise_power_spectrum(regions, SPACING[1:]), axis, n_lines=3)
    lines = np.arange(1, 4) / (48 * 0.6 if axis == "x" else 56 * 0.45)
    other = 0.8 - width
    f = np.sqrt(np.maximum(curve.frequencies_per_mm**2 - np.mean(lines) ** 2, 0))
    truth = 3 * np.mean(
        [np.exp(-((2 * np.pi) ** 2) * ((other * line) ** 2 + (width * f) ** 2)) for line in lines], axis=0
    )
    strong = truth > 0.3
    assert curve.values[strong] == pytest.approx(truth[strong], rel=0.05)


def detector(rng, q: float, sigma: float, n: int) -> tuple[SpectralCurve, float]:
    """DQE of an ideal counting detector whose quanta are shifted by a Gaussian before they are counted.

    Shifted one by one they stay independent: NPS = S, MTF = Gaussian times pixel, DQE = MTF^2.
    """
    spacing = (0.25, 0.25)
    edge = BlurredEdge(angle_rad=0.05, position_mm=0.1, high=300.0, sigma_mm=sigma)
    image = edge.image(ImageGrid(shape=(256, 200), spacing_mm=spacing), dtype=np.float64)
    noisy = image + 2 * rng.standard_normal(image.shape)
    counts = rng.poisson(q * 0.0625, (n, 128, 128)).astype(np.float64)
    nps = noise_power_spectrum(counts, spacing, detrend="quadratic")
    return slanted_edge_mtf(noisy, spacing), nps, edge, spacing


def test_ideal_detector_has_a_dqe_of_one_at_frequency_zero(rng) -> None:
    q = 6000.0
    mtf, nps, edge, spacing = detector(rng, q, 0.1, 64)
    curve = dqe(mtf, nps, quanta_per_mm2=q, quanta_relative_uncertainty=0.0)
    zero = curve.at_zero(up_to_per_mm=1.0)
    assert zero.value == pytest.approx(1.0, abs=0.01)
    assert zero.value == pytest.approx(1.0, abs=3 * zero.uncertainty)
    truth = edge.mtf(curve.frequencies_per_mm, spacing_mm=spacing) ** 2
    pull = (curve.values - truth) / curve.uncertainties
    assert np.sqrt(np.mean(pull**2)) < 1.6
    assert curve.at(1.0).value == pytest.approx(float(edge.mtf([1.0], spacing_mm=spacing)[0]) ** 2, rel=0.03)


def test_dqe_falls_with_the_quanta_that_are_lost_and_neq_counts_those_that_are_left(rng) -> None:
    mtf, nps, _, _ = detector(rng, 3000.0, 0.0, 24)
    counted = neq(mtf, nps)
    lost = dqe(mtf, nps, quanta_per_mm2=5000.0, quanta_relative_uncertainty=0.04)
    assert counted.unit == "1/mm^2"
    assert lost.values == pytest.approx(counted.values / 5000.0)
    assert lost.at_zero(up_to_per_mm=1.0).value == pytest.approx(0.6, abs=0.02)
    m = lost.at(0.5)
    assert m.uncertainty > 0.04 * m.value
    along = dqe(
        mtf,
        noise_power_along(nps, "x"),
        quanta_per_mm2=5000.0,
        quanta_relative_uncertainty=0.04,
        mean=nps.mean,
    )
    assert along.at(0.5).value == pytest.approx(m.value, abs=4 * along.at(0.5).uncertainty)


def test_what_cannot_be_measured_is_refused_with_the_reason(rng) -> None:
    lines = rng.standard_normal((5, 32))
    with pytest.raises(ValueError, match="lines must be at least 2"):
        line_noise_power(lines[:1], 0.5)
    with pytest.raises(ValueError, match="at least 8 samples"):
        line_noise_power(lines[:, :6], 0.5)
    with pytest.raises(ValueError, match="must hold noise"):
        line_noise_power(np.ones((5, 32)), 0.5)
    with pytest.raises(ValueError, match="spacing_mm must have 3"):
        volume_noise_power(rng.standard_normal((2, 9, 9, 9)), (1.0, 1.0))
    with pytest.raises(ValueError, match="detrend must be one of"):
        volume_noise_power(rng.standard_normal((2, 9, 9, 9)), (1.0, 1.0, 1.0), detrend="cubic")
    nps = noise_power_spectrum(10 + rng.standard_normal((4, 24, 26)), (0.5, 0.5))
    with pytest.raises(ValueError, match="axis must be one of"):
        noise_power_along(nps, "z")
    with pytest.raises(ValueError, match="n_lines must be at most 11"):
        noise_power_along(nps, "x", n_lines=12)
    edge = BlurredEdge(angle_rad=0.06, high=50.0, sigma_mm=0.3).image(ImageGrid.square(80, fov_mm=40.0))
    mtf = slanted_edge_mtf(edge, (0.5, 0.5))
    with pytest.raises(ValueError, match="mean must be given"):
        neq(mtf, noise_power_along(nps, "x"))
    with pytest.raises(ValueError, match="quanta_per_mm2 must be positive"):
        dqe(mtf, nps, quanta_per_mm2=0.0, quanta_relative_uncertainty=0.01)
    curve = neq(mtf, nps)
    with pytest.raises(ValueError, match="frequency_per_mm must lie between"):
        curve.at(9.0)
    with pytest.raises(ValueError, match="at least 4 values"):
        curve.at_zero(up_to_per_mm=0.01)
    with pytest.raises(ValueError, match="frequencies_per_mm must rise"):
        SpectralCurve(name="x", unit="1", frequencies_per_mm=[1, 1], values=[1, 1], uncertainties=[0, 0],
                      algorithm="test-1", definition=Source(document="test", edition="1"))  # fmt: skip
