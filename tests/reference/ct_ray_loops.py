"""Distance-driven projection from a point source the plain way: float64, pixel by pixel."""

from __future__ import annotations

import math

import numpy as np


def fan_loop(image, beam, grid):
    """Mean line integrals: every plane of pixels counts where the rays through a channel's edges cross it."""
    sinogram = np.zeros(beam.shape)
    for view in range(beam.n_views):
        for channel in range(beam.n_channels):
            for plane, pixel, share, length, _ in _crossings(beam, grid, view, channel, (0.0, 0.0, 0.0)):
                value = image[plane, pixel] if length > 0 else image[pixel, plane]
                sinogram[view, channel] += abs(length) * share * value
    return sinogram


def cone_loop(volume, beam, grid):
    """The same for a volume; rows count between the heights of their edges on the channel's middle ray."""
    z_mm, d_z = grid.coordinates_mm[0], grid.spacing_mm[0]
    data = np.zeros(beam.shape)
    for view in range(beam.n_views):
        shift = beam.focal_shift_mm[view]
        source_z = beam.source_z_mm[view] + shift[0]
        for channel in range(beam.n_channels):
            for plane, pixel, share, length, (part, way) in _crossings(beam, grid, view, channel, shift):
                for row, v in enumerate(beam.rows_mm):
                    rise = v - shift[0]
                    low = source_z + part * (rise - beam.row_height_mm / 2)
                    high = source_z + part * (rise + beam.row_height_mm / 2)
                    slant = math.hypot(way, rise) / way
                    for k, z in enumerate(z_mm):
                        shared = _shared(low, high, z, d_z) / (high - low)
                        value = volume[k, plane, pixel] if length > 0 else volume[k, pixel, plane]
                        data[view, row, channel] += abs(length) * slant * share * shared * value
    return data


def _shared(low, high, center, width):
    return max(0.0, min(high, center + width / 2) - max(low, center - width / 2))


def _crossings(beam, grid, view, channel, shift):
    """Plane, pixel, share of the channel, length between planes (negative for planes of constant x), way."""
    angle = beam.angles_rad[view]
    ahead, aside = (-math.sin(angle), math.cos(angle)), (math.cos(angle), math.sin(angle))  # (x, y)

    def place(forward, sideways):
        return np.array([forward * ahead[i] + sideways * aside[i] for i in (0, 1)])

    def element(u):
        if beam.detector == "flat":
            return place(beam.source_detector_mm - beam.source_axis_mm, u)
        g = u / beam.source_detector_mm
        far = beam.source_detector_mm
        return place(far * math.cos(g) - beam.source_axis_mm, far * math.sin(g))

    source = place(shift[1] - beam.source_axis_mm, shift[2])
    u = beam.channels_mm[channel]
    ways = [element(u + s * beam.channel_width_mm / 2) - source for s in (-1, 0, 1)]
    (y_mm, x_mm), (d_y, d_x) = grid.coordinates_mm[-2:], grid.spacing_mm[-2:]
    by_y = abs(ways[1][0]) / d_x <= abs(ways[1][1]) / d_y
    across, along = (0, 1) if by_y else (1, 0)
    planes_mm, pixels_mm, d_plane, d_pixel = (y_mm, x_mm, d_y, d_x) if by_y else (x_mm, y_mm, d_x, d_y)
    way = math.hypot(*ways[1])
    length = d_plane * way / abs(ways[1][along])
    for plane, position in enumerate(planes_mm):
        low, high = sorted(
            source[across] + (position - source[along]) * w[across] / w[along] for w in (ways[0], ways[2])
        )
        part = (position - source[along]) / ways[1][along]
        for pixel, center in enumerate(pixels_mm):
            share = _shared(low, high, center, d_pixel) / (high - low)
            if share > 0 and part > 0:
                yield plane, pixel, share, length if by_y else -length, (part, way)
