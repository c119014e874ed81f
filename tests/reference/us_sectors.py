"""The ultrasound twin before a convex probe: beams of a fan, scan-converted into a frame of a scanner."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins import Placement, UsTwin
from reference.us_twins import grey

_FWHM = math.sqrt(8 * math.log(2))


@dataclass(frozen=True, kw_only=True)
class Fan:
    """Beams of a convex probe of a radius; depth counts from the middle of its front."""

    radius_mm: float = 55.0
    half_angle_rad: float = math.radians(31.0)
    depth_mm: float = 84.0
    step_mm: float = 0.1
    n_beams: int = 320

    @property
    def ranges_mm(self) -> np.ndarray:
        """Distance of samples from the centre of the arc."""
        return self.radius_mm + self.step_mm * np.arange(round(self.depth_mm / self.step_mm))

    @property
    def angles_rad(self) -> np.ndarray:
        """Directions of the beams."""
        return np.linspace(-self.half_angle_rad, self.half_angle_rad, self.n_beams)

    def envelope(self, twin: UsTwin, placement: Placement, rng: np.random.Generator) -> np.ndarray:
        """Samples ``(range, beam)``: tissue and wires behind a point response along and across the beams."""
        r, a = self.ranges_mm, self.angles_rad
        y, x = r[:, None] * np.cos(a) - self.radius_mm, r[:, None] * np.sin(a)
        tissue = self._blurred(twin, self._white(rng) * twin._strength(y, x, placement))
        for cy, cx in twin.places_mm(twin.drawing.wires_mm, placement):
            away, turn = math.hypot(cy + self.radius_mm, cx), math.atan2(cx, cy + self.radius_mm)
            wide = float(twin.lateral_width_mm(away - self.radius_mm)) / _FWHM
            wave = 10 ** (twin.wire_db / 20) * np.exp(2j * math.pi * rng.uniform())
            along = np.exp(-((r - away) ** 2) / (2 * (twin.axial_fwhm_mm / _FWHM) ** 2))
            tissue += wave * along[:, None] * np.exp(-((away * (a - turn)) ** 2) / (2 * wide**2))
        rise = twin.noise_slope_db_per_mm * (r - self.radius_mm - twin.noise_depth_mm)
        return np.abs(tissue + 10 ** (rise / 20)[:, None] * self._blurred(twin, self._white(rng)))

    def _white(self, rng: np.random.Generator) -> np.ndarray:
        shape = self.ranges_mm.size, self.n_beams
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / math.sqrt(2)

    def _blurred(self, twin: UsTwin, values: np.ndarray) -> np.ndarray:
        r = self.ranges_mm
        sigma = twin.axial_fwhm_mm / _FWHM / self.step_mm
        lags = np.arange(-math.ceil(4 * sigma), math.ceil(4 * sigma) + 1)
        kernel = np.exp(-(lags**2) / (2 * sigma**2))
        along = ndimage.convolve1d(values, kernel / math.sqrt(float(kernel @ kernel)), axis=0, mode="reflect")
        step = r * (self.angles_rad[1] - self.angles_rad[0])
        widths = twin.lateral_width_mm(r - self.radius_mm) / _FWHM / step
        gain = np.exp(-2 * (math.pi * widths[:, None] * fft.fftfreq(self.n_beams)) ** 2)
        gain /= np.sqrt((gain**2).mean(axis=1, keepdims=True))
        return fft.ifft(fft.fft(along, axis=1) * gain, axis=1)

    def picture(self, samples: np.ndarray, grid: ImageGrid) -> np.ndarray:
        """Samples at the pixels of a grid, linear between them; 0 outside the fan."""
        y, x = grid.coordinates_mm
        away, turn = (
            np.hypot(y[:, None] + self.radius_mm, x),
            np.arctan2(x + 0 * y[:, None], y[:, None] + self.radius_mm),
        )
        at = [
            (away - self.radius_mm) / self.step_mm,
            (turn + self.half_angle_rad) / (2 * self.half_angle_rad) * (self.n_beams - 1),
        ]
        return ndimage.map_coordinates(samples, at, order=1, cval=0.0)

    def grid(self, spacing_mm: float) -> ImageGrid:
        """Square pixels of the smallest frame around the fan."""
        top = self.radius_mm * (math.cos(self.half_angle_rad) - 1)
        side = (self.radius_mm + self.depth_mm) * math.sin(self.half_angle_rad)
        n = (math.ceil((self.depth_mm - top) / spacing_mm), math.ceil(2 * side / spacing_mm))
        return ImageGrid(
            shape=n, spacing_mm=(spacing_mm, spacing_mm), center_mm=((top + self.depth_mm) / 2, 0.0)
        )


def sector_levels(
    twin: UsTwin,
    place: Placement,
    rng: np.random.Generator,
    *,
    fan: Fan,
    spacing_mm: float,
    span_db: float = 70.0,
) -> tuple[np.ndarray, ImageGrid]:
    """Grey levels of the fan, scan-converted as a scanner does it: of the decibels; black outside."""
    samples = fan.envelope(twin, place, rng)
    grid = fan.grid(spacing_mm)
    levels = fan.picture(grey(samples, 70.0, 1.05 * float(samples.max())), grid)
    return np.rint(levels), grid
