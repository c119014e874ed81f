"""Delay-and-sum kernels. Delays are in samples, rotations in turns; arrays are contiguous.

A pixel column is worked on by one thread. The receive delay, the aperture weight and the receive half
of the phase rotation of a column and an element make one row over depth, shared by transmits or
frames. Then three loops, each of which the compiler turns into vector code: delays to sample and
fraction, gather, interpolate and add. Indices are unsigned, so no negative wrap-around is compiled in.
"""

import math

import numpy as np
from numba import prange

from imgtech._core.jit import helper, kernel

TIE_MM = 1e-9  # an element this far beyond the edge of the aperture still counts: rounding must not decide


@helper
def _turn(turns, number):
    """Cosine and sine of ``2 pi turns`` in precision ``number``, without branches.

    The power series of a quarter of the angle, then the angle doubled twice.
    """
    a = number((turns - np.rint(turns)) * (0.5 * math.pi))  # within +-pi/4
    b = a * a
    s = number(-1 / 39916800) + b * number(1 / 6227020800)
    s = number(-1 / 5040) + b * (number(1 / 362880) + b * s)
    s = number(1) + b * (number(-1 / 6) + b * (number(1 / 120) + b * s))
    c = number(1 / 479001600) + b * number(-1 / 87178291200)
    c = number(1 / 40320) + b * (number(-1 / 3628800) + b * c)
    c = number(1) + b * (number(-1 / 2) + b * (number(1 / 24) + b * (number(-1 / 720) + b * c)))
    s *= a
    two = number(2)
    for _ in range(2):
        s, c = two * s * c, number(1) - two * s * s
    return c, s


@helper
def _first_depth(offset_mm, depths_mm, f_number):
    """Index of the first depth whose aperture reaches an element at this lateral distance."""
    return np.searchsorted(depths_mm, 2.0 * f_number * offset_mm - TIE_MM)


@helper
def _receive_row(
    offset_mm, first, depths_mm, aperture, per_mm, turns_per_sample, delay, weight_re, weight_im
):
    """Fill delay and weight of one element for all depths from ``first`` on.

    ``aperture`` is (f-number, flat part, a0, a1, a2): the window is ``a0 + a1 cos(pi v) + a2 cos(2 pi v)``
    with ``v`` the place in the half aperture, 0 from its middle to the flat part, 1 at its edge.
    """
    f_number, flat, a0, a1, a2 = aperture
    edge_mm = 2.0 * f_number * offset_mm
    n = depths_mm.size - first
    number = weight_re.dtype.type
    squared = offset_mm * offset_mm
    for j in range(n):
        z = depths_mm[first + j]
        delay[j] = math.sqrt(squared + z * z) * per_mm
        weight_re[j] = a0 + a1 + a2
        weight_im[j] = 0.0
    if edge_mm > 0.0 and (a1 != 0.0 or a2 != 0.0):
        for j in range(n):
            v = max(0.0, min(1.0, edge_mm / depths_mm[first + j]) - flat) / (1.0 - flat)
            c, _ = _turn(0.5 * v, number)
            weight_re[j] = number(a0) + number(a1) * c + number(a2) * (number(2) * c * c - number(1))
    if turns_per_sample != 0.0:
        for j in range(n):
            c, s = _turn(turns_per_sample * delay[j], number)
            weight_im[j] = weight_re[j] * s
            weight_re[j] *= c


@helper
def _locate(transmit, receive, last, n, index, fraction, inside):
    """Split delays into sample, fraction and a flag (1 or 0) for the record, ``0 <= d <= last``."""
    top = np.float64(last)
    for j in range(n):
        delay = transmit[j] + receive[j]
        held = min(max(delay, 0.0), top)
        i = np.int32(min(held, top - 1.0))
        index[j] = i
        fraction[j] = held - i
        inside[j] = 1.0 if held == delay else 0.0


