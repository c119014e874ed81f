"""Filtered projections of a cone beam, laid out for the back-projection kernels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from imgtech._core.jit import thread_count
from imgtech._core.processor import has_avx512
from imgtech.geometry import ConeBeam, ImageGrid
from imgtech.recon.ct._kernels_cone import LANES, MARGIN, SPARE, to_frames
from imgtech.recon.ct._kernels_row_filter import VECTOR_BYTES, VECTORS, multiply_rows
from imgtech.recon.ct.filters import Window, ramp_response, window_response

FloatArray = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]
HEIGHT_DENSITY = 1.5  # heights a row of the detector
FRAME_DENSITY = 3  # samples a channel
_BLOCK_BYTES = 64 * 2**20  # frames of one block of views
_FEWEST_VIEWS, _MOST_VIEWS = 4, 32
_PART_BYTES = 8 * 2**20  # rows that are filtered at a time
_MOST_IN_MATRIX = 1024 if has_avx512() else 0  # channels
_SMALLEST_STRETCH = 0.05


@dataclass(frozen=True)
class Columns:
    """The samples of filtered rows along u: three for every two channels.

    ``offset`` channels of zeros stand before the first channel in a row of ``n_fft`` samples; the frame
    begins at sample ``begin`` of the filtered row, at ``low_mm``.
    """

    offset: int
    n_fft: int
    begin: int
    n_samples: int
    low_mm: float
    spacing_mm: float

    @classmethod
    def of(cls, u: Floats, spacing_mm: float, reach_mm: float, taper: int) -> Columns:
        """Cover -reach to reach with a margin; rows are long enough for the filter not to wrap around."""
        below = 2 * int(np.ceil((u[0] + reach_mm) / spacing_mm / 2)) + MARGIN
        above = int(np.ceil((reach_mm - u[-1]) / spacing_mm)) + MARGIN
        offset = max(below, 2 * (-(-taper // 2)), 0)
        longest = len(u) + 2 * taper + max(below, above, 0)
        n_half = scipy.fft.next_fast_len(max(longest, offset + len(u) + max(above, taper)), real=True)
        n_samples = (len(u) + below + above) * 3 // 2
        low_mm = float(u[0]) - below * spacing_mm
        return cls(offset, 2 * n_half, (offset - below) * 3 // 2, n_samples, low_mm, spacing_mm * 2 / 3)

    @property
    def positions_mm(self) -> Floats:
        """u of every sample."""
        return np.asarray(self.low_mm + np.arange(self.n_samples) * self.spacing_mm)


@dataclass(frozen=True)
class ViewBlock:
    """Frames of some views that look along the same volume axis: what :func:`add_views` takes.

    A frame ``(sample, height)`` is twice as dense along channels as the filtered rows. The memory of
    ``frames`` is used again for the next block.
    """

    by_rows: bool
    views: npt.NDArray[np.intp]
    frames: FloatArray
    row_start: Floats
    row_step: Floats
    scale: Floats


def filter_response(beam: ConeBeam, columns: Columns, window: Window, cutoff: float) -> Floats:
    """Response of rows on the detector, with what linear mixing between samples of a frame will take.

    If the detector is curved, the ramp's kernel is stretched by the square of angle over sine of the angle.
    """
    ramp = ramp_response(columns.n_fft, beam.channel_spacing_mm)
    if beam.detector == "curved":
        lag = np.arange(columns.n_fft // 2 + 1) * (beam.channel_spacing_mm / beam.source_detector_mm)
        stretch = np.where(lag < np.pi / 2, np.sinc(np.minimum(lag, np.pi / 2) / np.pi) ** -2, 0.0)
        kernel = scipy.fft.irfft(ramp, columns.n_fft)[: len(stretch)] * stretch
        ramp = scipy.fft.rfft(np.concatenate([kernel, kernel[-2:0:-1]])).real
    cycles_a_channel = np.arange(len(ramp)) / (2 * (len(ramp) - 1))
    ramp = ramp / np.sinc(cycles_a_channel / FRAME_DENSITY) ** 2
    return spline_response(ramp, window, cutoff)


def spline_response(ramp: Floats, window: Window, cutoff: float) -> Floats:
    """Ramp, window and the step to coefficients of cubic B-splines at the samples, as one response."""
    response = ramp * window_response(window, np.linspace(0.0, 1.0, len(ramp)), cutoff=cutoff)
    response[-1] /= 2  # the Nyquist sample stands for both of its signs once the spectrum is longer
    turns = np.arange(len(ramp)) / (3 * (len(ramp) - 1))
    return np.asarray(1.5 * response * 3.0 / (2.0 + np.cos(2 * np.pi * turns)))


def filter_rows(rows: FloatArray, columns: Columns, response: FloatArray) -> FloatArray:
    """Filter rows of ``columns.n_fft`` values along the last axis; return the samples of the frame."""
    workers = thread_count()
    half = scipy.fft.rfft(rows, axis=-1, workers=workers)
    half *= response
    spectrum = np.zeros((*half.shape[:-1], columns.n_fft * 3 // 4 + 1), half.dtype)
    spectrum[..., : half.shape[-1]] = half
    del half
    fine = scipy.fft.irfft(spectrum, columns.n_fft * 3 // 2, axis=-1, workers=workers)
    return np.asarray(fine[..., columns.begin : columns.begin + columns.n_samples])


class RowFilter:
    """Weights rows by the cosines of their rays and the redundancy of their lines, and filters them.

    On processors with AVX-512 and up to some number of channels the filter is one matrix, which costs less
    than Fourier transforms do: products of matrices run near the arithmetic peak of the processor.
    """

    def __init__(
        self,
        beam: ConeBeam,
        columns: Columns,
        response: Floats,
        weights: Floats,
        taper: int,
        dtype: npt.DTypeLike,
    ) -> None:
        self._columns, self._weights = columns, weights
        distance, u, v = beam.source_detector_mm, beam.channels_mm, beam.rows_mm[:, None]
        if beam.detector == "flat":
            cosines = distance / np.sqrt(distance**2 + u**2 + v**2)
        else:
            cosines = np.cos(u / distance) * distance / np.sqrt(distance**2 + v**2)
        self._cosines, self._response = cosines.astype(dtype), response.astype(dtype)
        self._fall = np.cos(np.pi / 2 * np.arange(1, taper + 1) / (taper + 1)) ** 2
        self._panels = None
        if beam.n_channels <= _MOST_IN_MATRIX:
            matrix = filter_rows(self._padded(np.eye(beam.n_channels)), columns, response)
            self._panels = _panels(matrix.astype(dtype))

    def __call__(self, projections: FloatArray, views: npt.NDArray[np.intp]) -> FloatArray:
        """Rows ``(view, row, sample)`` of some views."""
        kind, shape = projections.dtype, projections.shape[1:]
        weights = self._weights[views].astype(kind)
        if self._panels is not None:
            filtered = np.empty((len(views), shape[0], self._columns.n_samples), kind)
            multiply_rows.sized(filtered.size * shape[1] // 16)(
                projections, views, self._cosines, weights, self._panels, filtered
            )
            return filtered
        rows = np.empty((len(views), *shape), kind)
        for row, view, weight in zip(rows, views, weights, strict=True):
            np.multiply(projections[view], self._cosines, out=row)
            row *= weight
        return filter_rows(self._padded(rows), self._columns, self._response)

    def _padded(self, rows: FloatArray) -> FloatArray:
        """Rows between zeros; a taper continues them by their outermost values."""
        begin, n, taper = self._columns.offset, rows.shape[-1], len(self._fall)
        fall = self._fall.astype(rows.dtype)
        padded = np.zeros((*rows.shape[:-1], self._columns.n_fft), rows.dtype)
        padded[..., begin : begin + n] = rows
        padded[..., begin - taper : begin] = rows[..., :1] * fall[::-1]
        padded[..., begin + n : begin + n + taper] = rows[..., -1:] * fall
        return padded


def _panels(matrix: FloatArray) -> FloatArray:
    """Columns of a matrix in groups of the width that :func:`multiply_rows` takes, filled up with zeros."""
    width = VECTORS * VECTOR_BYTES // matrix.itemsize
    filled = np.pad(matrix, ((0, 0), (0, -matrix.shape[1] % width)))
    return np.ascontiguousarray(filled.reshape(len(matrix), -1, width).swapaxes(0, 1))


def view_blocks(
    projections: FloatArray,
    beam: ConeBeam,
    grid: ImageGrid,
    columns: Columns,
    response: Floats,
    weights: Floats,
    taper: int,
) -> Iterator[ViewBlock]:
    """Weight, filter and lay out the views, a block at a time: all those along y, then those along x."""
    row_filter = RowFilter(beam, columns, response, weights, taper, projections.dtype)
    orbit = Orbit.of(beam, grid)
    room = -(-orbit.n_heights // LANES) * LANES + SPARE
    room += LANES * (room // LANES % 2 == 0)  # an odd number of cache lines, so that columns share no set
    n_bytes = room * 2 * columns.n_samples * projections.itemsize
    size = int(np.clip(_BLOCK_BYTES // n_bytes, _FEWEST_VIEWS, min(_MOST_VIEWS, beam.n_views)))
    frames = np.empty((size, 2 * columns.n_samples, room), projections.dtype)
    part = max(2, _PART_BYTES // (beam.n_rows * columns.n_fft * projections.itemsize))
    part = -(-size // -(-size // part))  # parts of one size, so that threads share them evenly
    for by_rows in (True, False):
        chosen = np.flatnonzero(orbit.by_rows == by_rows)
        size = -(-len(chosen) // max(1, -(-len(chosen) // len(frames))))  # blocks of one size
        for begin in range(0, len(chosen), max(1, size)):
            views = chosen[begin : begin + size]
            for k in range(0, len(views), part):
                some = views[k : k + part]
                rows = row_filter(projections, some)
                _lay_out(rows, beam, columns, orbit, some, frames[k : k + len(some)])
                del rows  # not to be held while the next ones are made
            yield _block(frames[: len(views)], beam, grid, orbit, views)


@dataclass(frozen=True)
class Orbit:
    """How every view looks at the planes of a grid across its own axis: y with ``by_rows``, else x.

    ``depth_mm[v, p]`` is the distance of plane p from the source along the axis, over the cosine between
    the axis and the ray through the rotation axis; ``heights`` begin at ``start`` rows above the source.
    """

    by_rows: npt.NDArray[np.bool_]
    normal: Floats
    across: Floats
    start: Floats
    n_heights: int

    @classmethod
    def of(cls, beam: ConeBeam, grid: ImageGrid) -> Orbit:
        """Choose the axis of every view and the heights that the grid needs and the detector has."""
        cos, sin = np.cos(beam.angles_rad), np.sin(beam.angles_rad)
        by_rows = np.abs(cos) >= np.abs(sin)
        normal, across = np.where(by_rows, cos, -sin), np.where(by_rows, sin, cos)
        z_mm, y_mm, x_mm = (axis[[0, -1]] for axis in grid.coordinates_mm)
        ends_mm = np.where(by_rows[:, None], y_mm, x_mm)
        depth_mm = ends_mm / normal[:, None] + beam.source_axis_mm
        above_mm = z_mm - np.asarray(beam.source_z_mm)[:, None]
        slopes = above_mm[:, None, :] / depth_mm[:, :, None]
        heights = slopes.reshape(beam.n_views, -1) * (beam.source_detector_mm / beam.row_spacing_mm)
        reach = beam.n_rows + 2 * abs(beam.row_offset_mm) / beam.row_spacing_mm  # seen at half the distance
        low, high = np.clip(heights.min(axis=1), -reach, reach), np.clip(heights.max(axis=1), -reach, reach)
        first = np.floor(low * HEIGHT_DENSITY)  # heights are the same for any part of a volume
        n_heights = int((np.ceil(high * HEIGHT_DENSITY) - first).max()) + 2
        return cls(by_rows, normal, across, first / HEIGHT_DENSITY, n_heights)


def _lay_out(
    filtered: FloatArray,
    beam: ConeBeam,
    columns: Columns,
    orbit: Orbit,
    views: npt.NDArray[np.intp],
    out: FloatArray,
) -> None:
    normal, across = (a[views][:, None] for a in (orbit.normal, orbit.across))
    gamma = beam.fan_angles_rad(columns.positions_mm)
    along = 1.0 if beam.detector == "flat" else np.cos(gamma)
    sideways = np.tan(gamma) if beam.detector == "flat" else np.sin(gamma)
    stretch = np.maximum(along + sideways * across / normal, _SMALLEST_STRETCH)
    to_frames.sized(20 * out.size)(
        filtered,
        stretch,
        (stretch**2).astype(filtered.dtype),
        np.full(len(views), (beam.n_rows - 1) / 2 - beam.row_offset_mm / beam.row_spacing_mm),
        orbit.start[views],
        np.full(len(views), 1.0 / HEIGHT_DENSITY),
        orbit.n_heights,
        out,
    )


def _block(
    frames: FloatArray, beam: ConeBeam, grid: ImageGrid, orbit: Orbit, views: npt.NDArray[np.intp]
) -> ViewBlock:
    by_rows = bool(orbit.by_rows[views[0]])
    normal, start = orbit.normal[views][:, None], orbit.start[views][:, None]
    z_mm, y_mm, x_mm = grid.coordinates_mm
    depth_mm = (y_mm if by_rows else x_mm) / normal + beam.source_axis_mm
    per_mm = beam.source_detector_mm / beam.row_spacing_mm / depth_mm * HEIGHT_DENSITY
    above_mm = float(z_mm[0]) - np.asarray(beam.source_z_mm)[views][:, None]
    return ViewBlock(
        by_rows=by_rows,
        views=views,
        frames=frames,
        row_start=above_mm * per_mm - start * HEIGHT_DENSITY,
        row_step=grid.spacing_mm[0] * per_mm,
        scale=beam.source_axis_mm * beam.source_detector_mm / depth_mm**2,
    )
