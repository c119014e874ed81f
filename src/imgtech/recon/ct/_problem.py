"""What every iterative method of CT is given: checked once, kept together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import Array, FloatArray, real_image
from imgtech.geometry import ConeBeam, FanBeam, ImageGrid
from imgtech.recon.ct.projector import Beam, Projector
from imgtech.recon.linop import LinearOperator


@dataclass(frozen=True, eq=False)
class Masked(LinearOperator):
    """A projector of the pixels inside a mask; the others are 0."""

    inner: Projector
    inside: FloatArray

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an image."""
        return self.inner.input_shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of a sinogram."""
        return self.inner.output_shape

    def forward(self, x: npt.ArrayLike) -> FloatArray:
        """Project the pixels inside."""
        return self.inner.forward(np.asarray(x) * self.inside)

    def adjoint(self, y: npt.ArrayLike) -> FloatArray:
        """Adjoint of :meth:`forward`."""
        return self.inner.adjoint(y) * self.inside


@dataclass(frozen=True, eq=False)
class Problem:
    """Sinogram, projector, weights, mask and initial image, all of one precision."""

    sinogram: FloatArray
    beam: Beam
    grid: ImageGrid
    weights: FloatArray | None
    inside: FloatArray | None
    initial: FloatArray | None

    @classmethod
    def of(
        cls,
        sinogram: npt.ArrayLike,
        beam: Beam,
        grid: ImageGrid,
        *,
        weights: npt.ArrayLike | None = None,
        mask: npt.ArrayLike | None = None,
        initial: npt.ArrayLike | None = None,
        non_negative: bool = False,
    ) -> Problem:
        """Check the arguments that all methods share."""
        data = real_image("sinogram", sinogram, len(beam.shape))
        if data.shape != beam.shape:
            raise ValueError(f"sinogram must have shape {beam.shape}, got {data.shape}")
        if grid.ndim == len(beam.shape) == 2 and not meets(beam, grid):
            raise ValueError(
                "the beam must meet the grid: the detector of every view looks past a grid of "
                f"{grid.fov_mm} mm around {grid.center_mm} mm"
            )
        inside = None if mask is None else _mask(mask, grid).astype(data.dtype)
        start = None
        if initial is not None:
            start = real_image("initial", initial, grid.ndim).astype(data.dtype)
            if start.shape != grid.shape:
                raise ValueError(f"initial must have shape {grid.shape}, got {start.shape}")
            if inside is not None:
                start *= inside
            if non_negative:
                np.maximum(start, 0, out=start)
        return cls(data, beam, grid, _weights(weights, data), inside, start)

    @property
    def operator(self) -> Projector | Masked:
        """The projector of all views."""
        return self._masked(Projector(self.beam, self.grid))

    def subsets(self, n_subsets: int) -> list[tuple[slice, Projector | Masked]]:
        """Views of every subset with their projector, each far from the one before.

        Subset s holds the views s, s + n, s + 2 n and so on, n the number of subsets.
        """
        if n_subsets > self.beam.n_views:
            raise ValueError(
                f"n_subsets must not be above the {self.beam.n_views} views of the beam, got {n_subsets}"
            )
        chosen = [slice(first, None, n_subsets) for first in _far_apart(n_subsets)]
        return [(views, self._masked(Projector(some_views(self.beam, views), self.grid))) for views in chosen]

    def start(self) -> FloatArray:
        """A new array with the initial image, or zeros."""
        if self.initial is not None:
            return self.initial.copy()
        return np.zeros(self.grid.shape, self.sinogram.dtype)

    def ones(self) -> FloatArray:
        """The image that is 1 wherever there is something to reconstruct."""
        ones = np.ones(self.grid.shape, self.sinogram.dtype)
        return ones if self.inside is None else ones * self.inside

    def _masked(self, projector: Projector) -> Projector | Masked:
        return projector if self.inside is None else Masked(projector, self.inside)


def meets(beam: Beam, grid: ImageGrid) -> bool:
    """Whether the detector of some view reaches the shadow of a grid in the plane."""
    assert grid.center_mm is not None
    (y_mm, x_mm), (height, width) = grid.center_mm, grid.fov_mm
    if isinstance(beam, ConeBeam):
        return True
    half_mm = (beam.n_channels * beam.channel_spacing_mm) / 2
    low_mm, high_mm = beam.detector_offset_mm - half_mm, beam.detector_offset_mm + half_mm
    y = y_mm + height / 2 * np.array([[-1.0], [-1.0], [1.0], [1.0]])
    x = x_mm + width / 2 * np.array([[-1.0], [1.0], [-1.0], [1.0]])
    cos, sin = np.cos(beam.angles_rad), np.sin(beam.angles_rad)
    corners_mm = x * cos + y * sin
    if isinstance(beam, FanBeam):
        fan_rad = np.arctan2(corners_mm, beam.source_axis_mm + y * cos - x * sin)
        edges_rad = beam.fan_angles_rad([low_mm, high_mm])
        low_mm, high_mm, corners_mm = edges_rad[0], edges_rad[1], fan_rad
    return bool(((corners_mm.max(axis=0) > low_mm) & (corners_mm.min(axis=0) < high_mm)).any())


def some_views(beam: Beam, views: slice) -> Beam:
    """The same beam with some of its views."""
    if isinstance(beam, ConeBeam):
        return beam.views(views)
    return replace(beam, angles_rad=beam.angles_rad[views])


def inverse(values: FloatArray) -> FloatArray:
    """One over every value that is not zero or next to it; 0 elsewhere."""
    least = np.finfo(values.dtype).eps * float(values.max(initial=0.0))
    return np.divide(1, values, out=np.zeros_like(values), where=values > least)


def bound(problem: Problem, non_negative: bool) -> Callable[[Array, Array], Array] | None:
    """Proximal map of what the image must be: 0 outside the mask and, if wanted, not negative."""
    if non_negative and problem.inside is None:
        return lambda x, _: np.maximum(x, 0)
    if non_negative:
        return lambda x, _: np.maximum(x, 0) * problem.inside
    return None if problem.inside is None else lambda x, _: x * problem.inside


def _weights(weights: npt.ArrayLike | None, data: FloatArray) -> FloatArray | None:
    if weights is None:
        return None
    found = real_image("weights", weights, data.ndim)
    if found.shape != data.shape:
        raise ValueError(f"weights must have shape {data.shape}, got {found.shape}")
    if found.min() < 0 or found.max() == 0:
        raise ValueError(f"weights must not be negative and not all zero, got {found.min()} to {found.max()}")
    return found.astype(data.dtype)


def _mask(mask: npt.ArrayLike, grid: ImageGrid) -> npt.NDArray[np.bool_]:
    found = np.asarray(mask)
    if found.dtype != np.bool_ or found.shape != grid.shape:
        raise ValueError(f"mask must be boolean of shape {grid.shape}, got {found.dtype} of {found.shape}")
    if not found.any():
        raise ValueError("mask must hold at least one pixel, got none")
    return found


def _far_apart(n: int) -> list[int]:
    """Order 0 to n - 1 so that neighbours in time lie far apart: bits reversed."""
    bits = max(1, (n - 1).bit_length())
    reversed_bits = (int(f"{i:0{bits}b}"[::-1], 2) for i in range(2**bits))
    return [i for i in reversed_bits if i < n]
