"""Parallel-beam CT the plain way: float64, one ray or one pixel at a time, formulas as in the textbook."""

from __future__ import annotations

import math

import numpy as np


def ramp_at(position_mm, spacing_mm):
    """Kak and Slaney, chapter 3, equation 60: the band-limited ramp at any distance."""
    u = 1.0 / (2.0 * spacing_mm)
    return 2 * u**2 * np.sinc(2 * u * position_mm) - u**2 * np.sinc(u * position_mm) ** 2


def fbp_loop(sinogram, beam, grid, weights_rad):
    """Filtered back-projection with the filtered projection evaluated exactly at every pixel's ray."""
    y_mm, x_mm = grid.coordinates_mm
    image = np.zeros(grid.shape)
    for row, y in enumerate(y_mm):
        for column, x in enumerate(x_mm):
            for view, angle in enumerate(beam.angles_rad):
                s = x * math.cos(angle) + y * math.sin(angle)
                if beam.channels_mm[0] <= s <= beam.channels_mm[-1]:
                    kernel = ramp_at(s - beam.channels_mm, beam.channel_spacing_mm)
                    filtered = beam.channel_spacing_mm * float(sinogram[view] @ kernel)
                    image[row, column] += weights_rad[view] * filtered
    return image


def fbp_waves(sinogram, beam, grid, weights_rad, response):
    """Sum over views of the filtered projections as sums of the waves of their padded FFT, to rounding."""
    n = 2 * (len(response) - 1)
    amplitudes = np.fft.rfft(sinogram.astype(np.float64), n, axis=-1) * response * 2 / n
    amplitudes[:, [0, -1]] /= 2
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    image = np.zeros(grid.shape)
    for weight, angle, waves in zip(weights_rad, beam.angles_rad, amplitudes, strict=True):
        channel = (x * math.cos(angle) + y * math.sin(angle) - beam.channels_mm[0]) / beam.channel_spacing_mm
        turn, total = np.exp(2j * np.pi * channel / n), np.zeros(grid.shape, complex)
        for amplitude in waves[::-1]:
            total = total * turn + amplitude
        image += weight * total.real
    return image


def backproject_loop(sinogram, beam, grid):
    """Sum of the projections at every pixel's ray, linear between channels, zero off the detector."""
    reach_mm = beam.n_channels * beam.channel_spacing_mm / 2
    y_mm, x_mm = grid.coordinates_mm
    image = np.zeros(grid.shape)
    for row, y in enumerate(y_mm):
        for column, x in enumerate(x_mm):
            for view, angle in enumerate(beam.angles_rad):
                s = x * math.cos(angle) + y * math.sin(angle)
                if abs(s - beam.detector_offset_mm) <= reach_mm:
                    image[row, column] += np.interp(s, beam.channels_mm, sinogram[view])
    return image


def project_loop(image, beam, grid):
    """Distance-driven projection: every pixel casts a box, every channel takes what falls on it."""
    y_mm, x_mm = grid.coordinates_mm
    d_y, d_x = grid.spacing_mm
    sinogram = np.zeros(beam.shape)
    for view, angle in enumerate(beam.angles_rad):
        box = max(abs(d_x * math.cos(angle)), abs(d_y * math.sin(angle)))
        for row, y in enumerate(y_mm):
            for column, x in enumerate(x_mm):
                s = x * math.cos(angle) + y * math.sin(angle)
                for channel, t in enumerate(beam.channels_mm):
                    low = max(s - box / 2, t - beam.channel_width_mm / 2)
                    high = min(s + box / 2, t + beam.channel_width_mm / 2)
                    share = max(0.0, high - low) / box / beam.channel_width_mm
                    sinogram[view, channel] += image[row, column] * d_y * d_x * share
    return sinogram
