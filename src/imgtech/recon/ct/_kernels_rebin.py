"""Compiled kernels of rebinning: splines of degree 5 on any knots, read where parallel rays want them."""

import numba
import numpy as np

from imgtech._core.jit import helper, kernel

ORDER = 6  # coefficients that a place depends on


_BAND = 4  # diagonals on either side of the main one in the equations of a spline through samples
_LANES = 32  # splines that are solved side by side
_PAIRS = _LANES // 2
_EVEN = 1e-9  # relative difference of intervals that count as equal


@kernel
def spline_factors(taps, first, lower, upper, scale):
    """Triangular factors of the equations of a spline that goes through its samples.

    Row i of ``taps`` holds the values at sample i of ``ORDER`` splines from ``first[i]`` on. Row i of
    ``lower`` and ``upper`` holds what lies 1, 2, ... columns before and behind the diagonal, ``scale`` one
    over the diagonal, by which ``upper`` is multiplied. No pivots: the matrix is totally positive
    (de Boor and Pinkus 1977, https://doi.org/10.1007/BF01396189).
    """
    n = len(taps)
    lower[:], upper[:] = 0, 0
    row = np.empty(2 * _BAND + 1)
    for i in range(n):
        row[:] = 0
        for t in range(ORDER):
            place = first[i] + t - i + _BAND
            if 0 <= place < len(row):
                row[place] = taps[i, t]
        for back in range(min(_BAND, i), 0, -1):
            factor = row[_BAND - back]
            lower[i, back - 1] = factor * scale[i - back]
            row[_BAND - back] = 0
            for t in range(_BAND):
                row[_BAND - back + 1 + t] -= factor * upper[i - back, t]
        scale[i] = 1.0 / row[_BAND]
        for t in range(min(_BAND, n - 1 - i)):
            upper[i, t] = row[_BAND + 1 + t] * scale[i]


@helper
def _solve(lower, upper, scale, columns):
    """Samples become coefficients, in place: ``_LANES`` splines side by side.

    Knots at the samples leave two diagonals on either side but for three rows at either end.
    """
    n = len(columns)
    for i in range(1, n):
        here = columns[i]
        if 3 <= i < n - 3:
            near, far = lower[i, 0], lower[i, 1]
            one, two = columns[i - 1], columns[i - 2]
            for c in range(_LANES):
                here[c] -= near * one[c] + far * two[c]
        else:
            for back in range(1, min(_BAND, i) + 1):
                one = columns[i - back]
                for c in range(_LANES):
                    here[c] -= lower[i, back - 1] * one[c]
    for i in range(n - 1, -1, -1):
        here = columns[i]
        if 3 <= i < n - 3:
            near, far = upper[i, 0], upper[i, 1]
            one, two = columns[i + 1], columns[i + 2]
            for c in range(_LANES):
                here[c] = scale[i] * here[c] - (near * one[c] + far * two[c])
        else:
            for c in range(_LANES):
                here[c] *= scale[i]
            for on in range(1, min(_BAND, n - 1 - i) + 1):
                one = columns[i + on]
                for c in range(_LANES):
                    here[c] -= upper[i, on - 1] * one[c]


@kernel(parallel=True)
def along_channels(n_parts, sinogram, order, lower, upper, scale, first, weights, out):
    """Values ``(place, view)`` of the splines through the channels of every view, views in ``order``.

    Place j takes ``weights[j]`` of the coefficients from ``first[j]`` on. Each of ``n_parts`` parts of the
    work takes memory once.
    """
    n_views, n_channels = sinogram.shape
    for part in numba.prange(n_parts):
        columns, values = np.zeros((n_channels, _LANES)), np.empty(_LANES)
        for begin in range(numba.int64(part) * _LANES, n_views, n_parts * _LANES):
            count = min(_LANES, n_views - begin)
            for low in range(0, n_channels, 16):
                for c in range(count):
                    view = sinogram[order[begin + c]]
                    for i in range(low, min(low + 16, n_channels)):
                        columns[i, c] = view[i]
            _solve(lower, upper, scale, columns)
            for j in range(len(first)):
                for c in range(_LANES):
                    values[c] = weights[j, 0] * columns[first[j], c]
                for t in range(1, ORDER):
                    weight, row = weights[j, t], columns[first[j] + t]
                    for c in range(_LANES):
                        values[c] += weight * row[c]
                for c in range(count):
                    out[j, begin + c] = values[c]


@kernel
def knot_factors(knots, out, even):
    """One over the differences of knots by which the recursion of Cox and de Boor divides, by intervals.

    ``even`` says where all intervals that a spline depends on are as wide as the one in the middle.
    """
    middle = len(knots) // 2
    usual = knots[middle] - knots[middle - 1]
    for i in range(ORDER - 1, len(knots) - ORDER):
        even[i] = True
        for j in range(i - ORDER + 2, i + ORDER - 1):
            even[i] &= abs(knots[j + 1] - knots[j] - usual) <= _EVEN * usual
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
def _basis(knots, factors, i, place, basis):
    """The splines that are not 0 at a place of interval i, by the recursion of Cox and de Boor."""
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