@kernel(parallel=True)
def sum_real(data, along, across, x_mm, elements_mm, depths_mm, aperture, per_mm, out):
    """Sum real traces ``data (t, e, n)`` into ``out (x, t or 1, z)``.

    The transmit delay of a pixel is ``along[t, z] + across[t] * x``.
    """
    n_transmits, n_elements, n_samples = data.shape
    n_depths = depths_mm.size
    for x in prange(x_mm.size):
        receive = np.empty(n_depths)
        weight = np.empty(n_depths, dtype=data.dtype)
        unused = np.empty(n_depths, dtype=data.dtype)
        index = np.empty(n_depths, dtype=np.uint32)
        fraction = np.empty(n_depths, dtype=data.dtype)
        inside = np.empty(n_depths, dtype=data.dtype)
        transmit = np.empty((n_transmits, n_depths))
        for t in range(n_transmits):
            transmit[t] = along[t] + across[t] * x_mm[x]
        for e in range(n_elements):
            offset_mm = abs(x_mm[x] - elements_mm[e])
            z0 = _first_depth(offset_mm, depths_mm, aperture[0])
            _receive_row(offset_mm, z0, depths_mm, aperture, per_mm, 0.0, receive, weight, unused)
            n = n_depths - z0
            for t in range(n_transmits):
                _locate(transmit[t, z0:], receive, n_samples - 1, n, index, fraction, inside)
                trace = data[t, e]
                sums = out[x, min(t, out.shape[1] - 1), z0:]
                for j in range(n):
                    i = index[j]
                    a = trace[i]
                    sums[j] += weight[j] * inside[j] * (a + fraction[j] * (trace[i + np.uint32(1)] - a))


@kernel(parallel=True)
def sum_complex(
    data, along, across, x_mm, elements_mm, depths_mm, aperture, per_mm, turns_per_sample, start_turns, out
):
    """Sum complex traces, ``data (t, e, n, 2)``, rotated to their delay, into ``out (x, t or 1, z, 2)``."""
    n_transmits, n_elements, n_samples, _ = data.shape
    n_depths = depths_mm.size
    for x in prange(x_mm.size):
        receive = np.empty(n_depths)
        weight_re = np.empty(n_depths, dtype=data.dtype)
        weight_im = np.empty(n_depths, dtype=data.dtype)
        index = np.empty(n_depths, dtype=np.uint32)
        fraction = np.empty(n_depths, dtype=data.dtype)
        inside = np.empty(n_depths, dtype=data.dtype)
        read_re = np.empty(n_depths, dtype=data.dtype)
        read_im = np.empty(n_depths, dtype=data.dtype)
        real = np.zeros((n_transmits, n_depths), dtype=data.dtype)
        imag = np.zeros((n_transmits, n_depths), dtype=data.dtype)
        transmit = np.empty((n_transmits, n_depths))
        for t in range(n_transmits):
            transmit[t] = along[t] + across[t] * x_mm[x]
        for e in range(n_elements):
            offset_mm = abs(x_mm[x] - elements_mm[e])
            z0 = _first_depth(offset_mm, depths_mm, aperture[0])
            _receive_row(
                offset_mm, z0, depths_mm, aperture, per_mm, turns_per_sample, receive, weight_re, weight_im
            )
            n = n_depths - z0
            for t in range(n_transmits):
                _locate(transmit[t, z0:], receive, n_samples - 1, n, index, fraction, inside)
                trace = data[t, e]
                sums_re = real[t, z0:]
                sums_im = imag[t, z0:]
                for j in range(n):
                    i = index[j]
                    f = fraction[j]
                    read_re[j] = trace[i, 0] + f * (trace[i + np.uint32(1), 0] - trace[i, 0])
                    read_im[j] = trace[i, 1] + f * (trace[i + np.uint32(1), 1] - trace[i, 1])
                for j in range(n):
                    a_re = inside[j] * read_re[j]
                    a_im = inside[j] * read_im[j]
                    sums_re[j] += weight_re[j] * a_re - weight_im[j] * a_im
                    sums_im[j] += weight_re[j] * a_im + weight_im[j] * a_re
        for t in range(n_transmits):
            total = out[x, min(t, out.shape[1] - 1)]
            for j in range(n_depths):
                c, s = _turn(turns_per_sample * transmit[t, j] + start_turns[t], data.dtype.type)
                total[j, 0] += c * real[t, j] - s * imag[t, j]
                total[j, 1] += c * imag[t, j] + s * real[t, j]


