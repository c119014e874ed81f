"""Signal-to-noise ratios: a shaded disk in white, blurred and zero-filled noise."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from simulate import Setting, noise, zero_filled

from imgtech.geometry import ImageGrid
from imgtech.qc import Measurement
from imgtech.qc.metrics import normalised_snr, snr_single_image, snr_smoothing, snr_two_images
from imgtech.qc.roi import disk_region, rectangle_region


def settings() -> Iterator[Setting]:
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

        def normalised(rng: np.random.Generator, pair=pair) -> Measurement:
            return normalised_snr(
                pair(rng),
                pixel_bandwidth_hz=130.0,
                n_rows=120,
                n_columns=132,
                pixel_spacing_mm=(1.5, 1.4),
                slice_thickness_mm=5.0,
                n_averages=2,
                repetition_time_s=0.9,
            )

        factor = math.sqrt(130 * 132 / 2 / 30_000) / (1.5 * 1.4 * 5 / 1000) / math.sqrt(2 * 120 * 0.9)
        yield Setting("normalised SNR", f"SNR {snr:g}, blur {blur:g} px", snr * mean * factor, normalised,
                      of=("normalised_snr",))  # fmt: skip
        yield Setting(
            "SNR, two images", f"SNR {snr:g}, blur {blur:g} px", snr * mean, pair, of=("snr_two_images",)
        )

    def interpolated(rng: np.random.Generator) -> Measurement:
        images = [50 * object_ + zero_filled(rng, grid.shape).real for _ in range(2)]
        return snr_two_images(images[0], images[1], inside)

    yield Setting(
        "SNR, two images", "SNR 50, zero filled 2x", 50 * mean, interpolated, of=("snr_two_images",)
    )

    for snr, blur in ((60.0, 0.0), (60.0, 0.6), (25.0, 0.9)):

        def smooth(rng: np.random.Generator, snr: float = snr, blur: float = blur) -> Measurement:
            return snr_smoothing(snr * object_ + noise(rng, grid.shape, blur), inside)

        yield Setting("SNR, smoothing", f"SNR {snr:g}, blur {blur:g} px", snr * mean, smooth,
                      of=("snr_smoothing",))  # fmt: skip

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

        yield Setting("SNR, one image", f"SNR {snr:g}, {n} channels, {source}", snr, single,
                      of=("snr_single_image",))  # fmt: skip

    def single_zero_filled(rng: np.random.Generator) -> Measurement:
        image = np.abs(30 * bright + zero_filled(rng, grid.shape))
        return snr_single_image(image, inside, air)

    yield Setting("SNR, one image", "SNR 30, zero filled 2x", 30.0, single_zero_filled,
                  of=("snr_single_image",))  # fmt: skip