@helper
def _read(curve, knots, factors, even, fan_angle, theta, trust, scan, limits, out, whole):
    """Add what one curve along views gives to a parallel channel, and the weights of the readings.

    Where knots are even and the place lies as far behind its knot as the last one, so are the splines.
    """
    is_turn, begin, end = scan
    ramp, least, slack = limits
    per_radian = (len(knots) - 2 * ORDER + 1) / (knots[len(knots) - ORDER] - knots[ORDER - 1])
    middle = len(knots) // 2
    same = _EVEN * (knots[middle] - knots[middle - 1])
    basis = np.empty(ORDER)
    behind = np.inf
    for v in range(len(theta)):
        beta, here = _reading(theta[v] + fan_angle, is_turn, begin, end, ramp, least, slack)
        if here > 0.0:
            i = _interval(knots, beta, per_radian)
            if not (even[i] and abs(beta - knots[i] - behind) <= same):
                _basis(knots, factors, i, beta, basis)
                behind = beta - knots[i] if even[i] else np.inf
            value = 0.0
            for t in range(ORDER):
                value += basis[t] * curve[i - ORDER + 1 + t]
            whole[v] += here * trust
            out[v] += here * trust * value


@helper
def _curves(values, first, lowest, n, n_wrapped, lower, upper, scale, columns, curves):
    """Coefficients along views, a row a channel: ``_PAIRS`` channels from ``lowest`` and their mirrors."""
    n_views, n_sites = values.shape[1], len(columns)
    columns[:] = 0
    for low in range(0, n_sites, 16):
        for c in range(_LANES):
            j = _channel(lowest, c, n) - first
            if 0 <= j < len(values):
                for i in range(low, min(low + 16, n_sites)):
                    view = i - n_wrapped
                    view += n_views if view < 0 else 0
                    view -= n_views if view >= n_views else 0
                    columns[i, c] = values[j, view]
    _solve(lower, upper, scale, columns)
    for low in range(0, n_sites, 16):
        for c in range(_LANES):
            for i in range(low, min(low + 16, n_sites)):
                curves[c, i] = columns[i, c]


@helper
def _channel(lowest, c, n):
    """Channel of a lane: of those in the second half, the mirror of that in the first."""
    return lowest + c if c < _PAIRS else n - 1 - (lowest + c - _PAIRS)


@kernel(parallel=True)
def along_views(
    n_parts,
    values,
    first,
    n_wrapped,
    lower,
    upper,
    scale,
    knots,
    factors,
    even,
    gamma,
    theta,
    trust,
    scan,
    limits,
    out,
):
    """Parallel readings ``(view, channel)``: the mean of both ends of every line, NaN where there is none.

    Row c of ``values`` holds the views of fan angle ``gamma[first + c]``, through which a spline runs,
    with ``n_wrapped`` views repeated beyond either end. The ray of fan angle g at view b is the parallel
    ray of direction b - g; seen from its other end it is that of -g, half a turn on. ``trust`` weighs
    channels; ``scan`` is whether views close a turn, their begin and their end; ``limits`` the angle over
    which views lose weight at either end, the least weight, and what angles may differ by. Each of
    ``n_parts`` parts of the work takes memory once.
    """
    n, n_sites = len(gamma), values.shape[1] + 2 * n_wrapped
    half = (n + 1) // 2
    for part in numba.prange(n_parts):
        columns, curves = np.empty((n_sites, _LANES)), np.empty((_LANES, n_sites))
        sums, whole = np.empty((_LANES, len(theta))), np.empty((_LANES, len(theta)))
        for lowest in range(numba.int64(part) * _PAIRS, half, n_parts * _PAIRS):
            _curves(values, first, lowest, n, n_wrapped, lower, upper, scale, columns, curves)
            sums[:], whole[:] = 0, 0
            for c in range(_LANES):
                m = _channel(lowest, c, n)
                for turn in range(2):
                    j = m if turn == 0 else n - 1 - m
                    lane = c if turn == 0 else (c + _PAIRS) % _LANES
                    if first <= j < first + len(values):
                        angle = turn * np.pi + gamma[j]
                        curve = curves[lane]
                        _read(
                            curve,
                            knots,
                            factors,
                            even,
                            angle,
                            theta,
                            trust[j],
                            scan,
                            limits,
                            sums[c],
                            whole[c],
                        )
            for v in range(len(theta)):
                for c in range(_LANES):
                    # one block alone writes a channel: mirrors end where the middle channel is reached
                    if lowest + c % _PAIRS < half:
                        here = whole[c, v]
                        out[v, _channel(lowest, c, n)] = sums[c, v] / here if here > 0.0 else np.nan
