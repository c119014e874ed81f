"""Few moments between which the phase of every pixel in a field is interpolated."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_LEAST_BINS, _BINS_PER_TURN = 48, 6
_RARE = 1e-3  # of the mean: least weight of a bin, so that rare frequencies are not given up
_PROBES = 129  # times at which the error is measured while the number of moments grows
_CUTOFF = 1e-13

Floats = npt.NDArray[np.float64]


class Segments(NamedTuple):
    """Moments ``(segment,)`` in s, and their weights ``(segment, *times.shape)`` at every time."""

    moments_s: Floats
    weights: npt.NDArray[np.complexfloating[Any, Any]]


def time_segments(frequency_hz: Floats, times_s: Floats, tolerance: float) -> Segments:
    r"""Approximate :math:`e^{-2 \pi i f t}` by :math:`\sum_l b_l(t)\, e^{-2 \pi i f \tau_l}`.

    The moments are evenly spaced; the weights are least squares over the histogram of the frequencies, for
    every time. There are as many moments as the root mean square error over the histogram, at the worst
    time, needs to stay below ``tolerance``.
    """
    times, back = np.unique(times_s, return_inverse=True)
    span, width = float(np.ptp(times)), float(np.ptp(frequency_hz))
    n_bins = _LEAST_BINS + int(_BINS_PER_TURN * np.ceil(span * width))
    number, edges = np.histogram(frequency_hz, bins=n_bins)
    root = np.sqrt(np.maximum(number, _RARE * number.mean()))
    root /= np.linalg.norm(root)
    middle = (edges[1:] + edges[:-1]) / 2 if width > 0 else np.full(n_bins, frequency_hz.flat[0])
    probes = times[np.unique(np.linspace(0, len(times) - 1, min(_PROBES, len(times))).astype(int))]
    wanted = root[:, None] * _turns(middle, probes)
    most = len(probes) if span * width > 0 else 1
    for n in range(1, most + 1):
        moments = times[0] + (np.arange(n) + 0.5) / n * span if n < 3 else np.linspace(times[0], times[-1], n)
        basis = root[:, None] * _turns(middle, moments)
        found = np.linalg.lstsq(basis, wanted, rcond=_CUTOFF)[0]
        if np.linalg.norm(basis @ found - wanted, axis=0).max() <= tolerance:
            break
    weights = np.linalg.lstsq(basis, root[:, None] * _turns(middle, times), rcond=_CUTOFF)[0]
    return Segments(moments, weights[:, back.reshape(times_s.shape)])


def _turns(frequency_hz: Floats, times_s: Floats) -> npt.NDArray[np.complex128]:
    return np.asarray(np.exp(-2j * np.pi * np.outer(frequency_hz, times_s)))
