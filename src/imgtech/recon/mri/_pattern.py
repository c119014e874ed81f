"""Regular undersampling with further samples: its lattice, its holes, its calibration block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Pattern:
    """Every ``steps``-th sample from ``first`` on; ``missing`` are the samples between that are filled."""

    acquired: Flags
    missing: Flags
    first: tuple[int, int]
    steps: tuple[int, int]


def regular_pattern(mask: npt.ArrayLike, shape: Sequence[int]) -> Pattern:
    """Check a mask ``(y,)`` or ``(y, x)`` and find its lattice, which is that of its widest gaps."""
    array = np.asarray(mask)
    if array.dtype != np.bool_ or array.shape not in ((shape[0],), tuple(shape)):
        raise ValueError(
            f"mask must be boolean with shape ({shape[0]},) or {tuple(shape)}, got {array.dtype} with shape "
            f"{array.shape}"
        )
    if np.count_nonzero(array) < 2:
        raise ValueError(f"mask must have at least 2 acquired lines, got {np.count_nonzero(array)}")
    acquired = np.broadcast_to(array[:, None] if array.ndim == 1 else array, tuple(shape))
    rows, columns = np.flatnonzero(acquired.any(axis=1)), np.flatnonzero(acquired.any(axis=0))
    steps = int(np.diff(rows).max(initial=1)), int(np.diff(columns).max(initial=1))
    inside = np.zeros(tuple(shape), bool)
    inside[
        max(0, rows[0] - steps[0] + 1) : rows[-1] + steps[0],
        max(0, columns[0] - steps[1] + 1) : columns[-1] + steps[1],
    ] = True
    for first in np.ndindex(steps):
        lattice = acquired[first[0] :: steps[0], first[1] :: steps[1]]
        y = np.arange(first[0], shape[0], steps[0])
        x = np.arange(first[1], shape[1], steps[1])
        within = np.s_[
            np.searchsorted(y, rows[0]) : np.searchsorted(y, rows[-1], "right"),
            np.searchsorted(x, columns[0]) : np.searchsorted(x, columns[-1], "right"),
        ]
        if lattice[within].size and lattice[within].all():
            return Pattern(acquired, inside & ~acquired, (int(first[0]), int(first[1])), steps)
    named = f"{steps[0]}th line" if steps[1] == 1 else f"{steps[0]} by {steps[1]}th sample"
    raise ValueError(
        f"mask must hold every R-th line; its widest gap is {max(steps)}, but not every {named} is there"
    )


def sampled_places(sampled: npt.ArrayLike, shape: tuple[int, ...]) -> Flags:
    """Check which places of rasters ``(..., y, x)`` were sampled; whole lines ``(..., y)`` are spread out."""
    mask = np.asarray(sampled)
    if mask.dtype != np.bool_ or mask.shape not in (shape, shape[:-1]):
        raise ValueError(
            f"sampled must be boolean with shape {shape} or {shape[:-1]}, got {mask.dtype} with shape "
            f"{mask.shape}"
        )
    return np.broadcast_to(mask if mask.shape == shape else mask[..., None], shape)


def calibration_block(acquired: Flags) -> tuple[slice, slice]:
    """The largest rectangle of acquired samples; of equal ones the first."""
    heights = np.zeros(acquired.shape[1], dtype=np.int64)
    best, block = 0, (slice(0, 0), slice(0, 0))
    same = (acquired == acquired[:, :1]).all()  # whole lines: the columns are all alike
    width = acquired.shape[1]
    for row, line in enumerate(acquired):
        heights = np.where(line, heights + 1, 0)
        for height in heights[:1] if same else np.unique(heights):
            start, length = (0, width) if same else _longest_run(heights >= height)
            if height * length > best:
                best = int(height * length)
                block = slice(row + 1 - int(height), row + 1), slice(start, start + length)
    return block


def _longest_run(flags: Flags) -> tuple[int, int]:
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if not len(starts):
        return 0, 0
    longest = int(np.argmax(stops - starts))
    return int(starts[longest]), int(stops[longest] - starts[longest])
