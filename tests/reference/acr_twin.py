"""A digital ACR large phantom in closed form: each slice is a sum of spectra, sampled like a scanner does.

Everything is a disk or a box with a known Fourier transform, turned and shifted in k-space; the image is
the inverse DFT of the truncated k-space, with complex noise, as a magnitude. Sizes are those of the drawing
the protocol uses; the slice thickness is set by the length of the lit parts of the ramps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from imgtech.io import Series, SeriesTags


@dataclass(frozen=True, kw_only=True)
class Twin:
    """Truth of a scan."""

    diameter_mm: float = 190.0
    ellipticity_mm: float = 0.0
    upper_mm: float = 52.0
    lower_mm: float = 48.0
    edge_mm: float = 6.0
    bars_mm: tuple[float, float] = (0.0, 0.0)
    angle_rad: float = 0.0
    mirrored: bool = False
    center_mm: tuple[float, float] = (0.0, 0.0)
    shape: tuple[int, int] = (256, 256)
    spacing_mm: tuple[float, float] = (0.9765625, 0.9765625)
    sigma: float = 0.0
    bubble: bool = False
    block_mm: float = 0.8

    @property
    def thickness_mm(self) -> float:
        """0.2 T B / (T + B)."""
        return 0.2 * self.upper_mm * self.lower_mm / (self.upper_mm + self.lower_mm)

    def slice(self, role: int, rng: np.random.Generator) -> np.ndarray:
        """Magnitude image of slice 1, 5, 7 or 11."""
        fy, fx = (
            np.fft.fftfreq(n, d)[s]
            for n, d, s in zip(
                self.shape, self.spacing_mm, ((slice(None), None), (None, slice(None))), strict=True
            )
        )
        c, s = math.cos(self.angle_rad), math.sin(self.angle_rad)
        fu, fv = fx * c + fy * s, fy * c - fx * s
        fu = -fu if self.mirrored else fu
        spectrum = sum(self._shapes(role, fv, fu))
        n = self.shape
        middle = [(k - 1) / 2 * d for k, d in zip(n, self.spacing_mm, strict=True)]
        shift = np.exp(
            -2j * np.pi * (fy * (middle[0] + self.center_mm[0]) + fx * (middle[1] + self.center_mm[1]))
        )
        image = np.fft.ifft2(spectrum * shift) / (self.spacing_mm[0] * self.spacing_mm[1])
        noise = rng.standard_normal((2, *n)) * self.sigma
        return np.abs(1000.0 * image + noise[0] + 1j * noise[1])

    def series(self, rng: np.random.Generator, *, reverse: bool = False) -> Series:
        """Slices 1, 5, 7 and 11 at 0, 40, 60 and 100 mm."""
        pixels = np.stack([self.slice(role, rng) for role in (1, 5, 7, 11)])
        positions = np.array([-30.0, 10.0, 30.0, 70.0])
        if reverse:
            pixels, positions = pixels[::-1], -positions[::-1]
        return Series(
            pixels=pixels,
            spacing_mm=self.spacing_mm,
            positions_mm=positions,
            slice_thickness_mm=5.0,
            modality="MR",
            tags=SeriesTags(field_strength_t=1.5),
        )

    def _shapes(self, role: int, fv: np.ndarray, fu: np.ndarray) -> list[np.ndarray]:
        a, b = self.diameter_mm / 2 + self.ellipticity_mm, self.diameter_mm / 2
        shapes = [disk(fv, fu, (b, a))]
        if self.bubble:
            shapes.append(-box(fv, fu, (-93.5, 0.0), (6.0, 44.0)))
        if role == 1:
            shapes += [
                -box(fv, fu, (self.block_mm, 0.0), (11.5, 178.6)),
                -box(fv, fu, (38.2, -0.5), (38.0, 113.8)),
                -disk(fv, fu, (19.0, 19.0), (-45.1, -45.2)),
                disk(fv, fu, (12.5, 12.5), (-45.1, -45.2)),
                0.15 * ramp(fv, fu, (self.block_mm - 2.8, 3.0), (5.0, self.upper_mm), self.edge_mm),
                0.15 * ramp(fv, fu, (self.block_mm + 2.8, -4.0), (5.0, self.lower_mm), self.edge_mm),
            ]
        if role in (1, 11):
            longer = self.bars_mm[0 if role == 1 else 1]
            for side in (-1, 1):
                length = 31.0 + side * longer / 2
                shapes.append(-ramp_v(fv, fu, (-94.0 + length / 2, side * 2.85), (length, 5.7), 5.0))
        if role == 7:
            shapes.append(-box(fv, fu, (-87.0, 0.0), (15.0, 11.5)))
        return shapes


def box(fv, fu, center, size):
    """Spectrum of a box."""
    here = np.sinc(fv * size[0]) * np.sinc(fu * size[1]) * size[0] * size[1]
    return here * np.exp(-2j * np.pi * (fv * center[0] + fu * center[1]))


def ramp(fv, fu, center, size, edge):
    """Spectrum of a box whose ends along u fall linearly over ``edge``: half height at the ends."""
    return box(fv, fu, center, size) * np.sinc(fu * edge)


def ramp_v(fv, fu, center, size, edge):
    """The same with soft ends along v."""
    return box(fv, fu, center, size) * np.sinc(fv * edge)


def disk(fv, fu, radii, center=(0.0, 0.0)):
    """Spectrum of an ellipse."""
    q = 2 * np.pi * np.hypot(fv * radii[0], fu * radii[1])
    q = np.where(q < 1e-9, 1e-9, q)
    here = 2 * special.j1(q) / q * np.pi * radii[0] * radii[1]
    return here * np.exp(-2j * np.pi * (fv * center[0] + fu * center[1]))
