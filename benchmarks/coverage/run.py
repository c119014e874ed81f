"""Do 95 % intervals hold the truth? Simulated images with closed-form truth, fixed seeds.

Run ``python benchmarks/coverage/run.py``; the table is printed and written to
``benchmarks/results/coverage.json``. Every line repeats one measurement 500 times with fresh noise and
counts how often the 95 % interval holds the true value. With a true coverage of 95 %, 500 runs give
93 to 97 % (two standard deviations).
"""

from __future__ import annotations

import argparse
import json
import math
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import integrate, ndimage, optimize

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredEdge
from imgtech.qc import Measurement
from imgtech.qc.metrics import (
    cnr,
    ct_noise,
    edge_centre_uniformity,
    noise_power_spectrum,
    percent_integral_uniformity,
    percent_signal_ghosting,
    slanted_edge_mtf,
    snr_single_image,
    snr_smoothing,
    snr_two_images,
)
from imgtech.qc.roi import disk_region, rectangle_region

RESULT = Path(__file__).resolve().parents[1] / "results" / "coverage.json"


@dataclass(frozen=True)
class Setting:
    """One line of the table: what is measured, the truth, and how to measure it once."""

    metric: str
    about: str
    truth: float
    measure: Callable[[np.random.Generator], Measurement]


def noise(rng: np.random.Generator, shape: tuple[int, ...], blur_px: float) -> np.ndarray:
    """Noise of variance 1, white or blurred by a Gaussian."""
    white = rng.standard_normal(shape)
    if blur_px == 0:
        return white
    point = np.zeros((41, 41))
    point[20, 20] = 1
    gain = math.sqrt(float((ndimage.gaussian_filter(point, blur_px) ** 2).sum()))
    return ndimage.gaussian_filter(white, blur_px, mode="wrap") / gain


