"""Delay-and-sum along any lines of pixels, from elements anywhere.

A line of pixels is worked on by one thread. For a line and an element one row of receive delays and
weights is made, shared by all transmits and frames. Traces come with ``PAD`` zeros before and after, so
that every interpolation kernel may read beyond the record. Delays are in samples, rotations in turns.
"""

import math

import numpy as np
from numba import prange

from imgtech._core.jit import helper, kernel

TIE_MM = 1e-9  # as in the other kernels: rounding must not decide at the edge of the aperture
PAD = 3
NEAREST, LINEAR, CUBIC = 0, 1, 2  # and LANCZOS, 3
ANY, SOFT = 0, 2  # element directivity: none; 1 is rigid, sinc; soft is sinc times cosine


@helper
def _through(beside, above, below, legs, straight):
    """Time of the fastest way between two depths of a layered medium, ``beside`` mm apart (Fermat).

    ``legs`` are (thickness, s/mm) of the lens, then (first depth, s/mm) of each layer. The unknown is the
    tangent u of the ray in the fastest layer it crosses: the distance it comes forward grows with u and
    bends downwards, so Newton's steps from below never pass the root. What is left of the distance at the
    end counts with the slowness along the layers.
    """
    high, low = min(above, below), max(above, below)
    n = legs.shape[0]
    fast = legs[0, 1] if legs[0, 0] > 0.0 else math.inf
    for k in range(1, n):
        end = legs[k + 1, 0] if k + 1 < n else math.inf
        if min(low, end) > max(high, legs[k, 0]):
            fast = min(fast, legs[k, 1])
    if fast == math.inf:
        return straight
    u, time = 0.0, 0.0
    for _ in range(40):
        forward, slope, time = 0.0, 0.0, 0.0
        for k in range(n):
            thick = legs[0, 0]
            if k > 0:
                end = legs[k + 1, 0] if k + 1 < n else math.inf
                thick = max(0.0, min(low, end) - max(high, legs[k, 0]))
            ratio = fast / legs[k, 1] if thick > 0.0 else 0.0
            root = math.sqrt(1.0 + u * u * (1.0 - ratio * ratio))
            forward += thick * ratio * u / root
            slope += thick * ratio / (root * root * root)
            time += thick * legs[k, 1] * math.sqrt(1.0 + u * u) / root
        left = beside - forward
        time += left * fast * u / math.sqrt(1.0 + u * u)
        if left <= 1e-6:
            break
        u += left / slope
    return time


@helper
def _row(points, place, normal, aperture, width, per_mm, legs, delay, weight):
    """Fill delay and real weight of one element for a line of pixels ``points (3, n)``.

    ``aperture`` is (f-number, flat part, a0, a1, a2) of the window, ``width`` (kind of directivity,
    element width in wavelengths), ``per_mm`` samples a mm or, with ``legs`` of a layered medium (which may
    be empty), samples a second.
    """
    f_number, flat, a0, a1, a2 = aperture
    baffle, wide = width
    for j in range(delay.size):
        dz = points[0, j] - place[0]
        dy = points[1, j] - place[1]
        dx = points[2, j] - place[2]
        r = math.sqrt(dz * dz + dy * dy + dx * dx)
        delay[j] = r * per_mm
        if legs.shape[0] > 0:
            flat = math.sqrt(dy * dy + dx * dx)
            delay[j] = per_mm * _through(flat, place[0], points[0, j], legs, r * legs[1, 1])
        ahead = dz * normal[0] + dy * normal[1] + dx * normal[2]
        dz -= ahead * normal[0]
        dy -= ahead * normal[1]
        dx -= ahead * normal[2]
        beside = math.sqrt(dz * dz + dy * dy + dx * dx)
        edge = 2.0 * f_number * beside
        if f_number > 0.0 and (edge - TIE_MM > ahead or ahead < 0.0):
            weight[j] = 0.0
            continue
        w = a0 + a1 + a2
        if edge > 0.0 and (a1 != 0.0 or a2 != 0.0):
            v = max(0.0, min(1.0, edge / max(ahead, 1e-300)) - flat) / (1.0 - flat)
            w = a0 + a1 * math.cos(math.pi * v) + a2 * math.cos(2.0 * math.pi * v)
        if baffle != ANY and r > 0.0:
            u = math.pi * wide * beside / r
            w *= math.sin(u) / u if u > 1e-6 else 1.0
            if baffle == SOFT:
                w *= max(ahead / r, 0.0)
        weight[j] = w


