"""Compiled kernels of rebinning: splines of degree 5 on any knots, read where parallel rays want them."""

import numba
import numpy as np

from imgtech._core.jit import helper, kernel

ORDER = 6  # coefficients that a place depends on


@kernel(parallel=True)
def combine(coefficients, first, weights, out):
    """Row j of ``out`` is a weighted sum of ``ORDER`` rows of ``coefficients`` from ``first[j]`` on."""
    for j in numba.prange(len(out)):
        out[j] = 0
        for t in range(ORDER):
            source, weight = coefficients[first[j] + t], weights[j, t]
            for v in range(out.shape[1]):
                out[j, v] += weight * source[v]


@kernel
def knot_factors(knots, out):
    """One over the differences of knots by which the recursion of Cox and de Boor divides, by intervals."""
    for i in range(ORDER - 1, len(knots) - ORDER):
        n = 0
        for degree in range(1, ORDER):
            for r in range(degree):
                width = knots[i + r + 1] - knots[i + 1 + r - degree]
                out[i, n] = 1.0 / width if width > 0.0 else 0.0
                n += 1


@helper
def _interval(knots, place, per_radian):
    """Number of the interval between knots that holds a place, from a guess for even knots."""
    last = len(knots) - ORDER - 1
    i = ORDER - 1 + int((place - knots[ORDER - 1]) * per_radian)
    i = min(max(i, ORDER - 1), last)
    while i < last and place >= knots[i + 1]:
        i += 1
    while i > ORDER - 1 and place < knots[i]:
        i -= 1
    return i


@helper
def _spline(coefficients, knots, factors, i, place, basis):
    """Value at a place of interval i, by the recursion of Cox and de Boor."""
    basis[0] = 1.0
    n = 0
    for degree in range(1, ORDER):
        saved = 0.0
        for r in range(degree):
            part = basis[r] * factors[i, n]
            basis[r] = saved + (knots[i + r + 1] - place) * part
            saved = (place - knots[i + 1 + r - degree]) * part
            n += 1
        basis[degree] = saved
    value = 0.0
    for t in range(ORDER):
        value += basis[t] * coefficients[i - ORDER + 1 + t]
    return value


@helper
def _reading(beta, is_turn, begin, end, ramp, least, slack):
    """View angle in the range of the scan and the trust in the reading, 0 outside."""
    if is_turn:
        return beta - 2 * np.pi * np.floor(beta / (2 * np.pi)), 1.0
    beta = beta - begin + slack
    beta = beta - 2 * np.pi * np.floor(beta / (2 * np.pi)) + begin - slack
    distance = min(beta - begin, end - beta)
    if distance < -2 * slack:
        return begin, 0.0
    return min(max(beta, begin), end), min(max(distance / ramp, least), 1.0)


@kernel(parallel=True)
def along_views(
    coefficients, knots, factors, first, gamma, theta, trust, is_turn, begin, end, ramp, least, slack, out
):
    """Parallel readings ``(channel, view)``: the mean of both ends of every line, NaN where there is none.

    Row c of ``coefficients`` holds the spline along view angles of fan angle ``gamma[first + c]``. The ray
    of fan angle g at view b is the parallel ray of direction b - g; seen from its other end it is that of
    -g, half a turn on. ``trust`` weighs channels; views lose weight within ``ramp`` of ``begin`` and
    ``end``.
    """
    n = len(gamma)
    per_radian = (len(knots) - 2 * ORDER + 1) / (knots[len(knots) - ORDER] - knots[ORDER - 1])
    for m in numba.prange(n):
        basis = np.empty(ORDER)
        out[m] = 0
        whole = np.zeros(len(theta))
        for turn in range(2):
            j = numba.int64(m) if turn == 0 else n - 1 - numba.int64(m)
            if not first <= j < first + len(coefficients):
                continue
            curve = coefficients[j - first]
            for v in range(len(theta)):
                beta = theta[v] + turn * np.pi + gamma[j]
                beta, here = _reading(beta, is_turn, begin, end, ramp, least, slack)
                if here > 0.0:
                    i = _interval(knots, beta, per_radian)
                    whole[v] += here * trust[j]
                    out[m, v] += here * trust[j] * _spline(curve, knots, factors, i, beta, basis)
        for v in range(len(theta)):
            out[m, v] = out[m, v] / whole[v] if whole[v] > 0.0 else np.nan
