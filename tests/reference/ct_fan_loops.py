"""Fan-beam reconstruction the plain way: float64, pixel by pixel, formulas as in the textbook."""

from __future__ import annotations

import math

import numpy as np

from reference.ct_loops import ramp_at


def fan_fbp_loop(sinogram, beam, grid):
    """Direct fan-beam filtered back-projection of an even full turn, Kak and Slaney, chapter 3.4.

    Flat: cosine weight, ramp on the detector scaled to the axis, weight 1 / U^2. Curved: cosine weight,
    ramp times (g / sin g)^2 / 2 over the fan angle g, weight 1 / distance^2.
    """
    r_mm, l_mm = beam.source_axis_mm, beam.source_detector_mm
    flat = beam.detector == "flat"
    u = beam.channels_mm * (r_mm / l_mm if flat else 1 / l_mm)
    step = beam.channel_spacing_mm * (r_mm / l_mm if flat else 1 / l_mm)
    cosine = r_mm / np.hypot(r_mm, u) if flat else r_mm * np.cos(u)
    y_mm, x_mm = grid.coordinates_mm
    image = np.zeros(grid.shape)
    for row, y in enumerate(y_mm):
        for column, x in enumerate(x_mm):
            for view, beta in enumerate(beam.angles_rad):
                across = x * math.cos(beta) + y * math.sin(beta)
                along = r_mm - x * math.sin(beta) + y * math.cos(beta)
                weighted = sinogram[view] * cosine
                if flat:
                    kernel = ramp_at(r_mm * across / along - u, step)
                    value = float(weighted @ kernel) * step * (r_mm / along) ** 2
                else:
                    gap = math.atan2(across, along) - u
                    kernel = ramp_at(gap, step) / np.sinc(gap / np.pi) ** 2
                    value = float(weighted @ kernel) * step / (across**2 + along**2)
                image[row, column] += value * math.pi / beam.n_views
    return image
