"""Between images and the spectrum on the fine grid of a NUFFT, in a plane or in space."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from imgtech._core.jit import thread_count
from imgtech._core.validate import ComplexArray
from imgtech.recon.gridding._plan import Plan


def to_fine(images: ComplexArray, plan: Plan) -> ComplexArray:
    """Correct for the window, pad with zeros and transform; the origin is bin 0, coils come last."""
    n_coils, *shape = images.shape
    weights = _pixel_weights(plan, images.real.dtype)
    n, wide = shape[-1], plan.fine_shape[-1]
    half = n // 2
    rows = np.zeros((*shape[:-1], wide, n_coils), images.dtype)
    for c, image in enumerate(images):
        np.multiply(image[..., half:], weights[..., half:], out=rows[..., : n - half, c])
        np.multiply(image[..., :half], weights[..., :half], out=rows[..., wide - half :, c])
    done = scipy.fft.fft(rows, axis=len(shape) - 1, overwrite_x=True, workers=thread_count())
    for axis in reversed(range(len(shape) - 1)):
        n, wide = shape[axis], plan.fine_shape[axis]
        half = n // 2
        padded = np.empty((*done.shape[:axis], wide, *done.shape[axis + 1 :]), images.dtype)
        before = (slice(None),) * axis
        padded[(*before, slice(0, n - half))] = done[(*before, slice(half, n))]
        padded[(*before, slice(n - half, wide - half))] = 0
        padded[(*before, slice(wide - half, wide))] = done[(*before, slice(0, half))]
        done = scipy.fft.fft(padded, axis=axis, overwrite_x=True, workers=thread_count())
    return np.ascontiguousarray(done)


def from_fine(fine: ComplexArray, plan: Plan, images: ComplexArray) -> None:
    """The adjoint of :func:`to_fine`, step by step, into ``images``; uses up the grid."""
    _, *shape = images.shape
    weights = _pixel_weights(plan, images.real.dtype)
    for axis in range(len(shape)):
        n, wide = shape[axis], plan.fine_shape[axis]
        half = n // 2
        fine = scipy.fft.ifft(fine, axis=axis, norm="forward", overwrite_x=True, workers=thread_count())
        if axis < len(shape) - 1:
            before = (slice(None),) * axis
            ends = fine[(*before, slice(wide - half, wide))], fine[(*before, slice(0, n - half))]
            fine = np.concatenate(ends, axis=axis)
    for c, image in enumerate(images):
        np.multiply(fine[..., : n - half, c], weights[..., half:], out=image[..., half:])
        np.multiply(fine[..., wide - half :, c], weights[..., :half], out=image[..., :half])


def _pixel_weights(plan: Plan, number: npt.DTypeLike) -> npt.NDArray[np.floating[Any]]:
    """Correction of every pixel: the product of those along the axes."""
    weights = plan.correction[0]
    for along in plan.correction[1:]:
        weights = weights[..., None] * along
    return weights.astype(number)
