"""Coils and Fourier transform of undersampled rasters: the operator and the fit to data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft as scipy_fft

from imgtech._core.jit import thread_count
from imgtech._core.validate import Array, ComplexArray
from imgtech.recon.gridding._coil_normal import CoilNormal
from imgtech.recon.linop import LinearOperator
from imgtech.recon.mri._kernels_coils import from_coils, subtract_data, to_coils
from imgtech.recon.solvers.proximal import Fit

_WORK = 4  # elementary updates a sample


@dataclass(frozen=True, eq=False)
class CoilFourier(LinearOperator):
    """Coils and Fourier transform at the sampled places; everything has its origin in the first corner."""

    maps: ComplexArray
    sampled: npt.NDArray[np.floating[Any]]

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.maps.shape[1:]

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.maps.shape

    @property
    def norm_bound(self) -> float:
        """No smaller than the norm: that of the sensitivities, since the transform is orthonormal."""
        return float(np.sqrt(np.sum(np.abs(self.maps) ** 2, axis=0).max()))

    def forward(self, x: npt.ArrayLike) -> ComplexArray:
        image = np.ascontiguousarray(x, dtype=self.maps.dtype)
        out = np.empty(self.maps.shape, self.maps.dtype)
        to_coils.sized(_WORK * out.size)(image, self.maps, out)
        out = scipy_fft.fft2(out, norm="ortho", overwrite_x=True, workers=thread_count())
        out *= self.sampled
        return np.asarray(out)

    def adjoint(self, y: npt.ArrayLike) -> ComplexArray:
        return self.combined(np.asarray(y, dtype=self.maps.dtype) * self.sampled)

    def combined(self, kspace: ComplexArray) -> ComplexArray:
        """The adjoint of samples that are zero where nothing was sampled; uses them up."""
        images = scipy_fft.ifft2(kspace, norm="ortho", overwrite_x=True, workers=thread_count())
        out = np.empty(self.input_shape, self.maps.dtype)
        from_coils.sized(_WORK * images.size)(images, self.maps, out)
        return out


class _ScipyFit:
    """Distance of an image from the data at the sampled places, and its gradient; all in one array."""

    def __init__(self, operator: CoilFourier, data: ComplexArray) -> None:
        self.operator, self.data = operator, data
        self.difference = np.empty_like(data)

    def residual(self, x: Array) -> float:
        maps, work = self.operator.maps, _WORK * self.data.size
        to_coils.sized(work)(x, maps, self.difference)
        self.difference = scipy_fft.fft2(
            self.difference, norm="ortho", overwrite_x=True, workers=thread_count()
        )
        squares = np.empty(len(maps) * len(x))
        subtract_data.sized(work)(self.difference, self.operator.sampled, self.data, squares)
        return float(np.sqrt(squares.sum()))

    def gradient(self) -> Array:
        return self.operator.combined(self.difference)


class _LaneFit:
    """The same with all transforms in one kernel; it makes the gradient along with the distance."""

    def __init__(self, operator: CoilFourier, data: ComplexArray) -> None:
        shift = scipy_fft.fftshift(operator.maps, axes=(1, 2))
        ny, nx = operator.input_shape
        self.normal = CoilNormal(shift, operator.sampled, (-(ny // 2), -(nx // 2)), data)
        self.found = np.zeros(operator.input_shape, data.dtype)

    def residual(self, x: Array) -> float:
        self.found = self.normal(x)
        return self.normal.residual

    def gradient(self) -> Array:
        return self.found


def fit_of(operator: CoilFourier, data: ComplexArray) -> Fit:
    """The fit of images to data that are zero where nothing was sampled."""
    n_coils, ny, nx = operator.maps.shape
    return (_LaneFit if CoilNormal.suits(n_coils, (ny, nx)) else _ScipyFit)(operator, data)
