"""Orthonormal wavelets as the proximal map of their penalty."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.extras import require
from imgtech._core.validate import Array, count
from imgtech.recon.mri._kernels_wavelets import cut, place, shrink, transform, transform_back

_TURN = 0.6180339887498949  # of the golden ratio: shifts in this step cover all places evenly
_LEVELS = 4


class WaveletShrinkage:
    """Shrinks the wavelet details of complex images by ``strength * step``; the averages stay.

    The image is padded with zeros to a multiple of ``2**levels`` and, from call to call, shifted against
    the wavelets.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: npt.DTypeLike,
        wavelet: str,
        n_levels: int | None,
        strength: float,
    ) -> None:
        pywt: Any = require("pywt", "mri")
        if wavelet not in pywt.wavelist(kind="discrete") or not pywt.Wavelet(wavelet).orthogonal:
            raise ValueError(f"wavelet must be an orthogonal wavelet of PyWavelets, got {wavelet!r}")
        most = int(pywt.dwt_max_level(min(shape), wavelet))
        if most < 1:
            raise ValueError(f"wavelet must fit into an image of {shape}, got {wavelet!r}")
        levels = min(_LEVELS, most) if n_levels is None else count("n_levels", n_levels)
        if levels > most:
            raise ValueError(
                f"n_levels must be at most {most} for {wavelet} in an image {shape}, got {levels}"
            )
        self.number = np.zeros(0, dtype).real.dtype
        filters = pywt.Wavelet(wavelet)
        self.filters = np.array(filters.dec_lo, self.number), np.array(filters.dec_hi, self.number)
        self.levels, self.block, self.strength, self.calls = levels, 2**levels, strength, 0
        ny, nx = (-(-n // self.block) * self.block for n in shape)
        self.padded, self.other = np.zeros((ny, 2 * nx), self.number), np.zeros((ny, 2 * nx), self.number)

    def __call__(self, x: Array, step: Array) -> Array:
        self.calls += 1
        turn = self.calls * _TURN % 1.0
        shift = int(turn * self.block), int(turn * 7 % 1.0 * self.block)
        place(x.view(self.number), *shift, self.padded)
        transform(self.padded, *self.filters, self.levels, self.other)
        rows, columns = len(self.padded) >> self.levels, self.padded.shape[1] // 2 >> self.levels
        shrink(self.padded, rows, columns, self.number.type(self.strength * float(step)))
        transform_back(self.padded, *self.filters, self.levels, self.other)
        out = np.empty_like(x)
        cut(self.padded, *shift, out.view(self.number))
        return out
