"""From images to the voxels of a mask and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import Array, floats

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]


def times_of(name: str, values: npt.ArrayLike, n: int, least: int) -> Doubles:
    """Ascending positive times, one for every image."""
    times = floats(name, values)
    if times.shape != (n,):
        raise ValueError(f"{name} must name each of the {n} images, got {times.tolist()}")
    if n < least:
        raise ValueError(f"images must be at least {least}, got {n}")
    if times[0] < 0 or (np.diff(times) <= 0).any():
        raise ValueError(f"{name} must ascend from at least 0, got {times.tolist()}")
    return times


def mask_of(mask: npt.ArrayLike | None, shape: tuple[int, ...]) -> Bools:
    """Where to compute: a boolean array of the shape of an image, not all false."""
    if mask is None:
        return np.ones(shape, bool)
    found = np.asarray(mask)
    if found.dtype != np.bool_ or found.shape != shape:
        raise ValueError(f"mask must be boolean with shape {shape}, got {found.dtype} with {found.shape}")
    if not found.any():
        raise ValueError("mask must hold voxels, got none")
    return found


def noise_of(sigma: npt.ArrayLike, chosen: Bools) -> Doubles:
    """Standard deviation of the noise in every chosen voxel."""
    found = np.asarray(sigma)
    if found.shape not in ((), chosen.shape):
        raise ValueError(f"sigma must be a number or have shape {chosen.shape}, got {found.shape}")
    values = floats("sigma", np.broadcast_to(found, chosen.shape)[chosen])
    if values.min() <= 0:
        raise ValueError(f"sigma must be positive, got {values.min()}")
    return values


def filled(chosen: Bools, values: Array, elsewhere: float = 0.0) -> Array:
    """Values of the chosen voxels as an image."""
    out: Array = np.full(chosen.shape, elsewhere, dtype=np.result_type(values, np.float32))
    out[chosen] = values
    out.setflags(write=False)
    return out


def columns(images: npt.NDArray[Any], chosen: Bools) -> Array:
    """``(image, ...)`` to ``(voxel, image)`` in double precision."""
    kind = np.complex128 if np.iscomplexobj(images) else np.float64
    return np.ascontiguousarray(images[:, chosen].T, dtype=kind)