@kernel(parallel=True)
def sum_frames_real(data, along, across, x_mm, elements_mm, depths_mm, aperture, per_mm, out):
    """Sum traces of many values a sample, ``data (t, e, n, f)``, into ``out (x, t or 1, z, f)``."""
    n_transmits, n_elements, n_samples, n_values = data.shape
    n_depths = depths_mm.size
    for x in prange(x_mm.size):
        receive = np.empty(n_depths)
        weight = np.empty(n_depths, dtype=data.dtype)
        unused = np.empty(n_depths, dtype=data.dtype)
        index = np.empty(n_depths, dtype=np.uint32)
        fraction = np.empty(n_depths, dtype=data.dtype)
        inside = np.empty(n_depths, dtype=data.dtype)
        for t in range(n_transmits):
            transmit = along[t] + across[t] * x_mm[x]
            total = out[x, min(t, out.shape[1] - 1)]
            for e in range(n_elements):
                offset_mm = abs(x_mm[x] - elements_mm[e])
                z0 = _first_depth(offset_mm, depths_mm, aperture[0])
                _receive_row(offset_mm, z0, depths_mm, aperture, per_mm, 0.0, receive, weight, unused)
                n = n_depths - z0
                _locate(transmit[z0:], receive, n_samples - 1, n, index, fraction, inside)
                for j in range(n):
                    here = index[j]
                    after = here + np.uint32(1)
                    w = weight[j] * inside[j]
                    w_after = w * fraction[j]
                    w_here = w - w_after
                    for v in range(n_values):
                        total[z0 + j, v] += w_here * data[t, e, here, v] + w_after * data[t, e, after, v]


@kernel(parallel=True)
def sum_frames_complex(
    data, along, across, x_mm, elements_mm, depths_mm, aperture, per_mm, turns_per_sample, start_turns, out
):
    """Sum complex traces of many frames, ``data (t, e, n, 2 f)``, into ``out (x, t or 1, z, 2 f)``.

    Real and imaginary parts alternate along the last axis of both. Two sums run beside each other, one
    with the real and one with the imaginary part of each weight; they meet once a pixel and transmit.
    Elements go in pairs: the sums are read and written half as often.
    """
    n_transmits, n_elements, n_samples, n_values = data.shape
    n_depths = depths_mm.size
    for x in prange(x_mm.size):
        receive = np.empty(n_depths)
        weight_re = np.empty((2, n_depths), dtype=data.dtype)
        weight_im = np.empty((2, n_depths), dtype=data.dtype)
        index = np.empty((2, n_depths), dtype=np.uint32)
        fraction = np.empty((2, n_depths), dtype=data.dtype)
        inside = np.empty(n_depths, dtype=data.dtype)
        with_re = np.empty((n_depths, n_values), dtype=data.dtype)
        with_im = np.empty((n_depths, n_values), dtype=data.dtype)
        for t in range(n_transmits):
            transmit = along[t] + across[t] * x_mm[x]
            with_re[:] = 0.0
            with_im[:] = 0.0
            for e in range(0, n_elements, 2):
                pair = min(2, n_elements - e)
                z0 = n_depths
                for p in range(pair):
                    offset_mm = abs(x_mm[x] - elements_mm[e + p])
                    z0 = min(z0, _first_depth(offset_mm, depths_mm, aperture[0]))
                n = n_depths - z0
                for p in range(pair):
                    offset_mm = abs(x_mm[x] - elements_mm[e + p])
                    w_re, w_im = weight_re[p], weight_im[p]
                    _receive_row(
                        offset_mm, z0, depths_mm, aperture, per_mm, turns_per_sample, receive, w_re, w_im
                    )
                    _locate(transmit[z0:], receive, n_samples - 1, n, index[p], fraction[p], inside)
                    alone = _first_depth(offset_mm, depths_mm, aperture[0]) - z0  # depths of the other only
                    w_re[:alone] = 0.0
                    w_im[:alone] = 0.0
                    for j in range(n):
                        w_re[j] *= inside[j]
                        w_im[j] *= inside[j]
                if pair == 1:
                    weight_re[1] = 0.0
                    weight_im[1] = 0.0
                    index[1] = index[0]
                    fraction[1] = 0.0
                e2 = e + pair - 1
                for j in range(n):
                    a, f = index[0, j], fraction[0, j]
                    b, g = index[1, j], fraction[1, j]
                    a_re, a_im = weight_re[0, j], weight_im[0, j]
                    b_re, b_im = weight_re[1, j], weight_im[1, j]
                    for v in range(n_values):
                        one = data[t, e, a, v]
                        one += f * (data[t, e, a + np.uint32(1), v] - one)
                        two = data[t, e2, b, v]
                        two += g * (data[t, e2, b + np.uint32(1), v] - two)
                        with_re[z0 + j, v] += a_re * one + b_re * two
                        with_im[z0 + j, v] += a_im * one + b_im * two
            total = out[x, min(t, out.shape[1] - 1)]
            for j in range(n_depths):
                c, s = _turn(turns_per_sample * transmit[j] + start_turns[t], data.dtype.type)
                for v in range(0, n_values, 2):
                    re = with_re[j, v] - with_im[j, v + 1]
                    im = with_re[j, v + 1] + with_im[j, v]
                    total[j, v] += c * re - s * im
                    total[j, v + 1] += c * im + s * re
