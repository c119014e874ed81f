"""Detectability by models and by images, statistical contrast limits, areas under ROC curves."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import ndimage, stats
from simulate import Setting, noise

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredPoint
from imgtech.qc import Measurement
from imgtech.qc.metrics import (
    EyeFilter,
    GaussianTask,
    auc,
    channelised_hotelling,
    detectability_index,
    detectability_of_auc,
    laguerre_gauss_channels,
    low_contrast_limit,
    noise_power_spectrum,
    wire_mtf,
)
from imgtech.qc.roi import disk_region

POINT = np.zeros((41, 41))
POINT[20, 20] = 1


def settings() -> Iterator[Setting]:
    yield from models()
    yield from images()
    yield from limits()
    yield from areas()


def models() -> Iterator[Setting]:
    """A Gaussian task; the MTF of a noisy wire and the noise power of a few regions."""
    spacing = (0.5, 0.4)
    grid = ImageGrid(shape=(44, 50), spacing_mm=spacing)
    eye = EyeFilter(distance_mm=450.0, magnification=2.0)
    rings = noise_power_spectrum(np.eye(48, 60), spacing).radial_frequencies_per_mm
    f = np.linspace(0, rings[-1], 4001)
    for size, contrast, n_regions, width, peak in ((1.2, 3.0, 12, 0.0, 60.0), (2.0, 1.5, 24, 0.5, 100.0),
                                                   (0.9, 6.0, 40, 0.7, 40.0)):  # fmt: skip
        task = GaussianTask(contrast=contrast, sigma_mm=size)
        wire = BlurredPoint(
            position_mm=(0.13, -0.21), sigma_mm=(0.6, 0.6), total=peak * 2 * math.pi * 0.36, background=5.0
        )
        clean = wire.image(grid, dtype=np.float64)
        # noise with a round Gaussian spectrum, drawn with a period of its own and cut into regions
        shape = (6 * 48, 8 * 60)
        plane = np.hypot(np.fft.fftfreq(shape[0], spacing[0])[:, None], np.fft.fftfreq(shape[1], spacing[1]))

        def power(f: np.ndarray, width: float = width) -> np.ndarray:
            return 1.3 * np.exp(-((2 * np.pi * width * f) ** 2)) + 0.2

        gain = np.sqrt(power(plane) / math.prod(spacing))

        def once(
            rng: np.random.Generator,
            task: GaussianTask = task,
            clean: np.ndarray = clean,
            gain: np.ndarray = gain,
            shape: tuple[int, int] = shape,
            n_regions: int = n_regions,
        ) -> dict[str, Measurement]:
            field = np.fft.irfft2(
                np.fft.rfft2(rng.standard_normal(shape)) * gain[:, : shape[1] // 2 + 1], s=shape
            )
            blocks = field.reshape(6, 48, 8, 60).transpose(0, 2, 1, 3).reshape(-1, 48, 60)[:n_regions]
            nps = noise_power_spectrum(blocks, spacing)
            mtf = wire_mtf(clean + rng.standard_normal(clean.shape), spacing)
            found = {o: detectability_index(task, mtf, nps, observer=o) for o in ("npw", "pw")}
            found["npwe"] = detectability_index(task, mtf, nps, observer="npwe", eye=eye, internal_noise=0.3)
            return found

        transfer = wire.mtf(f, spacing_mm=spacing)
        seen = (task.spectrum(f) * transfer) ** 2 * 2 * np.pi * f
        n, e = power(f), eye(f) ** 2
        truth = {
            "npw": np.trapezoid(seen, f) / math.sqrt(np.trapezoid(seen * n, f)),
            "pw": math.sqrt(np.trapezoid(seen / n, f)),
            "npwe": np.trapezoid(seen * e, f) / math.sqrt(np.trapezoid(seen * (e**2 * n + 0.3 * e), f)),
        }
        yield Setting(
            "d'",
            f"Gaussian of {size:g} mm, {n_regions} regions, noise of {width:g} mm, wire {peak:g} of noise",
            {name: float(t) for name, t in truth.items()},
            once,
            of=("detectability_index",),
        )


def images() -> Iterator[Setting]:
    """A Gaussian signal in blurred noise, read through Laguerre-Gauss channels; the exact covariance."""
    grid = ImageGrid(shape=(24, 26), spacing_mm=(0.8, 0.7), center_mm=(1.0, -2.0))
    center = (1.3, -1.6)
    y, x = grid.coordinates_mm
    square = (y[:, None] - center[0]) ** 2 + (x - center[1]) ** 2
    for n, contrast, blur, n_channels in ((50, 0.5, 0.0, 1), (100, 0.8, 0.8, 3), (200, 0.5, 1.1, 5)):
        signal = contrast * np.exp(-square / (2 * 2.0**2))
        channels = laguerre_gauss_channels(grid, center_mm=center, width_mm=5.0, n_channels=n_channels)
        smooth = ndimage.gaussian_filter(channels, (0, blur, blur), mode="wrap") if blur else channels
        gain = math.sqrt(float((ndimage.gaussian_filter(POINT, blur) ** 2).sum())) if blur else 1.0
        flat = smooth.reshape(n_channels, -1)
        flat = flat / gain
        output = channels.reshape(n_channels, -1) @ signal.ravel()
        truth = math.sqrt(float(output @ np.linalg.solve(flat @ flat.T, output)))

        def once(
            rng: np.random.Generator,
            n: int = n,
            signal: np.ndarray = signal,
            channels: np.ndarray = channels,
            blur: float = blur,
            gain: float = gain,
        ) -> Measurement:
            stack = rng.standard_normal((2 * n, *grid.shape))
            if blur:
                stack = ndimage.gaussian_filter(stack, (0, blur, blur), mode="wrap")
                stack /= gain
            return channelised_hotelling(stack[:n] + signal, stack[n:], channels)

        yield Setting(
            "d' (cho)",
            f"{n} images of a kind, {n_channels} channels, blur {blur:g} px, d' {truth:.2f}",
            truth,
            once,
            of=("channelised_hotelling",),
        )


def limits() -> Iterator[Setting]:
    """Disks as wide as whole pixels, so that all have the same weights."""
    for shape, diameter_px, blur, sigma in (((160, 170), 10, 0.0, 7.0), ((150, 210), 6, 0.8, 5.0),
                                            ((240, 200), 14, 1.2, 9.0)):  # fmt: skip
        grid = ImageGrid(shape=shape, spacing_mm=(0.5, 0.5), center_mm=(3.0, 1.0))
        y, x = grid.coordinates_mm
        shading = 30 + 0.02 * y[:, None] - 0.01 * x
        small = ImageGrid(shape=(diameter_px, diameter_px), spacing_mm=(0.5, 0.5))
        disk = disk_region(small, center_mm=(0.0, 0.0), radius_mm=diameter_px / 4)
        weights = np.pad(disk / disk.sum(), 20)
        if blur:
            point = np.zeros((41, 41))
            point[20, 20] = 1
            weights = ndimage.gaussian_filter(weights, blur)
            weights /= math.sqrt(float((ndimage.gaussian_filter(point, blur) ** 2).sum()))
        truth = 3.29 * sigma * math.sqrt(float((weights**2).sum()))

        def once(
            rng: np.random.Generator,
            grid: ImageGrid = grid,
            shading: np.ndarray = shading,
            diameter_px: int = diameter_px,
            blur: float = blur,
            sigma: float = sigma,
        ) -> Measurement:
            image = shading + sigma * noise(rng, grid.shape, blur)
            return low_contrast_limit(image, grid, diameter_mm=diameter_px / 2)

        about = f"{shape[0]} x {shape[1]} px, disks of {diameter_px} px, blur {blur:g} px"
        yield Setting("contrast limit", about, truth, once, of=("low_contrast_limit",))


def areas() -> Iterator[Setting]:
    """Normal scores of the same variance."""
    for m, n, apart in ((40, 60, 1.0), (100, 80, 1.5), (300, 200, 0.5)):
        truth = float(stats.norm.cdf(apart / math.sqrt(2)))

        def once(
            rng: np.random.Generator, m: int = m, n: int = n, apart: float = apart
        ) -> dict[str, Measurement]:
            x, y = apart + rng.standard_normal(m), rng.standard_normal(n)
            area = auc(x, y)
            return {
                "AUC, DeLong": area,
                "AUC, Hanley and McNeil": auc(x, y, method="hanley-mcneil"),
                "d_A": detectability_of_auc(area),
            }

        yield Setting(
            "",
            f"{m} and {n} cases, {apart:g} apart",
            {"AUC, DeLong": truth, "AUC, Hanley and McNeil": truth, "d_A": apart},
            once,
            of=("auc", "detectability_of_auc"),
        )
