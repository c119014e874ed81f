"""Slice width and position from crossed ramps, plates and wedges."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import ndimage, special
from simulate import Setting

from imgtech.qc import Measurement
from imgtech.qc.metrics import plate_signal, ramp_signal, slice_position, slice_thickness, slice_width


def settings() -> Iterator[Setting]:
    yield from plates()
    yield from bright()


def plates() -> Iterator[Setting]:
    """Dark traces of two plates in water under the curved sensitivity of a coil."""
    x = np.arange(-60.0, 60.0, 0.9)
    level = 550 + x + 0.04 * x**2

    def trace(length: float, middle: float) -> np.ndarray:
        dark = special.ndtr((x - middle + length / 2) / 4) * special.ndtr((middle + length / 2 - x) / 4.4)
        return level * (1 - 0.25 * dark)

    for width, tilt, position, spread in (
        (5.0, 0.0, 1.7, 1.0),
        (4.0, 0.03, -0.6, 2.0),
        (6.0, -0.05, 0.0, 4.0),
    ):
        alpha = math.radians(11.3)
        lengths = [width / math.tan(alpha + t) for t in (tilt, -tilt)]
        tilted = [trace(length, 2.0) for length in lengths]
        shifted = [trace(25.0, 4.0 + side * position / 0.2) for side in (1, -1)]

        def of_width(
            rng: np.random.Generator,
            profiles: list[np.ndarray] = tilted,
            lengths: list[float] = lengths,
            spread: float = spread,
        ) -> Measurement:
            found = [
                plate_signal(x, p + spread * rng.standard_normal(len(x)), expected_mm=1.05 * length)
                for p, length in zip(profiles, lengths, strict=True)
            ]
            return slice_width(*found)

        def of_place(
            rng: np.random.Generator, profiles: list[np.ndarray] = shifted, spread: float = spread
        ) -> Measurement:
            found = [
                plate_signal(x, p + spread * rng.standard_normal(len(x)), expected_mm=24.0) for p in profiles
            ]
            return slice_position(*found, slope=0.2, crossing_mm=1.0)

        about = f"{width:g} mm, tilt {tilt:g} rad, noise {spread:g} of 550"
        yield Setting("slice width, plates", about, width, of_width, of=("plate_signal", "slice_width"))
        about = f"{position:g} mm, noise {spread:g} of 550"
        yield Setting("slice position", about, position, of_place, of=("plate_signal", "slice_position"))


def bright() -> Iterator[Setting]:
    """Bright ramps in the magnitude image of a slice with soft ends.

    The signal along a ramp is uneven by a few percent, smooth over a centimetre and alike in all lines, as
    the ringing and shading of real ramps are; it is drawn anew in every run.
    """
    x = np.arange(-75.0, 76.0, 0.55)
    for thickness, unlike, spread, lines in ((5.0, 3.0, 1.0, 6), (4.2, -2.0, 2.0, 8), (5.8, 0.0, 3.0, 10)):
        # lengths T and B with 0.2 T B / (T + B) of the thickness
        mean = 10 * thickness
        lengths = [mean + unlike, mean * (mean + unlike) / (mean + 2 * unlike)]
        profiles = [
            12 + 100 * special.ndtr((x + 2 + length / 2) / 2.5) * special.ndtr((length / 2 - x - 2) / 2.5)
            for length in lengths
        ]

        def once(
            rng: np.random.Generator,
            profiles: list[np.ndarray] = profiles,
            spread: float = spread,
            lines: int = lines,
            mean: float = mean,
        ) -> Measurement:
            found = []
            for p in profiles:
                parts = rng.standard_normal((2, lines, len(x))) * spread
                uneven = ndimage.gaussian_filter1d(rng.standard_normal(len(x)), 8, mode="wrap")
                p = p * (1 + 0.03 * uneven * math.sqrt(2 * math.sqrt(math.pi) * 8))
                found.append(ramp_signal(x, np.hypot(p + parts[0], parts[1]), expected_mm=mean))
            return slice_thickness(*found)

        about = f"{thickness:g} mm, lengths {lengths[0]:.1f} and {lengths[1]:.1f} mm, noise {spread:g} %"
        yield Setting("slice thickness, bright ramps", about, thickness, once,
                      of=("ramp_signal", "slice_thickness"))  # fmt: skip
