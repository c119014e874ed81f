"""Any geometry as lines of pixels, in blocks, as the kernels take it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import Array, any_image, not_negative, one_of, positive
from imgtech.geometry import ImageGrid, LayeredMedium
from imgtech.geometry.probes import Probe
from imgtech.geometry.scan_grids import Pixels, cartesian_points_mm, mesh_points_mm
from imgtech.geometry.transmits import Transmits
from imgtech.recon.ultrasound._kernels_lines import PAD
from imgtech.recon.ultrasound._layers import transmit_times
from imgtech.recon.ultrasound.apodization import window_terms

INTERPOLATIONS = ("nearest", "linear", "cubic", "lanczos")
DIRECTIVITIES = ("none", "rigid", "soft")
_BLOCK = 2_000_000  # numbers of the largest table of one block


@dataclass(frozen=True, kw_only=True)
class Lines:
    """A beamforming problem: what the kernels need that does not depend on the block of lines."""

    points_mm: npt.NDArray[np.float64]  # (line, 3, pixel)
    traces: Array  # (t, e, v, PAD + n + PAD), real numbers
    waves: Transmits
    probe: Probe
    aperture: tuple[float, ...]
    width: tuple[int, float]
    medium: LayeredMedium | None
    speed_mm_s: float
    turns: float
    start_turns: npt.NDArray[np.float64]
    kind: int

    def blocks(self, numbers_a_pixel: int) -> Iterator[tuple[slice, tuple[Any, ...]]]:
        """Slices of lines with the arguments of a kernel, small enough for tables of that size."""
        n_lines, _, n = self.points_mm.shape
        step = max(1, _BLOCK // (n * numbers_a_pixel))
        zero = (self.waves.pulse_delay_s - np.asarray(self.waves.start_s)) * self.waves.sampling_hz
        elements = np.ascontiguousarray(self.probe.positions_mm)
        normals = np.ascontiguousarray(self.probe.normals)
        sampling_hz = self.waves.sampling_hz
        legs = np.zeros((0, 2)) if self.medium is None else self.medium.legs
        per_mm = sampling_hz / self.speed_mm_s if self.medium is None else sampling_hz
        for first in range(0, n_lines, step):
            part = slice(first, min(first + step, n_lines))
            points = np.ascontiguousarray(self.points_mm[part])
            times = transmit_times(self.waves, np.moveaxis(points, 1, -1), self.speed_mm_s, self.medium)
            transmit = np.ascontiguousarray(times * self.waves.sampling_hz + zero[:, None, None])
            yield (
                part,
                (
                    self.traces,
                    transmit,
                    points,
                    elements,
                    normals,
                    self.aperture,
                    self.width,
                    per_mm,
                    legs,
                    self.turns,
                    self.start_turns,
                    self.kind,
                ),
            )


def lines_of(
    traces: Array,
    probe: Probe,
    waves: Transmits,
    grid: Pixels,
    *,
    f_number: float,
    window: str,
    sound_speed_m_s: float,
    center_hz: float | None,
    interpolation: str = "linear",
    directivity: str = "none",
    frequency_hz: float | None = None,
    medium: LayeredMedium | None = None,
) -> Lines:
    """Check the settings and bring a problem into the form of :class:`Lines`."""
    flat, cosines = window_terms(window)
    speed_mm_s = 1e3 * positive("sound_speed_m_s", sound_speed_m_s)
    turns = 0.0
    if center_hz is not None:
        if not np.iscomplexobj(traces):
            raise ValueError(f"center_hz must be absent for real data, got {center_hz!r}")
        turns = positive("center_hz", center_hz) / waves.sampling_hz
    baffle = DIRECTIVITIES.index(one_of("directivity", directivity, DIRECTIVITIES))
    frequency = center_hz if frequency_hz is None else positive("frequency_hz", frequency_hz)
    if baffle and frequency is None:
        raise ValueError("frequency_hz must be given with directivity for data without center_hz")
    assert probe.element_width_mm is not None
    return Lines(
        points_mm=lines_mm(grid),
        traces=_padded(traces),
        waves=waves,
        probe=probe,
        aperture=(not_negative("f_number", f_number), flat, *cosines),
        width=(baffle, probe.element_width_mm * (frequency or 0.0) / speed_mm_s),
        medium=medium,
        speed_mm_s=speed_mm_s,
        turns=turns,
        start_turns=turns * waves.sampling_hz * np.asarray(waves.start_s),
        kind=INTERPOLATIONS.index(one_of("interpolation", interpolation, INTERPOLATIONS)),
    )


def pixel_points_mm(grid: Pixels) -> npt.NDArray[np.float64]:
    """Places of all pixels ``(*grid.shape, 3)`` as ``(z, y, x)``."""
    return cartesian_points_mm(grid) if isinstance(grid, ImageGrid) else grid.points_mm


def lines_mm(grid: Pixels) -> npt.NDArray[np.float64]:
    """Places of the pixels ``(line, 3, pixel)``: lines run along the first axis of the grid."""
    points = pixel_points_mm(grid)
    return np.ascontiguousarray(points.reshape(points.shape[0], -1, 3).transpose(1, 2, 0))


def channel_data(
    data: npt.ArrayLike, probe: Probe, waves: Transmits, ndim: tuple[int, ...] = (3, 4)
) -> Array:
    """Return checked channel data ``(transmit, element, sample[, frame])``."""
    traces = any_image("data", data, ndim)
    if traces.shape[:2] != (waves.n_transmits, probe.n_elements):
        raise ValueError(
            f"data must have {waves.n_transmits} transmits and {probe.n_elements} elements as its first "
            f"axes, got shape {traces.shape}"
        )
    if traces.shape[2] < 2:
        raise ValueError(f"data must have at least 2 samples a trace, got shape {traces.shape}")
    return traces


def complex_channel_data(
    data: npt.ArrayLike, probe: Probe, waves: Transmits, ndim: tuple[int, ...] = (3, 4)
) -> Array:
    """Return checked channel data that must be complex: IQ or the analytic signal."""
    traces = channel_data(data, probe, waves, ndim)
    if not np.iscomplexobj(traces):
        raise ValueError(f"data must be complex, got dtype {traces.dtype}")
    return traces


def check_record(
    traces: Array,
    probe: Probe,
    waves: Transmits,
    grid: Pixels,
    sound_speed_m_s: float,
    medium: LayeredMedium | None = None,
) -> None:
    """Say so if the record ends before the first echo of the grid or begins after its last one."""
    if isinstance(grid, ImageGrid):
        axes = [np.linspace(c[0], c[-1], min(c.size, 7)) for c in grid.coordinates_mm]
        points = mesh_points_mm(axes).reshape(-1, 3)
    else:
        points = grid.points_mm.reshape(-1, 3)
        points = points[:: max(1, len(points) // 97)]
    speed_mm_s = slow_mm_s = 1e3 * positive("sound_speed_m_s", sound_speed_m_s)
    if medium is not None:
        speed_mm_s, slow_mm_s = 1e3 * medium.speeds_m_s.max(), 1e3 * medium.speeds_m_s.min()
    margin_mm = float(np.linalg.norm(np.ptp(points, axis=0))) / 3  # more than from point to point
    place = probe.positions_mm
    back = np.sqrt(((points[:, None] - place) ** 2).sum(-1))
    paths = waves.paths_mm(points)
    first_s = (paths + back.min(1) - margin_mm).min(1) / speed_mm_s + waves.pulse_delay_s
    last_s = (paths + back.max(1) + margin_mm).max(1) / slow_mm_s + waves.pulse_delay_s
    start_s = np.asarray(waves.start_s)
    end_s = start_s + (traces.shape[2] - 1) / waves.sampling_hz
    if ((end_s < first_s) | (start_s > last_s)).all():
        raise ValueError(
            f"data must hold echoes of the grid: they come {1e6 * first_s.min():.4g} to "
            f"{1e6 * last_s.max():.4g} us after time zero, the record runs from {1e6 * start_s.min():.4g} to "
            f"{1e6 * end_s.max():.4g} us"
        )


def _padded(traces: Array) -> Array:
    """Real numbers ``(t, e, v, PAD + n + PAD)``; real and imaginary part take turns along v."""
    values = np.ascontiguousarray(traces if traces.ndim == 4 else traces[..., None])
    values = values.view(values.real.dtype)
    t, e, n, v = values.shape
    padded = np.zeros((t, e, v, n + 2 * PAD), dtype=values.dtype)
    padded[..., PAD : PAD + n] = values.swapaxes(2, 3)
    return padded