@helper
def _span(weight):
    """First and one past the last pixel of a line with a weight."""
    first = 0
    last = weight.size
    while first < last and weight[first] == 0.0:
        first += 1
    while last > first and weight[last - 1] == 0.0:
        last -= 1
    return first, last


@helper
def _locate(transmit, receive, n, n_samples, index, fraction, inside):
    """Split delays into sample (in the padded trace), fraction and a flag: ``0 <= d <= n - 1``."""
    top = np.float64(n_samples - 1)
    for j in range(n):
        delay = transmit[j] + receive[j]
        held = min(max(delay, 0.0), top)
        i = np.int32(held)
        index[j] = np.uint32(i) + np.uint32(PAD)
        fraction[j] = held - i
        inside[j] = 1.0 if held == delay else 0.0


@helper
def _lanczos(f, k):
    """Lanczos weight with three lobes of the sample ``k`` steps after the one at or before the place."""
    x = max(abs(f - k), 1e-9)
    return 3.0 * math.sin(math.pi * x) * math.sin(math.pi * x / 3.0) / (math.pi * math.pi * x * x)


@helper
def _gather(trace, index, fraction, n, kind, value):
    """Interpolate a padded trace at all places of a line."""
    if kind == NEAREST:
        for j in range(n):
            value[j] = trace[index[j] + (np.uint32(1) if fraction[j] >= 0.5 else np.uint32(0))]
    elif kind == LINEAR:
        for j in range(n):
            i = index[j]
            a = trace[i]
            value[j] = a + fraction[j] * (trace[i + np.uint32(1)] - a)
    elif kind == CUBIC:
        for j in range(n):
            i = index[j]
            f = fraction[j]
            a, b = trace[i - np.uint32(1)], trace[i]
            c, d = trace[i + np.uint32(1)], trace[i + np.uint32(2)]
            bend = a - 2.5 * b + 2.0 * c - 0.5 * d
            value[j] = b + 0.5 * f * (c - a + f * (2.0 * bend + f * (3.0 * (b - c) + d - a)))
    else:
        for j in range(n):
            total = 0.0
            norm = 0.0
            for k in range(-2, 4):
                w = _lanczos(fraction[j], k)
                norm += w
                total += w * trace[np.int64(index[j]) + k]
            value[j] = total / norm


@helper
def _rotate(turns, re, im):
    angle = 2.0 * math.pi * (turns - np.rint(turns))
    c, s = math.cos(angle), math.sin(angle)
    return c * re - s * im, c * im + s * re


@kernel(parallel=True)
def ray_times(sources, points, legs, out):
    """Times between ``sources (m, 3)`` and ``points (n, 3)`` through layers, ``out (m, n)``."""
    for j in prange(points.shape[0]):
        for k in range(sources.shape[0]):
            dz, dy = points[j, 0] - sources[k, 0], points[j, 1] - sources[k, 1]
            dx = points[j, 2] - sources[k, 2]
            straight = math.sqrt(dz * dz + dy * dy + dx * dx) * legs[1, 1]
            flat = math.sqrt(dy * dy + dx * dx)
            out[k, j] = _through(flat, sources[k, 0], points[j, 0], legs, straight)


