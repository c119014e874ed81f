"""Echoes of point scatterers: one Gaussian pulse a scatterer, summed where it arrives."""

import math

import numpy as np
from numba import prange

from imgtech._core.jit import helper, kernel


@helper
def _share(z, y, x, back_mm, normal_z, normal_y, normal_x, cosine, spreading):
    """What the direction ``(z, y, x)``, ``back_mm`` long, and spreading leave of the strength."""
    share = 1.0
    if spreading:
        share = share / back_mm
    if cosine:
        share *= max(0.0, (z * normal_z + y * normal_y + x * normal_x) / back_mm)
    return share


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
        normal_z, normal_y, normal_x = normals[element]
        sums = np.zeros(n_samples, dtype=np.float64)
        for s in range(amplitudes.size * n_parts):
            scatterer = s // n_parts
            part = s - scatterer * n_parts
            z = points_mm[scatterer, 0] - elements_mm[element, part, 0]
            y = points_mm[scatterer, 1] - elements_mm[element, part, 1]
            x = points_mm[scatterer, 2] - elements_mm[element, part, 2]
            back_mm = math.sqrt(z * z + y * y + x * x)
            tau = (paths_mm[transmit, scatterer] + back_mm) / speed_mm_s + pulse_delay_s - starts_s[transmit]
            strength = amplitudes[scatterer] * shares[part]
            strength *= _share(z, y, x, back_mm, normal_z, normal_y, normal_x, cosine, spreading)
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


@kernel(parallel=True)
def binned_echoes(
    points_mm, amplitudes, paths_mm, elements_mm, normals, shares, cosine, starts_s,
    speed_mm_s, rate_hz, pulse_delay_s, step, table, spreading, out,
):  # fmt: skip
    """As ``gaussian_echoes``, for so many scatterers that most share the bin of their arrival with others.

    A pulse that arrives ``f`` bins after the middle of its bin is a power series in f, whose coefficients
    ``table (2 n_before + 1, n_powers)`` (an even number of powers, rows by bins from the arrival) hold for
    all bins alike. So every scatterer adds only its powers of f to its bin, of which there are ``rate_hz`` a
    second and ``step`` a sample, and a trace is the sum over the bins around each sample.
    """
    n_elements, n_parts = elements_mm.shape[:2]
    n_samples = out.shape[2]
    n_window, n_powers = table.shape
    n_before = n_window // 2
    n_bins = (n_samples - 1) * step + n_window
    per_mm = rate_hz / speed_mm_s
    backwards = np.ascontiguousarray(table[::-1]).reshape(-1)
    for trace in prange(out.shape[0] * n_elements):
        transmit = trace // n_elements
        element = trace - transmit * n_elements
        normal_z, normal_y, normal_x = normals[element]
        bins = np.zeros(n_bins * n_powers, dtype=np.float64)
        first = (pulse_delay_s - starts_s[transmit]) * rate_hz + n_before
        for part in range(n_parts):
            element_z, element_y, element_x = elements_mm[element, part]
            for scatterer in range(amplitudes.size):
                z = points_mm[scatterer, 0] - element_z
                y = points_mm[scatterer, 1] - element_y
                x = points_mm[scatterer, 2] - element_x
                back_mm = math.sqrt(z * z + y * y + x * x)
                arrival = (paths_mm[transmit, scatterer] + back_mm) * per_mm + first
                nearest = math.floor(arrival + 0.5)
                if nearest < 0 or nearest >= n_bins:
                    continue
                f = arrival - nearest
                even = amplitudes[scatterer] * shares[part]
                even *= _share(z, y, x, back_mm, normal_z, normal_y, normal_x, cosine, spreading)
                place = np.uint64(nearest) * np.uint64(n_powers)
                for p in range(0, n_powers, 2):
                    bins[place + np.uint64(p)] += even
                    bins[place + np.uint64(p + 1)] += even * f
                    even *= f * f
        for i in range(n_samples):
            begin = np.uint64(i * step * n_powers)
            total = 0.0
            for j in range(n_window * n_powers):
                total += bins[begin + np.uint64(j)] * backwards[j]
            out[transmit, element, i] = total
