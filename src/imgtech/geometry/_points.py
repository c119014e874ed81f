"""Points in space as ``(z, y, x)``: depth first, as in images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import finite, floats, positive

Points = npt.NDArray[np.float64]


def points3(name: str, values: npt.ArrayLike) -> Points:
    """Return ``(n, 3)`` points ``(z, y, x)``, read-only, from ``(n, 3)`` or from ``(n, 2)`` as ``(z, x)``."""
    array = floats(name, values, ndim=2)
    if array.shape[1] == 2:
        array = np.insert(array, 1, 0.0, axis=1)
    elif array.shape[1] != 3:
        raise ValueError(f"{name} must have rows (z, x) or (z, y, x), got shape {array.shape}")
    array.setflags(write=False)
    return array


def unit_vectors3(name: str, values: npt.ArrayLike, n: int, what: str) -> Points:
    """Return ``n`` vectors like :func:`points3`, scaled to length 1, one a ``what``."""
    vectors = points3(name, values)
    if len(vectors) != n:
        raise ValueError(f"{name} must be {n} vectors, got {len(vectors)}")
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    if (length == 0).any():
        raise ValueError(f"{name} must not be zero, got zero for {what} {int(np.argmin(length))}")
    vectors = vectors / length + 0.0
    vectors.setflags(write=False)
    return vectors


def set_rays(value: object, points: str, directions: str, what: str) -> None:
    """Check and store the fields of a frozen value that hold points and one direction from each ``what``."""
    places = points3(points, getattr(value, points))
    vectors = unit_vectors3(directions, getattr(value, directions), len(places), what)
    object.__setattr__(value, points, places)
    object.__setattr__(value, directions, vectors)


def set_clock(waves: object, n_transmits: int) -> None:
    """Check and store the clock of a frozen value with ``n_transmits`` recordings."""
    start = floats("start_s", np.atleast_1d(getattr(waves, "start_s")))  # noqa: B009
    if start.size not in (1, n_transmits):
        raise ValueError(f"start_s must hold 1 or {n_transmits} values, got {start.size}")
    start = np.broadcast_to(start, (n_transmits,)).copy()
    start.setflags(write=False)
    sampling_hz = positive("sampling_hz", getattr(waves, "sampling_hz"))  # noqa: B009
    pulse_delay_s = finite("pulse_delay_s", getattr(waves, "pulse_delay_s"))  # noqa: B009
    object.__setattr__(waves, "sampling_hz", sampling_hz)
    object.__setattr__(waves, "start_s", start)
    object.__setattr__(waves, "pulse_delay_s", pulse_delay_s)
