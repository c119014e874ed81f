"""Products of all pairs of samples of a window, summed over the windows of a calibration block."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Samples = npt.NDArray[np.complex128]


def lines_of(samples: Samples, height: int, step: int, n_y: int) -> Samples:
    """Lines ``(coil * height, n_y, x)``: what sample j of ``height``, ``step`` apart, is in each window."""
    rows = sliding_window_view(samples, n_y, axis=1)[:, : (height - 1) * step + 1 : step]
    return np.ascontiguousarray(rows.transpose(0, 1, 3, 2)).reshape(-1, n_y, samples.shape[2])


def window_products(lines: Samples, width: int, step: int, n_x: int) -> Samples:
    r"""Sums :math:`\sum \bar{a}_k a_l` over all windows, of the samples k and l of a window.

    Samples are numbered ``(line, column)``, columns ``step`` apart. Two pairs as far apart along x differ in
    nothing but the first and last windows, so only the pairs with a sample in the first column are summed
    over all windows.
    """
    n_lines, flat, conjugate = len(lines), lines.reshape(len(lines), -1), lines.conj()
    inside = flat.shape[1] - (width - 1) * step  # in the first column the samples behind are in no window
    conjugate[..., n_x:] = 0
    first = conjugate.reshape(n_lines, -1)[:, :inside]
    gram = np.empty((n_lines, width, n_lines, width), np.complex128)
    for i in range(width):
        gram[:, 0, :, i] = first @ flat[:, i * step : i * step + inside].T
        gram[:, i, :, 0] = gram[:, 0, :, i].conj().T
    if width > 1:
        change = _edge(lines[..., n_x:], width, step) - _edge(lines, width, step)
        for i in range(1, width):
            gram[:, i, :, 1:] = gram[:, i - 1, :, :-1] + change[:, i - 1]
    return gram.reshape(n_lines * width, -1)


def _edge(lines: Samples, width: int, step: int) -> Samples:
    """Products of the samples of the first ``step`` windows, but those in the last column."""
    n_lines, n_y, _ = lines.shape
    parts = lines[..., : (width - 1) * step].reshape(n_lines, n_y, width - 1, step)
    sources = parts.transpose(0, 2, 1, 3).reshape(n_lines * (width - 1), -1)
    return np.asarray(sources.conj() @ sources.T).reshape(n_lines, width - 1, n_lines, width - 1)
