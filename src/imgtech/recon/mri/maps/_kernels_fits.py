"""Compiled kernels of parameter maps: a decay under Rician or normal noise, and inversion recovery."""

import math

import numba
import numpy as np

from imgtech._core.jit import helper, kernel

_STEPS = 60
_DONE = 1e-9  # relative change of the likelihood at which a fit has ended
_NEAR = 1e-6  # squared distance from the maximum, in standard uncertainties, that rounding leaves
_SECTIONS = 34
_GOLDEN = 0.6180339887498949


@helper
def _bessel(x):
    """Logarithm of I0, and I1 over I0, of x >= 0: Abramowitz and Stegun 9.8.1 to 9.8.4, off by 2e-7."""
    if x <= 3.75:
        t = (x / 3.75) ** 2
        zero = 0.0360768 + t * 0.0045813
        zero = 1.0 + t * (3.5156229 + t * (3.0899424 + t * (1.2067492 + t * (0.2659732 + t * zero))))
        one = 0.02658733 + t * (0.00301532 + t * 0.00032411)
        one = x * (0.5 + t * (0.87890594 + t * (0.51498869 + t * (0.15084934 + t * one))))
        return math.log(zero), one / zero
    t = 3.75 / x
    zero = 0.00916281 + t * (-0.02057706 + t * (0.02635537 + t * (-0.01647633 + t * 0.00392377)))
    zero = 0.39894228 + t * (0.01328592 + t * (0.00225319 + t * (-0.00157565 + t * zero)))
    one = -0.01031555 + t * (0.02282967 + t * (-0.02895312 + t * (0.01787654 - t * 0.00420059)))
    one = 0.39894228 + t * (-0.03988024 + t * (-0.00362018 + t * (0.00163801 + t * one)))
    return x - 0.5 * math.log(x) + math.log(zero), one / zero


@helper
def _information(snr, table, step):
    """Fisher information of a Rician amplitude, in units of that of a normal one."""
    place = snr / step
    i = int(place)
    if i >= table.size - 1:
        return 1.0 - 0.5 / (snr * snr)
    return table[i] + (place - i) * (table[i + 1] - table[i])


@helper
def _decay_cost(values, times, sigma, amplitude, rate, rician):
    """Negative logarithm of the likelihood, without constants."""
    cost = 0.0
    for j in range(times.size):
        model = amplitude * math.exp(-rate * times[j])
        if rician:
            log_zero, _ = _bessel(values[j] * abs(model) / (sigma * sigma))
            cost += 0.5 * (model / sigma) ** 2 - log_zero
        else:
            cost += 0.5 * ((values[j] - model) / sigma) ** 2
    return cost


@helper
def _decay_start(values, times, sigma, rician):
    """Logarithmic line through the values above the noise, weighted by their squares."""
    sw = st = sy = stt = sty = 0.0
    for j in range(times.size):
        power = values[j] * values[j]
        if rician:
            power -= 2 * sigma * sigma
        if j < 2:
            power = max(power, 0.01 * sigma * sigma)
        if power > 2 * sigma * sigma or j < 2:
            y = 0.5 * math.log(power)
            sw += power
            st += power * times[j]
            sy += power * y
            stt += power * times[j] * times[j]
            sty += power * times[j] * y
    spread = sw * stt - st * st
    rate = -(sw * sty - st * sy) / spread if spread > 0 else 0.0
    return math.exp((sy + rate * st) / sw), rate


@kernel(parallel=True)
def fit_decays(values, sigma, times, rician, table, table_step, lowest, highest, out, done):
    """Amplitude, rate and their variances of every decay, by scoring with damping.

    ``values`` is ``(voxel, time)``, ``out`` ``(voxel, 4)``; ``done`` says which fits ended inside the bounds
    of the rate. The variances are the bound of Cramer and Rao at the fitted parameters.
    """
    for v in numba.prange(values.shape[0]):
        noise = sigma[v]
        amplitude, rate = _decay_start(values[v], times, noise, rician)
        rate = min(max(rate, lowest), highest)
        cost = _decay_cost(values[v], times, noise, amplitude, rate, rician)
        damping, ended = 1e-3, False
        aa = ar = rr = 0.0
        for _ in range(_STEPS):
            ga = gr = aa = ar = rr = 0.0
            for j in range(times.size):
                slope = math.exp(-rate * times[j])
                model = amplitude * slope
                by_rate = -times[j] * model
                if rician:
                    _, ratio = _bessel(values[v, j] * model / (noise * noise))
                    score = (values[v, j] * ratio - model) / (noise * noise)
                    weight = _information(model / noise, table, table_step) / (noise * noise)
                else:
                    score = (values[v, j] - model) / (noise * noise)
                    weight = 1.0 / (noise * noise)
                ga += slope * score
                gr += by_rate * score
                aa += weight * slope * slope
                ar += weight * slope * by_rate
                rr += weight * by_rate * by_rate
            if ended:
                break
            better = False
            while damping < 1e8:
                da, dr = aa * (1 + damping), rr * (1 + damping)
                determinant = da * dr - ar * ar
                if determinant > 0:
                    new_a = amplitude + (dr * ga - ar * gr) / determinant
                    new_r = rate + (da * gr - ar * ga) / determinant
                    if new_a > 0 and lowest < new_r < highest:
                        new = _decay_cost(values[v], times, noise, new_a, new_r, rician)
                        if new <= cost:
                            better = True
                            ended = cost - new <= _DONE * (1 + abs(cost))
                            amplitude, rate, cost = new_a, new_r, new
                            damping = max(damping * 0.1, 1e-12)
                            break
                damping *= 10
            if not better:
                ended = ga * ga <= _NEAR * aa and gr * gr <= _NEAR * rr
                break
        determinant = aa * rr - ar * ar
        done[v] = ended and determinant > 0
        out[v, 0], out[v, 1] = amplitude, rate
        out[v, 2] = rr / determinant if determinant > 0 else 0.0
        out[v, 3] = aa / determinant if determinant > 0 else 0.0


