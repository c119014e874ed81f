"""Helical CT by weighted filtered back-projection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import finite, real_image
from imgtech.geometry import ConeBeam, ImageGrid
from imgtech.recon.ct._cone_frames import Columns, filter_rows, spline_response
from imgtech.recon.ct._helical import ParallelViews, check_helix, to_parallel
from imgtech.recon.ct._kernels_helical import add_half_turns
from imgtech.recon.ct.filters import Window, ramp_response

FloatArray = npt.NDArray[np.floating[Any]]
_BLOCK_BYTES = 16 * 2**20


def wfbp(
    projections: npt.ArrayLike,
    beam: ConeBeam,
    grid: ImageGrid,
    *,
    window: Window = "ram-lak",
    cutoff: float = 1.0,
    plateau: float = 0.6,
) -> FloatArray:
    r"""Reconstruct a helical scan by weighted filtered back-projection.

    Every detector row is rebinned to rays that are parallel seen along z, of the angle :math:`\theta` and
    the distance s from the axis, and filtered along s. For each :math:`\theta` of half a turn a voxel takes
    the weighted mean of all readings :math:`\theta + k \pi` whose detector sees it:

    .. math:: f(r) = \int_0^\pi \frac{\sum_k W(\hat v_k) \, q_{\theta + k \pi}(s_k, v_k)}
              {\sum_k W(\hat v_k)} \, d\theta, \qquad
              q_\theta = \left(\cos\kappa \; p_\theta\right) *_s h

    with the row :math:`v_k` at which the ray through the voxel meets the detector, the angle :math:`\kappa`
    between ray and plane and the ramp :math:`h`. W is 1 near the middle row, and falls smoothly to 0 from
    ``plateau`` times the half height of the detector to its edge. All readings of all turns are used, so the
    pitch need not be matched to the number of rows. As in every method that filters along rows, the cone
    angle leaves small errors where the object changes quickly along z.

    A focal spot that flies between a few places is taken into account: where a channel's ray passes the axis
    and its angle exactly, a shift along z where the ray passes the axis.

    Parameters
    ----------
    projections : array_like
        Line integrals (dimensionless), shape ``(view, row, channel)``.
    beam : ConeBeam
        Where the rays run: views in even angle steps, in either direction, over at least 180 degrees plus
        the fan; ``source_z_mm`` may follow any feed, also none. The detector must be centred to within a
        tenth of its longer side, with at least 6 channels and 2 rows; ``focal_shift_mm`` may take up to 8
        different values.
    grid : ImageGrid
        Where the voxels are; three axes; within the circle of the source. Any part of a volume gives the
        values of the whole.
    window : str or callable, optional
        Window on the ramp, as in :func:`fbp`.
    cutoff : float, optional
        Where the window ends, relative to the Nyquist frequency of the channels at the axis.
    plateau : float, optional
        Part of the detector's half height that counts in full, from 0 to below 1. More of it uses the dose
        better; less of it gives smoother seams between turns.

    Returns
    -------
    numpy.ndarray
        Attenuation in 1/mm, shape ``grid.shape``; 0 in voxels that some angle does not see. float64 for
        float64 projections, float32 otherwise.

    Raises
    ------
    ValueError
        If the projections do not have the shape of the beam or hold NaN or infinity, the angles are not
        even or too few, the detector is shifted or too small, the source would be inside the grid, no
        voxel is seen at all angles, the grid does not have three axes, or the window is unknown.

    Notes
    -----
    Memory at its peak, besides the projections: two rebinned copies of them, or one with the result twice
    and 40 MB, whichever is more.

    References
    ----------
    Stierstorfer, Rauscher, Boese, Bruder, Schaller and Flohr 2004, Weighted FBP - a simple approximate 3D
    FBP algorithm for multislice spiral CT with good dose usage for arbitrary pitch, Physics in Medicine and
    Biology 49, 2209-2218, https://doi.org/10.1088/0031-9155/49/11/007

    Examples
    --------
    >>> from imgtech.geometry import ConeBeam, ImageGrid
    >>> from imgtech.phantoms import Ellipsoid, Phantom
    >>> from imgtech.recon.ct import wfbp
    >>> beam = ConeBeam.helical(
    ...     pitch_mm=8.0, n_turns=3, n_views_per_turn=90, source_axis_mm=300.0, source_detector_mm=500.0,
    ...     detector="curved", n_channels=64, channel_spacing_mm=1.5, n_rows=8, row_spacing_mm=1.6,
    ... )
    >>> ball = Phantom(shapes=(Ellipsoid(value=0.02, semi_axes_mm=(12.0, 12.0, 12.0)),))
    >>> grid = ImageGrid(shape=(3, 32, 32), spacing_mm=(1.0, 1.0, 1.0))
    >>> volume = wfbp(ball.projections(beam), beam, grid, window="hann")
    >>> round(float(volume[1, 16, 16]), 4)
    0.02
    """
    data = real_image("projections", projections, 3, beam.shape)
    check_helix(beam, grid)
    if not 0.0 <= finite("plateau", plateau) < 1.0:
        raise ValueError(f"plateau must be at least 0 and below 1, got {plateau!r}")
    if beam.angles_rad[-1] < beam.angles_rad[0]:
        data, beam = data[::-1], beam.views(slice(None, None, -1))
    views = to_parallel(data, beam)
    columns = Columns.of(views.positions_mm, views.spacing_mm, float(views.positions_mm[-1]), 0)
    ramp = ramp_response(columns.n_fft, views.spacing_mm)
    response = spline_response(ramp, window, cutoff).astype(data.dtype)
    z_mm, y_mm, x_mm = grid.coordinates_mm
    volume = np.zeros((len(y_mm), len(x_mm), len(z_mm)), data.dtype)
    gaps = np.zeros(volume.shape, np.int32)
    step = float(beam.angles_rad[-1] - beam.angles_rad[0]) / (beam.n_views - 1)
    flat = float(beam.detector == "flat")
    last = float(views.theta_rad[-1]) + 0.5 * np.pi / views.n_half
    scan = (beam.source_axis_mm, beam.source_detector_mm, flat, float(beam.angles_rad[0]), step, last)
    half_mm = beam.n_rows * beam.row_spacing_mm / 2
    rows = (float(beam.rows_mm[0]), beam.row_spacing_mm, beam.row_offset_mm, half_mm)
    for theta, frames in _half_turns(views, columns, response):
        add_half_turns(
            frames, theta, columns.low_mm, columns.spacing_mm, scan, np.asarray(beam.source_z_mm), rows,
            float(plateau), y_mm, x_mm, z_mm, np.pi / views.n_half, volume, gaps,
        )  # fmt: skip
    seen = gaps == 0
    del gaps
    seen &= (np.hypot(y_mm[:, None], x_mm) <= views.positions_mm[-1] + views.spacing_mm / 2)[..., None]
    if not seen.any():
        raise ValueError(
            "beam must see some voxel of the grid from all angles, got none: the scan reaches from "
            f"{np.min(beam.source_z_mm):.4g} to {np.max(beam.source_z_mm):.4g} mm with rows of "
            f"{half_mm * 2 / beam.magnification:.4g} mm at the axis"
        )
    volume *= seen
    return np.ascontiguousarray(np.moveaxis(volume, -1, 0))


def _half_turns(
    views: ParallelViews, columns: Columns, response: FloatArray
) -> Iterator[tuple[npt.NDArray[np.float64], FloatArray]]:
    """Angles of some views of the first half turn, and frames ``(view, half turn, sample, row)``."""
    n_rows, n = views.data.shape[1:]
    n_bytes = views.n_turns * columns.n_samples * n_rows * views.data.itemsize
    size = max(1, _BLOCK_BYTES // n_bytes)
    for begin in range(0, views.n_half, size):
        end = min(begin + size, views.n_half)
        frames = np.zeros((end - begin, views.n_turns, columns.n_samples, n_rows), views.data.dtype)
        for turn in range(views.n_turns):
            chosen = views.data[begin + turn * views.n_half : end + turn * views.n_half]
            rows = np.zeros((len(chosen), n_rows, columns.n_fft), views.data.dtype)
            rows[..., columns.offset : columns.offset + n] = chosen
            if len(chosen):
                frames[: len(chosen), turn] = np.moveaxis(filter_rows(rows, columns, response), 1, 2)
        yield views.theta_rad[begin:end], frames
