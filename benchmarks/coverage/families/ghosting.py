"""Ghosting: a disk with a ghost of known height above and below it, ghosts in regions and of EPI."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from simulate import Setting, noise

from imgtech.geometry import ImageGrid
from imgtech.qc import Measurement
from imgtech.qc.metrics import ghost_ratio, nyquist_ghost, percent_signal_ghosting
from imgtech.qc.roi import disk_region


def settings() -> Iterator[Setting]:
    grid = ImageGrid(shape=(160, 170), spacing_mm=(1.6, 1.5), center_mm=(3.0, -7.0))
    center, radius = (5.0, -6.0), 95.0
    phantom = disk_region(grid, center_mm=center, radius_mm=radius)
    y = grid.coordinates_mm[0][:, None] - center[0]
    ghost = (np.abs(y) > radius) * np.ones(grid.shape)
    for height, blur in ((0.0, 0.0), (4.0, 0.0), (1.5, 0.7)):

        def once(rng: np.random.Generator, height: float = height, blur: float = blur) -> Measurement:
            # noise is small against the offset, so the magnitude is Gaussian and the truth exact
            image = 200 * phantom + 50 + height * ghost + noise(rng, grid.shape, blur)
            return percent_signal_ghosting(image, grid, center_mm=center, radius_mm=radius)

        truth = 100 * (2 * height) / (2 * 250.0)
        yield Setting("PSG", f"{truth:g} %, blur {blur:g} px", truth, once, of=("percent_signal_ghosting",))
    yield from power()


def power() -> Iterator[Setting]:
    """Magnitude images in which ghost and noise add up as complex numbers."""
    shape = (96, 90)
    object_, ghost, air = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    object_[30:62, 22:66], air[:, :16] = 1, 1
    ghost[2:26, 24:64] = 1
    for ratio, snr in ((0.0, 80.0), (1.5, 60.0), (4.0, 120.0)):

        def once(rng: np.random.Generator, ratio: float = ratio, snr: float = snr) -> Measurement:
            field = snr * (object_ + ratio / 100 * np.exp(0.7j) * ghost)
            field = field + noise(rng, shape, 0.0) + 1j * noise(rng, shape, 0.0)
            return ghost_ratio(np.abs(field), object_, ghost, air)

        def shifted(rng: np.random.Generator, ratio: float = ratio, snr: float = snr) -> Measurement:
            field = snr * (object_ + ratio / 100 * np.exp(0.7j) * np.roll(object_, 48, axis=0))
            field = field + noise(rng, shape, 0.0) + 1j * noise(rng, shape, 0.0)
            return nyquist_ghost(np.abs(field), object_, air)

        about = f"{ratio:g} %, SNR {snr:g}"
        yield Setting("ghost ratio", about, ratio, once, of=("ghost_ratio",))
        yield Setting("Nyquist ghost", about, ratio, shifted, of=("nyquist_ghost",))
