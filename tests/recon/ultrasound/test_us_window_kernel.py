"""The AVX-512 kernels against the portable ones and the naive sum; skipped where there is no AVX-512."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import imgtech
from imgtech.geometry import ImageGrid, LinearArray, PlaneWaves
from imgtech.recon.ultrasound import _kernels_window, das, delay_and_sum
from reference.delay_and_sum import naive_delay_and_sum

pytestmark = pytest.mark.skipif(not _kernels_window.HAS_AVX512, reason="needs a processor with AVX-512")

WAVES = PlaneWaves.from_degrees(
    [-9, 2, 7], sampling_hz=21e6, start_s=[2e-6, 2.5e-6, 3e-6], pulse_delay_s=0.3e-6
)
PROBE = LinearArray(n_elements=17, pitch_mm=0.31, center_mm=0.7)
SHARED = {"spacing_mm": (0.061, 0.155), "center_mm": (9.0, 0.4)}  # columns every half pitch
IRRATIONAL = {"spacing_mm": (0.061, 0.1237), "center_mm": (9.0, 0.4)}
CASES = {
    "odd sizes": (ImageGrid(shape=(151, 31), **SHARED), PROBE, 420),
    "no shared rows": (ImageGrid(shape=(151, 31), **IRRATIONAL), PROBE, 420),
    "whole blocks": (ImageGrid(shape=(160, 30), **SHARED), PROBE, 420),
    "record ends inside": (ImageGrid(shape=(151, 31), **SHARED), PROBE, 173),
    "record shorter than a window": (
        ImageGrid(shape=(31, 31), spacing_mm=(0.061, 0.155), center_mm=(2.5, 0.4)),
        PROBE,
        29,
    ),
    "less than one block": (ImageGrid(shape=(9, 31), **SHARED), PROBE, 420),
    "from the probe on": (
        ImageGrid(shape=(133, 31), spacing_mm=(0.061, 0.155), center_mm=(66 * 0.061, 0.7)),
        PROBE,
        420,
    ),
    "widest steps": (ImageGrid(shape=(83, 31), spacing_mm=(0.0675, 0.155), center_mm=(9.0, 0.4)), PROBE, 420),
}


def noise(rng, dtype, shape):
    data = rng.standard_normal(shape)
    return (data + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else data).astype(dtype)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("dtype", "center_hz"), [(np.float32, None), (np.complex64, None), (np.complex64, 5.1e6)]
)
def test_window_kernel_agrees_with_the_portable_one_and_the_naive_sum(
    rng, monkeypatch, case, dtype, center_hz
):
    grid, probe, n_samples = CASES[case]
    data = noise(rng, dtype, (3, probe.n_elements, n_samples))
    for window, weight in (("boxcar", np.ones_like), ("hann", lambda u: np.cos(np.pi * u / 2) ** 2)):
        for compound in (True, False):
            settings = {"window": window, "center_hz": center_hz, "compound": compound, "f_number": 1.2}
            monkeypatch.setattr(_kernels_window, "HAS_AVX512", True)
            image = used(monkeypatch, data, probe, grid, **settings)
            monkeypatch.setattr(_kernels_window, "HAS_AVX512", False)
            portable = delay_and_sum(data, probe, WAVES, grid, **settings)
            peak = np.abs(portable).max()
            assert peak > 0
            assert np.abs(image - portable).max() <= 2e-5 * peak
            u_at_the_probe = np.errstate(divide="ignore", invalid="ignore")
            with u_at_the_probe:
                expected = naive_delay_and_sum(
                    data,
                    probe,
                    WAVES,
                    grid,
                    f_number=1.2,
                    weight=lambda u, w=weight: w(np.nan_to_num(u)),
                    sound_speed_m_s=1540.0,
                    center_hz=center_hz,
                )
            expected = expected.sum(0) if compound else expected
            assert np.abs(image - expected).max() <= 1e-5 * np.abs(expected).max()


def used(monkeypatch, data, probe, grid, **settings):
    """The image, after making sure that it came from the window kernel."""
    calls = []
    fits = das._window_fits
    with monkeypatch.context() as patch:
        patch.setattr(das, "_window_fits", lambda *a: calls.append(fits(*a)) or calls[-1])
        image = delay_and_sum(data, probe, WAVES, grid, **settings)
    assert calls == [True]
    return image


@pytest.mark.parametrize("n_frames", [1, 3, 8, 33, 40])
@pytest.mark.parametrize(
    "case", ["odd sizes", "record ends inside", "from the probe on", "less than one block"]
)
def test_ensembles_agree_with_the_portable_kernel_and_the_naive_sum(rng, monkeypatch, case, n_frames):
    """Numbers of frames below, at and beyond whole vectors; the record is read-only."""
    grid, probe, n_samples = CASES[case]
    data = noise(rng, np.complex64, (3, probe.n_elements, n_samples, n_frames))
    data.setflags(write=False)
    for window, center_hz, compound in (("boxcar", 5.1e6, True), ("hann", None, False)):
        settings = {"window": window, "center_hz": center_hz, "compound": compound, "f_number": 1.2}
        monkeypatch.setattr(_kernels_window, "HAS_AVX512", True)
        calls = []
        kernel = das._kernels_frames.sum_frames_complex
        with monkeypatch.context() as patch:
            patch.setattr(das._kernels_frames, "sum_frames_complex", Spy(kernel, calls))
            image = delay_and_sum(data, probe, WAVES, grid, **settings)
        assert calls
        monkeypatch.setattr(_kernels_window, "HAS_AVX512", False)
        portable = delay_and_sum(data, probe, WAVES, grid, **settings)
        assert image.shape == portable.shape
        assert np.abs(image - portable).max() <= 1e-5 * np.abs(portable).max()
        alone = delay_and_sum(data[..., -1], probe, WAVES, grid, **settings)
        assert np.abs(image[..., -1] - alone).max() <= 2e-5 * np.abs(alone).max()


@pytest.mark.parametrize("spacing_mm", [(0.061, 0.155), (0.4, 1.1)], ids=["window", "far apart"])
@pytest.mark.parametrize("n_samples", [173, 420])
def test_ensembles_agree_with_the_naive_sum_at_any_spacing(rng, n_samples, spacing_mm):
    """Pixels so far apart that every one has its samples copied, and a record that ends among them."""
    grid = ImageGrid(shape=(45, 14), spacing_mm=spacing_mm, center_mm=(9.1, 0.4))
    data = noise(rng, np.complex64, (3, PROBE.n_elements, n_samples, 18))
    image = delay_and_sum(data, PROBE, WAVES, grid, f_number=0.93, center_hz=5.1e6)
    for frame in (0, 17):
        expected = naive_delay_and_sum(
            data[..., frame],
            PROBE,
            WAVES,
            grid,
            f_number=0.93,
            weight=np.ones_like,
            sound_speed_m_s=1540.0,
            center_hz=5.1e6,
        ).sum(0)
        assert np.abs(image[..., frame] - expected).max() <= 1e-5 * np.abs(expected).max()


class Spy:
    """A kernel that notes its calls."""

    def __init__(self, kernel, calls):
        self.kernel, self.calls = kernel, calls

    def sized(self, work):
        self.calls.append(work)
        return self.kernel.sized(work)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_read_only_records_are_summed_too(rng, dtype):
    grid, probe, n_samples = CASES["odd sizes"]
    data = noise(rng, dtype, (3, probe.n_elements, n_samples))
    image = delay_and_sum(data, probe, WAVES, grid)
    data.setflags(write=False)
    np.testing.assert_array_equal(delay_and_sum(data, probe, WAVES, grid), image)


@pytest.mark.parametrize("spacing_mm", [0.0715, 0.2])
def test_depths_too_far_apart_take_the_portable_kernel(rng, spacing_mm):
    grid = ImageGrid(shape=(40, 31), spacing_mm=(spacing_mm, 0.155), center_mm=(9.0, 0.4))
    data = noise(rng, np.float32, (3, 17, 420))
    assert not das._window_fits(data, WAVES, grid, WAVES.sampling_hz / 1.54e6)
    expected = naive_delay_and_sum(
        data, PROBE, WAVES, grid, f_number=1.2, weight=np.ones_like, sound_speed_m_s=1540.0
    ).sum(0)
    image = delay_and_sum(data, PROBE, WAVES, grid, f_number=1.2)
    assert np.abs(image - expected).max() <= 1e-5 * np.abs(expected).max()


def test_every_remainder_of_the_widest_steps_lies_in_the_window():
    """At the limit of the rule the last of sixteen depths is still below 31 samples from the first."""
    per_mm = WAVES.sampling_hz / 1.54e6
    limit_mm = 29.0 / (15 * per_mm * (1 + np.cos(WAVES.angles_rad).max()))
    for factor, fits in ((0.9999, True), (1.0001, False)):
        grid = ImageGrid(shape=(40, 3), spacing_mm=(factor * limit_mm, 0.1), center_mm=(9.0, 0.0))
        assert das._window_fits(np.zeros(1, np.float32), WAVES, grid, per_mm) is fits


def test_float64_stays_float64_and_exact(rng):
    grid, probe, n_samples = CASES["odd sizes"]
    data = noise(rng, np.float64, (3, probe.n_elements, n_samples))
    image = delay_and_sum(data, probe, WAVES, grid, f_number=1.2)
    expected = naive_delay_and_sum(
        data, probe, WAVES, grid, f_number=1.2, weight=np.ones_like, sound_speed_m_s=1540.0
    ).sum(0)
    assert np.abs(image - expected).max() <= 1e-10 * np.abs(expected).max()


@pytest.mark.parametrize("spacing_x_mm", [0.155, 0.1237])
@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_window_kernel_gives_the_same_bits_on_one_and_two_threads(rng, dtype, spacing_x_mm):
    probe = LinearArray(n_elements=65, pitch_mm=0.31, center_mm=0.7)
    grid = ImageGrid(shape=(301, 101), spacing_mm=(0.05, spacing_x_mm), center_mm=(10.0, 0.4))
    data = noise(rng, dtype, (3, 65, 400))
    images = []
    for n in (1, 2):
        with imgtech.threads(n):
            images.append(delay_and_sum(data, probe, WAVES, grid))
    assert images[0].tobytes() == images[1].tobytes()
    assert np.abs(images[0]).max() > 0


def test_the_switch_and_the_compiler_settings_turn_the_window_kernels_off():
    code = "from imgtech.recon.ultrasound._kernels_window import HAS_AVX512; print(HAS_AVX512)"
    for settings, expected in (
        ({}, "True"),
        ({"IMGTECH_AVX512": "0"}, "False"),
        ({"NUMBA_CPU_NAME": "generic"}, "False"),
        ({"NUMBA_CPU_FEATURES": "+sse2,+avx2"}, "False"),
    ):
        out = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | settings,
            capture_output=True,
            text=True,
            check=True,
        )
        assert out.stdout.strip() == expected, settings