def zero_filled(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Complex noise of variance 1 a part, interpolated to twice the size by zero filling."""
    half = tuple(n // 2 for n in shape)
    small = rng.standard_normal(half) + 1j * rng.standard_normal(half)
    padded = np.zeros(shape, dtype=complex)
    start = tuple((n - h) // 2 for n, h in zip(shape, half, strict=True))
    padded[start[0] : start[0] + half[0], start[1] : start[1] + half[1]] = small
    return np.fft.ifft2(np.fft.ifftshift(padded)) * shape[0] * shape[1] / math.sqrt(half[0] * half[1])


def snr_settings() -> Iterator[Setting]:
    grid = ImageGrid(shape=(120, 132), spacing_mm=(1.5, 1.4), center_mm=(4.0, -6.0))
    inside = disk_region(grid, center_mm=(6.0, 12.0), radius_mm=55.0)
    air = rectangle_region(grid, center_mm=(4.0, -80.0), size_mm=(150.0, 32.0))
    shading = 1 + 0.002 * grid.coordinates_mm[1]
    object_ = np.ones(grid.shape) * shading
    mean = float(np.vdot(object_, inside) / inside.sum())

    for snr, blur in ((20.0, 0.0), (100.0, 0.0), (50.0, 0.8)):

        def pair(rng: np.random.Generator, snr: float = snr, blur: float = blur) -> Measurement:
            images = [snr * object_ + noise(rng, grid.shape, blur) for _ in range(2)]
            return snr_two_images(images[0], images[1], inside)

        yield Setting("SNR, two images", f"SNR {snr:g}, blur {blur:g} px", snr * mean, pair)

    def interpolated(rng: np.random.Generator) -> Measurement:
        images = [50 * object_ + zero_filled(rng, grid.shape).real for _ in range(2)]
        return snr_two_images(images[0], images[1], inside)

    yield Setting("SNR, two images", "SNR 50, zero filled 2x", 50 * mean, interpolated)

    for blur in (0.0, 0.6):

        def smooth(rng: np.random.Generator, blur: float = blur) -> Measurement:
            return snr_smoothing(60 * object_ + noise(rng, grid.shape, blur), inside)

        yield Setting("SNR, smoothing", f"SNR 60, blur {blur:g} px", 60 * mean, smooth)

    bright = (grid.coordinates_mm[1] > -55)[None, :] * np.ones((120, 1))
    for snr, n, source in ((20.0, 1, "sd"), (40.0, 1, "rms"), (30.0, 4, "rms")):

        def single(
            rng: np.random.Generator, snr: float = snr, n: int = n, source: str = source
        ) -> Measurement:
            part = snr / math.sqrt(n)
            power = sum(
                (part * bright + noise(rng, grid.shape, 0.0)) ** 2 + noise(rng, grid.shape, 0.0) ** 2
                for _ in range(n)
            )
            return snr_single_image(np.sqrt(power), inside, air, n_channels=n, noise_from=source)

        yield Setting("SNR, one image", f"SNR {snr:g}, {n} channels, {source}", snr, single)

    def single_zero_filled(rng: np.random.Generator) -> Measurement:
        image = np.abs(30 * bright + zero_filled(rng, grid.shape))
        return snr_single_image(image, inside, air)

    yield Setting("SNR, one image", "SNR 30, zero filled 2x", 30.0, single_zero_filled)


def uniformity_settings() -> Iterator[Setting]:
    grid = ImageGrid(shape=(118, 126), spacing_mm=(1.6, 1.5), center_mm=(3.0, -7.0))
    center, radius = (5.3, -4.1), 80.0
    region = disk_region(grid, center_mm=center, radius_mm=radius)
    y, x = grid.coordinates_mm[0][:, None] - center[0], grid.coordinates_mm[1] - center[1]
    small = math.sqrt(100 / math.pi)
    along = np.linspace(small - radius, radius - small, 20001)
    cases = ((20.0, 0.0, 0.0, 0.0), (80.0, 0.0, 0.0, 0.0), (40.0, 0.0015, 0.0, 0.0), (50.0, 8e-4, 1e-5, 0.7))
    for snr, slope, bowl, blur in cases:
        profile = 1 + slope * along - bowl * (along**2 + small**2 / 2)
        high, low = float(profile.max()), float(profile.min())
        image = 1 + slope * (x * math.cos(0.4) + y * math.sin(0.4)) - bowl * (x**2 + y**2)

        def once(
            rng: np.random.Generator, image: np.ndarray = image, snr: float = snr, blur: float = blur
        ) -> Measurement:
            noisy = image + noise(rng, grid.shape, blur) / snr
            return percent_integral_uniformity(noisy, grid, region, n_trials=100, rng=rng)

        truth = 100 * (1 - (high - low) / (high + low))
        yield Setting("PIU", f"SNR {snr:g}, truth {truth:.1f} %, blur {blur:g} px", truth, once)


def ghosting_settings() -> Iterator[Setting]:
    grid = ImageGrid(shape=(160, 170), spacing_mm=(1.6, 1.5), center_mm=(3.0, -7.0))
    center, radius = (5.0, -6.0), 95.0
    phantom = disk_region(grid, center_mm=center, radius_mm=radius)
    y = grid.coordinates_mm[0][:, None] - center[0]
    ghost = (np.abs(y) > radius) * np.ones(grid.shape)
    for height in (0.0, 4.0):

        def once(rng: np.random.Generator, height: float = height) -> Measurement:
            # noise is small against the offset, so the magnitude is Gaussian and the truth exact
            image = 200 * phantom + 50 + height * ghost + noise(rng, grid.shape, 0.0)
            return percent_signal_ghosting(image, grid, center_mm=center, radius_mm=radius)

        truth = 100 * (2 * height) / (2 * 250.0)
        yield Setting("PSG", f"{truth:g} %", truth, once)


def mtf_settings() -> Iterator[Setting]:
    spacing = (0.21, 0.19)
    for sigma_px, degrees, contrast_noise, blur in (
        (0.6, 3.0, 20.0, 0.0),
        (1.0, 95.7, 50.0, 0.0),
        (1.4, -6.0, 30.0, 0.7),
    ):
        edge = BlurredEdge(
            angle_rad=math.radians(degrees), position_mm=0.37, low=80.0, high=180.0, sigma_mm=0.2 * sigma_px
        )
        grid = ImageGrid(shape=(128, 120), spacing_mm=spacing)
        clean = edge.image(grid, dtype=np.float64)

        def excess(f: float, edge: BlurredEdge = edge) -> float:
            return float(edge.mtf([f], spacing_mm=spacing)[0]) - 0.5

        def once(
            rng: np.random.Generator,
            clean: np.ndarray = clean,
            cnr: float = contrast_noise,
            blur: float = blur,
        ) -> Measurement:
            image = clean + noise(rng, clean.shape, blur) * 100 / cnr
            return slanted_edge_mtf(image, spacing).at(0.5)

        about = f"sigma {sigma_px:g} px, {degrees:g} deg, CNR {contrast_noise:g}, blur {blur:g} px"
        yield Setting("MTF50", about, float(optimize.brentq(excess, 1e-3, 4.0)), once)


def nps_settings() -> Iterator[Setting]:
    """Regions of 64 by 60 pixels cut out of one image of correlated noise."""
    spacing, shape = (0.6, 0.45), (256, 300)
    f = np.hypot(np.fft.fftfreq(256, spacing[0])[:, None], np.fft.fftfreq(300, spacing[1]))
    highest = 0.5 / spacing[0]
    spectra = {
        "white": lambda f: 3.0 + 0 * f,
        "low-pass": lambda f: 3 * np.exp(-((2 * math.pi * 0.4 * f) ** 2)),
        "ramp": lambda f: 7 * f * np.exp(-((f / 0.4) ** 2) / 2),
    }
    measures = {
        "noise variance": lambda nps: nps.variance(),
        "NPS at 0.4 per mm": lambda nps: nps.at(0.4),
        "NPS mean frequency": lambda nps: nps.mean_frequency(),
        "NPS peak frequency": lambda nps: nps.peak_frequency(),
    }
    for kind, detrend in (("white", "mean"), ("low-pass", "plane"), ("ramp", "mean")):
        spectrum = spectra[kind]
        gain = np.sqrt(spectrum(f) / math.prod(spacing))
        # rings are as wide as the larger frequency step, and the last one lies a ring below the edge
        step = max(1 / (64 * spacing[0]), 1 / (60 * spacing[1]))
        rings = noise_power_spectrum(np.eye(64, 60), spacing).radial_frequencies_per_mm
        assert highest - 2 * step < rings[-1] < highest
        area, moment = (integrate.quad(lambda f, k=k: f**k * spectrum(f), 0, rings[-1])[0] for k in (0, 1))  # noqa: B023
        truths = {
            "noise variance": float((gain**2).mean()),
            "NPS at 0.4 per mm": float(spectrum(0.4)),
            "NPS mean frequency": moment / area,
            "NPS peak frequency": 0.4,
        }
        for metric, measure in measures.items():
            if metric == "NPS peak frequency" and kind != "ramp":
                continue

            def once(
                rng: np.random.Generator,
                gain: np.ndarray = gain,
                detrend: str = detrend,
                measure: Callable = measure,
            ) -> Measurement:
                field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) * gain[:, :151], s=shape)
                blocks = field.reshape(4, 64, 5, 60).transpose(0, 2, 1, 3).reshape(20, 64, 60)
                return measure(noise_power_spectrum(blocks, spacing, detrend=detrend))

            yield Setting(metric, f"{kind} noise, detrend {detrend}", truths[metric], once)


def ct_settings() -> Iterator[Setting]:
    """A rod of 12 HU in water that is 3 HU higher at the left edge than at the centre."""
    grid = ImageGrid(shape=(118, 126), spacing_mm=(0.8, 0.7), center_mm=(3.0, -7.0))
    centre, rod, left, right = (
        disk_region(grid, center_mm=(5.0, x), radius_mm=radius)
        for x, radius in ((-8.0, 14.0), (13.0, 5.0), (-38.0, 8.0), (27.0, 7.0))
    )
    object_ = 12 * (rod > 0) + 3 * (left > 0)
    for sigma, blur in ((6.0, 0.0), (10.0, 0.7), (8.0, 1.1)):

        def scan(rng: np.random.Generator, sigma: float = sigma, blur: float = blur) -> np.ndarray:
            return 4 + object_ + sigma * noise(rng, grid.shape, blur)

        about = f"SD {sigma:g} HU, blur {blur:g} px"
        yield Setting("CT noise", about, sigma, lambda rng, scan=scan: ct_noise(scan(rng), centre))
        yield Setting("CNR", about, 12 / sigma, lambda rng, scan=scan: cnr(scan(rng), rod, centre))
        yield Setting(
            "edge minus centre",
            about,
            3.0,
            lambda rng, scan=scan: edge_centre_uniformity(scan(rng), centre, np.stack([left, right]))[0],
        )


def settings() -> list[Setting]:
    """All lines of the table."""
    return [
        *snr_settings(),
        *uniformity_settings(),
        *ghosting_settings(),
        *mtf_settings(),
        *nps_settings(),
        *ct_settings(),
    ]


def covered(setting: Setting, n_runs: int) -> dict[str, float | str]:
    """Repeat one measurement and count the intervals that hold the truth."""
    rng = np.random.default_rng(zlib.crc32(f"{setting.metric} {setting.about}".encode()))
    hits, values, spreads = 0, [], []
    start = time.perf_counter()
    for _ in range(n_runs):
        m = setting.measure(rng)
        low, high = m.interval(0.95)
        hits += low <= setting.truth <= high
        values.append(m.value)
        spreads.append(m.uncertainty)
    return {
        "metric": setting.metric,
        "setting": setting.about,
        "truth": setting.truth,
        "mean": float(np.mean(values)),
        "scatter": float(np.std(values, ddof=1)),
        "mean_uncertainty": float(np.mean(spreads)),
        "n_runs": n_runs,
        "coverage_percent": 100 * hits / n_runs,
        "seconds": round(time.perf_counter() - start, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    rows = []
    print("| metric | setting | truth | mean | scatter | uncertainty | coverage (%) |")
    print("|---|---|---|---|---|---|---|")
    for setting in settings():
        row = covered(setting, arguments.runs)
        rows.append(row)
        print(
            f"| {row['metric']} | {row['setting']} | {row['truth']:.4g} | {row['mean']:.4g} | "
            f"{row['scatter']:.3g} | {row['mean_uncertainty']:.3g} | {row['coverage_percent']:.1f} |",
            flush=True,
        )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps({"coverage": 0.95, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
