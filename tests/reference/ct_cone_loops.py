"""Feldkamp's formula as it is written down, voxel by voxel in double precision."""

import math

import numpy as np

FINE = 16


def fdk_voxels(projections, beam, weights, points_mm):
    """Reconstruct a full or short scan at points ``(n, 3)`` in (z, y, x).

    ``weights`` is ``(view, channel)``, in radians. Rows are filtered by a direct sum with the ramp in
    space, evaluated FINE times as densely by trigonometric interpolation, and read by linear interpolation;
    between rows the interpolation is linear.
    """
    data = np.array(projections, dtype=np.float64)
    u, v = beam.channels_mm, beam.rows_mm
    near, far, d = beam.source_axis_mm, beam.source_detector_mm, beam.channel_spacing_mm
    flat = beam.detector == "flat"
    for i, vv in enumerate(v):
        cosine = far / np.sqrt(far**2 + u**2 + vv**2) if flat else np.cos(u / far) * far / np.hypot(far, vv)
        data[:, i] *= cosine * weights
    n = len(u)
    lag = np.arange(-2 * n, 2 * n)
    kernel = np.where(lag % 2 == 1, -1.0 / (np.pi * np.where(lag == 0, 1, lag) * d) ** 2, 0.0)
    kernel[2 * n] = 1.0 / (4 * d * d)
    if not flat:
        angle = np.abs(lag) * d / far
        kernel *= np.where(angle < np.pi / 2, 1.0 / np.sinc(np.minimum(angle, np.pi / 2) / np.pi) ** 2, 0.0)
    response = np.fft.fft(np.fft.ifftshift(kernel)) * d
    spectrum = np.fft.fft(data, 4 * n, axis=-1) * response
    middle = spectrum[..., 2 * n] / 2
    wide = np.zeros((*data.shape[:2], 4 * n * FINE), dtype=complex)
    wide[..., : 2 * n], wide[..., -2 * n :] = spectrum[..., : 2 * n], spectrum[..., 2 * n :]
    wide[..., 2 * n], wide[..., -2 * n] = middle, middle
    fine = FINE * np.fft.ifft(wide, axis=-1).real
    out = np.zeros(len(points_mm))
    for view, (beta, source_z) in enumerate(zip(beam.angles_rad, beam.source_z_mm, strict=True)):
        for number, (z, y, x) in enumerate(points_mm):
            across = x * math.cos(beta) + y * math.sin(beta)
            along = near - x * math.sin(beta) + y * math.cos(beta)
            distance = along if flat else math.hypot(along, across)
            column = (far * (across / along if flat else math.atan2(across, along)) - u[0]) / d * FINE
            row = ((z - source_z) * far / distance - v[0]) / beam.row_spacing_mm
            i, k = math.floor(row), math.floor(column)
            f, g = row - i, column - k
            k %= 4 * n * FINE
            square = fine[view, i : i + 2, [k, (k + 1) % (4 * n * FINE)]].T
            value = (1 - f) * ((1 - g) * square[0, 0] + g * square[0, 1])
            value += f * ((1 - g) * square[1, 0] + g * square[1, 1])
            out[number] += near * far / distance**2 * value
    return out