@helper
def _recovery_gain(parts, flipped, times, t1, shape):
    """What a recovery of this time constant explains: squared projection, and the signed one of part 0.

    ``shape`` is left holding the centred exponential, of length one.
    """
    n = times.size
    mean = 0.0
    for j in range(n):
        shape[j] = math.exp(-times[j] / t1)
        mean += shape[j] / n
    length = 0.0
    for j in range(n):
        shape[j] -= mean
        length += shape[j] * shape[j]
    length = math.sqrt(length)
    gain = first = 0.0
    if length > 0:
        for j in range(n):
            shape[j] /= length
        for c in range(parts.shape[0]):
            along = 0.0
            for j in range(n):
                along += shape[j] * (-parts[c, j] if j < flipped else parts[c, j])
            gain += along * along
            if c == 0:
                first = along
    return gain, first


@helper
def _best_grid(parts, shapes, restore):
    """Best row of ``shapes`` and best number of readings whose sign was lost: the least sum of squares."""
    n = shapes.shape[1]
    best, best_g, best_k = -1.0, -1, 0
    signs = np.ones(n)
    for k in range(n + 1 if restore else 1):
        if k > 0:
            signs[k - 1] = -1.0
        means = 0.0
        for c in range(parts.shape[0]):
            mean = 0.0
            for j in range(n):
                mean += signs[j] * parts[c, j] / n
            means += n * mean * mean
        for g in range(shapes.shape[0]):
            gain, first = 0.0, 0.0
            for c in range(parts.shape[0]):
                along = 0.0
                for j in range(n):
                    along += shapes[g, j] * signs[j] * parts[c, j]
                gain += along * along
                if c == 0:
                    first = along
            if gain + means > best and not (restore and first >= 0):
                best, best_g, best_k = gain + means, g, k
    return best_g, best_k


@kernel(parallel=True)
def fit_recoveries(values, times, grid, shapes, restore, out, done):
    """Time constant, offset and amplitude of every recovery, by variable projection over one number.

    ``values`` is ``(voxel, part, time)`` with one real part or real and imaginary part, ``shapes`` the
    centred exponentials of the grid, of length one; ``out`` holds
    ``(voxel, 1 + 2 * parts)``: the time constant, then offset and amplitude of each part. ``done`` says which
    minima lie inside the grid.
    """
    for v in numba.prange(values.shape[0]):
        parts, n = values[v], times.size
        shape = np.empty(n)
        g, k = _best_grid(parts, shapes, restore)
        done[v] = 0 < g < grid.size - 1
        if not done[v]:
            continue
        low, high = math.log(grid[g - 1]), math.log(grid[g + 1])
        a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        fa, _ = _recovery_gain(parts, k, times, math.exp(a), shape)
        fb, _ = _recovery_gain(parts, k, times, math.exp(b), shape)
        for _ in range(_SECTIONS):
            if fa > fb:
                high, b, fb = b, a, fa
                a = high - _GOLDEN * (high - low)
                fa, _ = _recovery_gain(parts, k, times, math.exp(a), shape)
            else:
                low, a, fa = a, b, fb
                b = low + _GOLDEN * (high - low)
                fb, _ = _recovery_gain(parts, k, times, math.exp(b), shape)
        t1 = math.exp(0.5 * (low + high))
        mean = length = 0.0
        for j in range(n):
            mean += math.exp(-times[j] / t1) / n
        for j in range(n):
            length += (math.exp(-times[j] / t1) - mean) ** 2
        out[v, 0] = t1
        for c in range(parts.shape[0]):
            along = level = 0.0
            for j in range(n):
                value = -parts[c, j] if j < k else parts[c, j]
                along += (math.exp(-times[j] / t1) - mean) * value
                level += value / n
            amplitude = along / length
            out[v, 1 + 2 * c] = level - amplitude * mean
            out[v, 2 + 2 * c] = amplitude
