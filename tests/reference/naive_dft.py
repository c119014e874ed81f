"""The centred discrete Fourier transform as its definition reads, by loops."""

from __future__ import annotations

import cmath
import math

import numpy as np


def centred_dft(image, sign):
    """Orthonormal 2-D transform; ``sign`` -1 goes to k-space, +1 back. Centre: sample ``n // 2``."""
    ny, nx = image.shape
    out = np.zeros((ny, nx), dtype=complex)
    for v in range(ny):
        for u in range(nx):
            total = 0j
            for y in range(ny):
                for x in range(nx):
                    turns = (v - ny // 2) * (y - ny // 2) / ny + (u - nx // 2) * (x - nx // 2) / nx
                    total += image[y, x] * cmath.exp(sign * 2j * math.pi * turns)
            out[v, u] = total / math.sqrt(ny * nx)
    return out
