"""Echoes of point scatterers: one Gaussian pulse a scatterer, summed where it arrives."""

import math

import numpy as np
from numba import prange

from imgtech._core.jit import kernel


@kernel(parallel=True)
def gaussian_echoes(
    points_mm, amplitudes, paths_mm, elements_mm, normals, shares, cosine, starts_s,
    speed_mm_s, sampling_hz, pulse_delay_s, center_hz, sigma_s, reach, spreading, out,
):  # fmt: skip
    """Add ``amplitude * pulse(t - tau)`` of every scatterer to every trace of ``out``.

    ``points_mm (n, 3)`` and the ways there ``paths_mm (t, n)``; every element is a row of points
    ``elements_mm (e, q, 3)`` that take part with ``shares (q,)``; with ``cosine`` it hears less off its
    normal. ``reach`` is the number of standard deviations beyond which the pulse is taken as zero; ``out``
    is (transmit, element, sample).
    """
    n_elements, n_parts = elements_mm.shape[:2]
    n_samples = out.shape[2]
    shrink = math.exp(-1.0 / (sampling_hz * sigma_s) ** 2)
    step_cos = math.cos(2.0 * math.pi * center_hz / sampling_hz)
    step_sin = math.sin(2.0 * math.pi * center_hz / sampling_hz)
    for trace in prange(out.shape[0] * n_elements):
        transmit = trace // n_elements
        element = trace - transmit * n_elements
        normal = normals[element]
        sums = np.zeros(n_samples, dtype=np.float64)
        for s in range(amplitudes.size * n_parts):
            scatterer = s // n_parts
            part = s - scatterer * n_parts
            z = points_mm[scatterer, 0] - elements_mm[element, part, 0]
            y = points_mm[scatterer, 1] - elements_mm[element, part, 1]
            x = points_mm[scatterer, 2] - elements_mm[element, part, 2]
            back_mm = math.sqrt(z * z + y * y + x * x)
            path_mm = paths_mm[transmit, scatterer] + back_mm
            tau = path_mm / speed_mm_s + pulse_delay_s - starts_s[transmit]
            strength = amplitudes[scatterer] * shares[part]
            if spreading:
                strength = strength / back_mm
            if cosine:
                strength *= max(0.0, (z * normal[0] + y * normal[1] + x * normal[2]) / back_mm)
            first = max(0, math.ceil((tau - reach * sigma_s) * sampling_hz))
            last = min(n_samples - 1, math.floor((tau + reach * sigma_s) * sampling_hz))
            if first > last:
                continue
            # On equal steps the Gaussian is a running product of a running ratio, the carrier a rotation.
            t = first / sampling_hz - tau
            gauss = strength * math.exp(-0.5 * (t / sigma_s) ** 2)
            ratio = math.exp(-(t + 0.5 / sampling_hz) / (sampling_hz * sigma_s * sigma_s))
            in_phase = math.cos(2.0 * math.pi * center_hz * t)
            quadrature = math.sin(2.0 * math.pi * center_hz * t)
            for i in range(first, last + 1):
                sums[i] += gauss * in_phase
                gauss *= ratio
                ratio *= shrink
                turned = in_phase * step_cos - quadrature * step_sin
                quadrature = in_phase * step_sin + quadrature * step_cos
                in_phase = turned
        for i in range(n_samples):
            out[transmit, element, i] = sums[i]