@kernel(parallel=True)
def sum_lines(
    data, transmit, points, elements, normals, aperture, width, per_mm, legs, turns, start_turns, kind,
    receive_weights, transmit_weights, paired, out,
):  # fmt: skip
    """Sum traces ``data (t, e, v, PAD + n + PAD)`` into ``out (line, t or 1, pixel, v)``.

    ``transmit (t, line, pixel)`` holds delays to the first sample, ``points (line, 3, pixel)`` places.
    The tables of weights are ``(e or 0, line, pixel)`` and ``(t or 0, line, pixel)``. With ``paired``,
    values alternate between real and imaginary part.
    """
    n_transmits, n_elements, n_values, n_padded = data.shape
    n = points.shape[2]
    number = data.dtype.type
    for line in prange(points.shape[0]):
        delay = np.empty(n)
        gain = np.empty(n)
        weight = np.empty((2, n), dtype=data.dtype)
        index = np.empty(n, dtype=np.uint32)
        fraction = np.empty(n, dtype=data.dtype)
        inside = np.empty(n, dtype=data.dtype)
        value = np.empty(n, dtype=data.dtype)
        sums = np.zeros((n_transmits, n_values, n), dtype=data.dtype)
        for e in range(n_elements):
            _row(points[line], elements[e], normals[e], aperture, width, per_mm, legs, delay, gain)
            if receive_weights.shape[0] > 0:
                gain *= receive_weights[e, line]
            first, last = _span(gain)
            inner = last - first  # counted from 0: a first index above it would keep the loops from vectors
            way, strength = delay[first:last], gain[first:last]
            for j in range(inner):
                re, im = _rotate(turns * way[j], strength[j], 0.0)
                weight[0, j] = number(re)
                weight[1, j] = number(im)
            for t in range(n_transmits):
                shot = transmit[t, line, first:last]
                _locate(shot, way, inner, n_padded - 2 * PAD, index, fraction, inside)
                for v in range(n_values):
                    _gather(data[t, e, v], index, fraction, inner, kind, value)
                    for j in range(inner):
                        value[j] *= inside[j]
                    total = sums[t, v, first:last]
                    for j in range(inner):
                        total[j] += weight[0, j] * value[j]
                    if turns != 0.0:
                        other = sums[t, v + 1, first:last] if v % 2 == 0 else sums[t, v - 1, first:last]
                        sign = number(1.0) if v % 2 == 0 else number(-1.0)
                        for j in range(inner):
                            other[j] += sign * weight[1, j] * value[j]
        for t in range(n_transmits):
            total = out[line, min(t, out.shape[1] - 1)]
            for j in range(n):
                w = transmit_weights[t, line, j] if transmit_weights.shape[0] > 0 else 1.0
                turn = turns * transmit[t, line, j] + start_turns[t]
                if paired:
                    for v in range(0, n_values, 2):
                        re, im = _rotate(turn, w * sums[t, v, j], w * sums[t, v + 1, j])
                        total[j, v] += re
                        total[j, v + 1] += im
                else:
                    for v in range(n_values):
                        total[j, v] += w * sums[t, v, j]


@kernel(parallel=True)
def align_lines(
    data,
    transmit,
    points,
    elements,
    normals,
    aperture,
    width,
    per_mm,
    legs,
    turns,
    start_turns,
    kind,
    out,
    mask,
):
    """Delayed and rotated traces of every element, summed over transmits, ``out (line, pixel, e, v)``.

    Like :func:`sum_lines` for single frames, before the sum over elements. ``mask (line, pixel, e)`` gets
    the aperture weights, which are not applied.
    """
    n_transmits, n_elements, n_values, n_padded = data.shape
    n = points.shape[2]
    for line in prange(points.shape[0]):
        delay = np.empty(n)
        gain = np.empty(n)
        index = np.empty(n, dtype=np.uint32)
        fraction = np.empty(n, dtype=data.dtype)
        inside = np.empty(n, dtype=data.dtype)
        value = np.empty((2, n), dtype=data.dtype)
        for e in range(n_elements):
            _row(points[line], elements[e], normals[e], aperture, width, per_mm, legs, delay, gain)
            first, last = _span(gain)
            inner = last - first
            way = delay[first:last]
            for j in range(n):
                mask[line, j, e] = gain[j]
            for t in range(n_transmits):
                shot = transmit[t, line, first:last]
                _locate(shot, way, inner, n_padded - 2 * PAD, index, fraction, inside)
                for v in range(n_values):
                    _gather(data[t, e, v], index, fraction, inner, kind, value[v])
                for j in range(inner):
                    keep = inside[j] if gain[first + j] != 0.0 else 0.0
                    to = out[line, first + j, e]
                    if n_values == 2:
                        turn = turns * (shot[j] + way[j]) + start_turns[t]
                        re, im = _rotate(turn, keep * value[0, j], keep * value[1, j])
                        to[0] += re
                        to[1] += im
                    else:
                        to[0] += keep * value[0, j]
