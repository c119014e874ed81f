"""Diagonal in k-space, between the coils of an image and back: the operator of iterations with many coils."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import Array, ComplexArray
from imgtech.recon.gridding._kernels_lanes import COILS, PLACE, RADICES, coil_normal

FEWEST_COILS = 4
"""With fewer the lanes are mostly empty, and single transforms are faster."""
_WORK = 20  # elementary updates a sample and a transform

Plan = tuple[npt.NDArray[np.int64], npt.NDArray[np.floating[Any]], npt.NDArray[np.int64]]


class CoilNormal:
    r"""``image -> sum_c conj(s_c) F^H (D F (s_c image) - y_c)``, F orthonormal and D a real spectrum.

    The image lies in the field of ``spectrum``, zeros around it, its first pixel at sample ``first``. Two
    instances share nothing; one is for one thread at a time.

    Parameters
    ----------
    maps : numpy.ndarray
        Sensitivities ``(coil, y, x)``.
    spectrum : numpy.ndarray
        D, real, in the order of the fast Fourier transform; at least the size of the image.
    first : tuple of int, optional
        Sample of the first pixel.
    data : numpy.ndarray, optional
        y ``(coil, ky, kx)``; zeros by default.
    """

    def __init__(
        self,
        maps: ComplexArray,
        spectrum: npt.NDArray[np.floating[Any]],
        first: tuple[int, int] = (0, 0),
        data: ComplexArray | None = None,
    ) -> None:
        number = maps.real.dtype
        n_coils, ny, nx = maps.shape
        high, wide = spectrum.shape
        groups, pairs = -(-n_coils // COILS), (wide + 1) // 2
        scaled = np.zeros((groups * COILS, ny, nx), maps.dtype)
        np.multiply(maps, number.type(1 / np.sqrt(high * wide)), out=scaled[:n_coils])
        lanes = scaled.reshape(groups, COILS, ny, nx).transpose(0, 2, 3, 1)
        self._maps = np.stack([lanes.real, lanes.imag], axis=3).ravel()
        self._spectrum = np.ascontiguousarray(spectrum.T, dtype=number)
        self._data = np.empty(0, number)
        if data is not None:
            samples = np.zeros((groups * COILS, high, 2 * pairs), data.dtype)
            samples[:n_coils, :, :wide] = data
            lanes = samples.reshape(groups, COILS, high, pairs, 2).transpose(0, 3, 2, 4, 1)
            self._data = np.stack([lanes.real, lanes.imag], axis=3).astype(number, copy=False).ravel()
        self._plans = _plan(high, number.str), _plan(wide, number.str)
        self._first = first[0] % high, first[1] % wide
        self._grid = np.zeros(pairs * ny * PLACE, number)
        self._squares = np.zeros((groups, pairs, COILS), number)
        self._work = _WORK * groups * COILS * high * wide

    @staticmethod
    def suits(n_coils: int, shape: tuple[int, int]) -> bool:
        """Whether transforms of this many coils and this size have a plan."""
        return n_coils >= FEWEST_COILS and all(radices(n) is not None for n in shape)

    def __call__(self, image: Array) -> ComplexArray:
        """Apply the operator to an image ``(y, x)`` in the precision of the maps."""
        out = np.empty(image.shape, image.dtype)
        coil_normal.sized(self._work)(
            image,
            self._maps,
            self._spectrum,
            self._data,
            *self._plans,
            self._first,
            self._grid,
            self._squares,
            out,
        )
        return out

    @property
    def residual(self) -> float:
        """Norm of ``D F (s image) - y`` at the last image, if there are data."""
        return float(np.sqrt(self._squares.sum(dtype=np.float64)))


def radices(n: int) -> list[int] | None:
    """Factors of a size among those that have code, or None."""
    found = []
    for radix in RADICES:
        while n % radix == 0:
            found.append(radix)
            n //= radix
    return found if n == 1 and found else None


@lru_cache(maxsize=16)
def _plan(n: int, number: str) -> Plan:
    """Radices, rotations behind the butterflies, and the frequency at every place after the transform."""
    factors = radices(n)
    assert factors is not None
    turns, size = [], n
    for radix in factors:
        parts = np.multiply.outer(np.arange(size // radix), np.arange(1, radix)) / size
        turns.append(np.exp(-2j * np.pi * parts).ravel())
        size //= radix
    order = np.zeros(1, np.int64)
    for radix in reversed(factors):
        order = (np.arange(radix)[:, None] + radix * order).ravel()
    return np.array(factors), np.concatenate(turns).view(np.float64).astype(number), order
