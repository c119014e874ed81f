"""Adaptive beamformers against their definitions written out, and against each other on a cyst."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import hilbert

from imgtech.geometry import ConvexArray, ImageGrid, LinearArray, PlaneWaves, SphericalWaves
from imgtech.phantoms import GaussianPulse, speckle
from imgtech.recon.ultrasound import (
    capon,
    coherence_factor,
    delay_and_sum,
    delay_multiply_and_sum,
    rf_to_iq,
    slsc,
)
from reference import any_geometry as naive

PROBE = ConvexArray(n_elements=13, pitch_mm=0.5, radius_mm=19.0, center_mm=0.4)
BEHIND, CENTERS = [[-6.0, 0.0, 0.5], [-4.0, 0.0, -2.0]], [[0.0, 0.0, 0.3], [0.0, 0.0, -0.8]]
WAVES = SphericalWaves(
    sources_mm=BEHIND, references_mm=CENTERS, sampling_hz=19e6, start_s=[2e-6, 2.4e-6], pulse_delay_s=0.3e-6
)
GRID = ImageGrid(shape=(9, 7), spacing_mm=(0.37, 0.61), center_mm=(7.0, 0.4))
BEAM = {"f_number": 0.9, "sound_speed_m_s": 1490.0, "center_hz": 4.7e6}


def delayed(data):
    """Signals of the elements at every pixel ``(z, x, e)`` and their aperture, in float64."""
    z, x = np.meshgrid(*GRID.coordinates_mm, indexing="ij")
    points = np.stack([z, 0 * z, x], -1)
    paths = [naive.diverging(s, c) for s, c in zip(BEHIND, CENTERS, strict=True)]

    def of(element, signals):
        place, normal = PROBE.positions_mm[element], PROBE.normals[element]
        images = naive.direct_sum(
            signals[:, element : element + 1],
            [place],
            [normal],
            paths,
            WAVES,
            points,
            weight=np.ones_like,
            **BEAM,
        )
        return images.sum(0)

    signals = np.stack([of(e, data) for e in range(13)], -1)
    constant = np.ones((2, 13, 4000))
    wide = {**BEAM, "center_hz": None}
    inside = np.stack(
        [
            naive.direct_sum(
                constant[:, e : e + 1],
                [PROBE.positions_mm[e]],
                [PROBE.normals[e]],
                paths,
                WAVES,
                points,
                weight=np.ones_like,
                **wide,
            ).sum(0)
            > 0
            for e in range(13)
        ],
        -1,
    )
    return signals, inside


@pytest.fixture
def case(rng):
    data = rng.standard_normal((2, 13, 300)) + 1j * rng.standard_normal((2, 13, 300))
    data += 0.7 * data.mean(1, keepdims=True) * 13**0.5
    signals, inside = delayed(data)
    counts = inside.sum(-1)
    assert counts.min() >= 3
    assert counts.max() > counts.min()
    return data, signals, inside


@pytest.mark.parametrize("kind", ["cf", "gcf", "phase", "sign"])
def test_coherence_factors_follow_their_definitions(case, kind):
    data, signals, inside = case
    expected = np.zeros(GRID.shape)
    for at in np.ndindex(GRID.shape):
        s = signals[at][inside[at]]
        n = len(s)
        if kind == "cf":
            expected[at] = abs(s.sum()) ** 2 / (n * (abs(s) ** 2).sum())
        elif kind == "gcf":
            power = abs(np.fft.fft(s)) ** 2
            expected[at] = power[[0, 1, -1]].sum() / power.sum()
        elif kind == "phase":
            phase = np.angle(s)
            other = np.where(phase < 0, phase + np.pi, phase - np.pi)
            expected[at] = max(0, 1 - 0.6 * min(phase.std(), other.std()) / (np.pi / np.sqrt(3)))
        else:
            expected[at] = abs(1 - np.sqrt(1 - np.sign(s.real).mean() ** 2)) ** 0.6
    found = coherence_factor(data, PROBE, WAVES, GRID, kind=kind, sensitivity=0.6, **BEAM)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert expected.max() > 0.2


def test_delay_multiply_and_sum_adds_all_pairs(case):
    data, signals, inside = case
    expected = np.zeros(GRID.shape, complex)
    for at in np.ndindex(GRID.shape):
        s = signals[at][inside[at]]
        root = np.sqrt(abs(s)) * np.exp(1j * np.angle(s))
        expected[at] = sum(root[i] * root[j] for i in range(len(s)) for j in range(i + 1, len(s)))
    found = delay_multiply_and_sum(data, PROBE, WAVES, GRID, **BEAM)
    np.testing.assert_allclose(found, expected, atol=1e-9 * abs(expected).max())


@pytest.mark.parametrize("n_kernel", [1, 3])
def test_short_lag_coherence_follows_its_definition(case, n_kernel):
    data, signals, inside = case
    expected = np.zeros(GRID.shape)
    for z, x in np.ndindex(GRID.shape):
        rows = slice(max(0, z - n_kernel // 2), z + n_kernel // 2 + 1)
        s, open_ = signals[rows, x], inside[z, x]
        for lag in (1, 2):
            pairs = [i for i in range(13 - lag) if open_[i] and open_[i + lag]]
            values = [
                np.vdot(s[:, i + lag], s[:, i]).real
                / np.sqrt((abs(s[:, i]) ** 2).sum() * (abs(s[:, i + lag]) ** 2).sum())
                for i in pairs
            ]
            expected[z, x] += np.mean(values) / 2
    found = slsc(data, PROBE, WAVES, GRID, max_lag=2, n_kernel=n_kernel, **BEAM)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("n_average", [1, 3])
def test_capon_solves_its_equations(case, both, n_average):
    data, signals, inside = case
    expected = np.zeros(GRID.shape, complex)
    for z, x in np.ndindex(GRID.shape):
        open_ = inside[z, x]
        n = open_.sum()
        length = int(0.6 * n + 0.5)
        rows = range(max(0, z - n_average // 2), min(GRID.shape[0], z + n_average // 2 + 1))
        covariance = np.zeros((length, length), complex)
        for row in rows:
            s = signals[row, x][open_]
            for k in range(n - length + 1):
                part = s[k : k + length]
                covariance += np.outer(part, part.conj()) / (n - length + 1) / len(rows)
        if both:
            covariance = 0.5 * (covariance + covariance[::-1, ::-1].conj())
        covariance += 0.03 * np.trace(covariance).real / length * np.eye(length)
        w = np.linalg.solve(covariance, np.ones(length))
        w /= np.ones(length) @ w
        s = signals[z, x][open_]
        expected[z, x] = n * np.mean([np.vdot(w, s[k : k + length]) for k in range(n - length + 1)])
    found = capon(
        data,
        PROBE,
        WAVES,
        GRID,
        subarray=0.6,
        loading=0.03,
        forward_backward=both,
        n_average=n_average,
        **BEAM,
    )
    np.testing.assert_allclose(found, expected, atol=1e-6 * abs(expected).max())


def test_blocks_change_nothing(case, monkeypatch):
    data, _, _ = case
    whole = slsc(data, PROBE, WAVES, GRID, **BEAM)
    monkeypatch.setattr("imgtech.recon.ultrasound._lines._BLOCK", 1000)
    np.testing.assert_array_equal(slsc(data, PROBE, WAVES, GRID, **BEAM), whole)


def test_real_data_work_where_they_may(rng):
    rf = rng.standard_normal((2, 13, 300)).astype(np.float32)
    settings = {"f_number": 0.9, "sound_speed_m_s": 1490.0}
    analytic = hilbert(rf, axis=2)
    sign = coherence_factor(rf, PROBE, WAVES, GRID, kind="sign", **settings)
    np.testing.assert_allclose(
        sign, coherence_factor(analytic, PROBE, WAVES, GRID, kind="sign", **settings), atol=1e-5
    )
    assert slsc(rf, PROBE, WAVES, GRID, **settings).dtype == np.float32


def test_agreement_raises_the_contrast_of_a_cyst():
    """One plane wave, 64 elements: every method is darker in the cyst than delay-and-sum with a boxcar."""
    probe = LinearArray(n_elements=64, pitch_mm=0.3)
    waves = PlaneWaves.from_degrees([0], sampling_hz=20e6, start_s=5e-6, pulse_delay_s=0.3e-6)
    rng = np.random.default_rng(5)
    depth, place, radius = cyst = (18.0, 0.6, 2.2)
    tissue = speckle(((12, 24), (-8, 9)), density_per_mm2=12, rng=rng, cysts_mm=[cyst])
    rf = tissue.echoes(probe, waves, pulse=GaussianPulse(center_hz=5e6), n_samples=520)
    rf = rf + rng.normal(scale=0.3, size=rf.shape).astype(np.float32)
    iq = rf_to_iq(rf, waves, center_hz=5e6)
    grid = ImageGrid(shape=(64, 56), spacing_mm=(0.12, 0.15), center_mm=(depth, place))
    z, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    distance = np.hypot(z - depth, x - place)

    def contrast_db(image):
        power = np.abs(image).astype(np.float64) ** 2
        tissue = power[(distance > radius + 0.5) & (distance < radius + 1.6)].mean()
        return 10 * np.log10(power[distance < radius - 0.6].mean() / tissue)

    beam = {"f_number": 1.2, "center_hz": 5e6}
    das = delay_and_sum(iq, probe, waves, grid, **beam)
    plain = contrast_db(das)
    assert -20 < plain < -10
    better = {
        kind: contrast_db(das * coherence_factor(iq, probe, waves, grid, kind=kind, **beam))
        for kind in ("cf", "gcf", "phase", "sign")
    }
    better["dmas"] = contrast_db(delay_multiply_and_sum(iq, probe, waves, grid, **beam))
    better["capon"] = contrast_db(capon(iq, probe, waves, grid, **beam))
    for name, value in better.items():
        assert value < plain - 3, (name, value, plain)


def test_short_lag_coherence_tells_a_cyst_from_speckle():
    """Many angles focus the transmit, so that neighbouring elements hear like echoes of tissue."""
    probe = LinearArray(n_elements=40, pitch_mm=0.3)
    waves = PlaneWaves.from_degrees(
        np.linspace(-16, 16, 17), sampling_hz=20e6, start_s=5e-6, pulse_delay_s=0.3e-6
    )
    rng = np.random.default_rng(6)
    tissue = speckle(((11, 19), (-6, 6)), density_per_mm2=8, rng=rng, cysts_mm=[(15.0, 0.5, 1.8)])
    rf = tissue.echoes(probe, waves, pulse=GaussianPulse(center_hz=5e6), n_samples=400)
    iq = rf_to_iq(rf, waves, center_hz=5e6)
    grid = ImageGrid(shape=(30, 30), spacing_mm=(0.2, 0.2), center_mm=(15.0, 0.5))
    z, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    distance = np.hypot(z - 15.0, x - 0.5)
    coherence = slsc(iq, probe, waves, grid, max_lag=5, n_kernel=3, f_number=1.2, center_hz=5e6)
    assert coherence[distance < 1.2].mean() < 0.25
    assert coherence[distance > 2.3].mean() > 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: coherence_factor(d, PROBE, WAVES, GRID, kind="best"), "kind must be one of"),
        (lambda d: coherence_factor(d.real, PROBE, WAVES, GRID, kind="phase"), "data must be complex"),
        (lambda d: coherence_factor(d[:, :5], PROBE, WAVES, GRID), "2 transmits and 13 elements"),
        (lambda d: delay_multiply_and_sum(d.real, PROBE, WAVES, GRID), "data must be complex"),
        (lambda d: slsc(d, PROBE, WAVES, GRID, n_kernel=2), "n_kernel must be odd"),
        (lambda d: slsc(d, PROBE, WAVES, GRID, max_lag=0), "max_lag must be at least 1"),
        (lambda d: capon(d, PROBE, WAVES, GRID, subarray=1.5), "subarray must be at most 1"),
        (lambda d: capon(d, PROBE, WAVES, GRID, loading=-1), "loading must not be negative"),
        (lambda d: capon(d * np.nan, PROBE, WAVES, GRID), "data must be finite"),
        (lambda d: coherence_factor(d[:, :, :9], PROBE, WAVES, GRID), "data must hold echoes of the grid"),
        (lambda d: slsc(d[:, :, :9], PROBE, WAVES, GRID), "data must hold echoes of the grid"),
        (lambda d: capon(d[:, :, :9], PROBE, WAVES, GRID), "data must hold echoes of the grid"),
    ],
)
def test_wrong_values_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones((2, 13, 300), complex))
