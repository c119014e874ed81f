"""Delay-and-sum as one writes it down: loops over transmits and elements, everything in float64."""

from __future__ import annotations

import numpy as np


def naive_delay_and_sum(data, probe, waves, grid, *, f_number, weight, sound_speed_m_s, center_hz=None):
    """Images of every transmit ``(transmit, z, x[, frame])``; ``weight(u)`` is the window."""
    data = np.asarray(data, dtype=np.complex128 if np.iscomplexobj(data) else np.float64)
    z, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    n_samples = data.shape[2]
    images = np.zeros((data.shape[0], *grid.shape, *data.shape[3:]), dtype=data.dtype)
    for k, angle in enumerate(waves.angles_rad):
        for e, x_e in enumerate(probe.elements_mm):
            path_mm = x * np.sin(angle) + z * np.cos(angle) + np.sqrt((x - x_e) ** 2 + z**2)
            time_s = path_mm * 1e-3 / sound_speed_m_s + waves.pulse_delay_s
            position = (time_s - waves.start_s[k]) * waves.sampling_hz
            recorded = (position >= 0) & (position <= n_samples - 1)
            index = np.clip(np.floor(position).astype(int), 0, n_samples - 2)
            fraction = position - index
            w = np.where(recorded & (np.abs(x - x_e) * 2 * f_number <= z), 1.0, 0.0)
            w = w * weight(np.minimum(np.abs(x - x_e) * 2 * f_number / z, 1.0))
            if center_hz is not None:
                w = w * np.exp(2j * np.pi * center_hz * time_s)
            shape = fraction.shape + (1,) * (data.ndim - 3)
            fraction, w = fraction.reshape(shape), w.reshape(shape)
            images[k] += w * ((1 - fraction) * data[k, e, index] + fraction * data[k, e, index + 1])
    return images
