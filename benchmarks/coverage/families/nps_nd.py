"""Noise power of lines and volumes, cuts along axes, and numbers of independent pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from simulate import Setting

from imgtech.qc import Measurement
from imgtech.qc.metrics import (
    independent_pixels,
    line_noise_power,
    noise_power_along,
    noise_power_spectrum,
    volume_noise_power,
)

SPACING = (0.9, 0.6, 0.45)


def settings() -> Iterator[Setting]:
    yield from lines()
    yield from volumes()
    yield from planes()


def drawn(
    rng: np.random.Generator, shape: tuple[int, ...], spacing: tuple[float, ...], power: Callable
) -> np.ndarray:
    """Noise with a spectrum in closed form, periodic over the whole shape."""
    axes = np.meshgrid(*(np.fft.fftfreq(n, d) for n, d in zip(shape, spacing, strict=True)), indexing="ij")
    gain = np.sqrt(power(*axes) / math.prod(spacing))
    return np.fft.ifftn(np.fft.fftn(rng.standard_normal(shape)) * gain).real


def smooth(widths: tuple[float, ...]) -> Callable:
    """Three times a Gaussian in every frequency, on a white floor."""

    def power(*f: np.ndarray) -> np.ndarray:
        total = sum((w * g) ** 2 for w, g in zip(widths, f, strict=True))
        return 3 * np.exp(-((2 * np.pi) ** 2) * total) + 0.3

    return power


def lines() -> Iterator[Setting]:
    for n, length, width, detrend in (
        (60, 64, 0.0, "mean"),
        (120, 48, 0.25, "plane"),
        (200, 72, 0.4, "mean"),
    ):
        power = smooth((width,))

        def once(
            rng: np.random.Generator,
            n: int = n,
            length: int = length,
            power: Callable = power,
            detrend: str = detrend,
        ) -> Measurement:
            long = drawn(rng, (n * length,), (0.45,), power)
            return line_noise_power(70 + long.reshape(n, length), 0.45, detrend=detrend).at(0.4)

        about = f"{n} lines of {length}, noise of {width:g} mm, detrend {detrend}"
        yield Setting("NPS of lines at 0.4 per mm", about, float(power(np.array(0.4))), once,
                      of=("line_noise_power", "SpectralCurve.at"))  # fmt: skip


def volumes() -> Iterator[Setting]:
    for n, widths, detrend in ((3, (0.0, 0.0, 0.0), "mean"), (6, (0.5, 0.35, 0.3), "plane"),
                               (4, (0.9, 0.2, 0.5), "mean")):  # fmt: skip
        power = smooth(widths)
        shape = (n * 14, 20, 18)
        axes = np.meshgrid(
            *(np.fft.fftfreq(m, d) for m, d in zip((280, 200, 180), SPACING, strict=True)), indexing="ij"
        )
        truth = float(power(*axes).mean()) / math.prod(SPACING)

        def once(
            rng: np.random.Generator,
            n: int = n,
            shape: tuple[int, ...] = shape,
            power: Callable = power,
            detrend: str = detrend,
        ) -> Measurement:
            big = drawn(rng, (shape[0], 40, 36), SPACING, power)[:, :20, :18]
            return volume_noise_power(big.reshape(n, 14, 20, 18), SPACING, detrend=detrend).variance()

        about = f"{n} volumes, noise of {widths[0]:g}, {widths[1]:g}, {widths[2]:g} mm, detrend {detrend}"
        yield Setting("variance of a voxel", about, truth, once,
                      of=("volume_noise_power", "VolumeNPS.variance"))  # fmt: skip


def planes() -> Iterator[Setting]:
    """Regions cut out of one image: a cut along x, and the independent pixels of a rectangle."""
    spacing, f = SPACING[1:], 0.5
    for n, widths in ((4, (0.2, 0.15)), (6, (0.35, 0.3)), (8, (0.25, 0.6))):
        power = smooth(widths)
        shape = (n * 48, 4 * 56)
        # a line at the height v away from the axis is read at f^2 = u^2 + v^2
        rows = np.arange(1, 4) / (48 * spacing[0])
        along = math.sqrt(f**2 - float(np.mean(rows) ** 2))
        cut = float(np.mean([power(np.array(v), np.array(along)) for v in rows]))
        # autocovariance of a large image
        fy, fx = (np.fft.fftfreq(m, d) for m, d in zip((480, 480), spacing, strict=True))
        covariance = np.fft.ifft2(power(fy[:, None], fx)).real
        flat = covariance / covariance[0, 0]
        region = np.ones((24, 30))
        lag_y, lag_x = np.arange(-23, 24), np.arange(-29, 30)
        pairs = np.outer(24 - np.abs(lag_y), 30 - np.abs(lag_x))
        near = flat[np.ix_(lag_y % 480, lag_x % 480)]
        truth = {
            "NPS along x at 0.5 per mm": cut,
            "independent pixels, mean": 720**2 / float((pairs * near).sum()),
            "independent pixels, variance": 720**2 / float((pairs * near**2).sum()),
        }

        def once(
            rng: np.random.Generator,
            shape: tuple[int, int] = shape,
            n: int = n,
            power: Callable = power,
            region: np.ndarray = region,
        ) -> dict[str, Measurement]:
            field = drawn(rng, shape, spacing, power)
            blocks = field.reshape(n, 48, 4, 56).transpose(0, 2, 1, 3).reshape(-1, 48, 56)
            nps = noise_power_spectrum(blocks, spacing)
            return {
                "NPS along x at 0.5 per mm": noise_power_along(nps, "x", n_lines=3).at(f),
                "independent pixels, mean": independent_pixels(nps, region),
                "independent pixels, variance": independent_pixels(nps, region, of="variance"),
            }

        about = f"{4 * n} regions, noise of {widths[0]:g} and {widths[1]:g} mm"
        yield Setting("", about, truth, once,
                      of=("noise_power_along", "SpectralCurve.at", "independent_pixels"))  # fmt: skip
