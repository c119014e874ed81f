"""Echoes of point scatterers: one Gaussian pulse a scatterer, summed where it arrives."""

import math

import numpy as np
from numba import prange

from imgtech._core.jit import kernel


@kernel(parallel=True)
def gaussian_echoes(
    depths_mm, lateral_mm, amplitudes, elements_mm, directions, starts_s,
    speed_mm_s, sampling_hz, pulse_delay_s, center_hz, sigma_s, reach, spreading, out,
):  # fmt: skip
    """Add ``amplitude * pulse(t - tau)`` of every scatterer to every trace of ``out``.

    ``directions`` holds (cos, sin) of the steering angles; ``reach`` is the number of standard
    deviations beyond which the pulse is taken as zero; ``out`` is (transmit, element, sample).
    """
    n_elements = elements_mm.size
    n_samples = out.shape[2]
    shrink = math.exp(-1.0 / (sampling_hz * sigma_s) ** 2)
    step_cos = math.cos(2.0 * math.pi * center_hz / sampling_hz)
    step_sin = math.sin(2.0 * math.pi * center_hz / sampling_hz)
    for trace in prange(out.shape[0] * n_elements):
        transmit = trace // n_elements
        element = trace - transmit * n_elements
        cosine = directions[transmit, 0]
        sine = directions[transmit, 1]
        sums = np.zeros(n_samples, dtype=np.float64)
        for s in range(depths_mm.size):
            z = depths_mm[s]
            x = lateral_mm[s]
            back_mm = math.sqrt(z * z + (x - elements_mm[element]) ** 2)
            tau = (z * cosine + x * sine + back_mm) / speed_mm_s + pulse_delay_s - starts_s[transmit]
            strength = amplitudes[s]
            if spreading:
                strength = strength / back_mm
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
