"""Cone-beam reconstruction of circular scans."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import not_negative, real_image
from imgtech.geometry import ConeBeam, ImageGrid
from imgtech.recon.ct import _kernels_cone, _kernels_cone_window
from imgtech.recon.ct._cone_coverage import check_circle, clear_unseen, farthest_mm, redundancy_weights
from imgtech.recon.ct._cone_frames import Columns, filter_response, view_blocks
from imgtech.recon.ct._kernels_cone import STEPS, channel_positions
from imgtech.recon.ct.filters import Window

FloatArray = npt.NDArray[np.floating[Any]]


def fdk(
    projections: npt.ArrayLike,
    beam: ConeBeam,
    grid: ImageGrid,
    *,
    window: Window = "ram-lak",
    cutoff: float = 1.0,
    taper_mm: float = 0.0,
) -> FloatArray:
    r"""Reconstruct a circular cone-beam scan by the method of Feldkamp, Davis and Kress.

    .. math:: f(r) = \int w \, \frac{R L}{U^2} \, q_\beta\big(u(r), v(r)\big) \, d\beta, \qquad
              q_\beta = \left(\frac{L}{\sqrt{L^2 + u^2 + v^2}} \, p_\beta\right) *_u h

    with the distances R and L of the source from axis and detector, the depth U of the voxel from the
    source along the central ray and the ramp :math:`h` along channels (:func:`ramp_response`) under a
    window (:func:`window_response`). On a curved detector U is the distance from the source in the plane,
    the weight is :math:`\cos\gamma \, L / \sqrt{L^2 + v^2}`, and the ramp's kernel is multiplied by
    :math:`(\gamma / \sin\gamma)^2`.

    The plane of the source is exact in the limit of fine sampling; away from it values fall off with the
    cone angle, as they must for a circular scan. Redundancy follows from the geometry. A full turn with a
    centred detector counts every line half (:math:`w = 1/2`); a detector that is shifted by more than a
    tenth of its longer side gets a smooth step over the part that both sides see, and the field of view of
    its longer side (Wang 2002). A short scan must cover 180 degrees plus the fan and gets smooth weights
    (Parker 1982, Noo et al. 2002). Anything less is refused.

    Voxels whose centre lies outside the circle that channels see over a turn, or above or below the rows
    in some view of a full turn, are 0. Rows that end inside the object make values rise towards the edge
    of that circle; ``taper_mm`` continues them.

    Between rows positions are interpolated by cubic B-splines, then linearly at 1.5 heights a row; along
    channels linearly at 3 samples a channel, positions rounded to 1/768 of a channel. The filter makes up
    for the sharpness that the latter takes.

    Parameters
    ----------
    projections : array_like
        Line integrals (dimensionless), shape ``(view, row, channel)``. A memory map is read block by block
        after one pass that looks for NaN.
    beam : ConeBeam
        Where the rays run: all views at one height, no shifted focal spot, at least 2 channels.
    grid : ImageGrid
        Where the voxels are; three axes; within the circle of the source. Any part of a volume gives the
        values of the whole, so that slabs of slices bound the memory.
    window : str or callable, optional
        Window on the ramp.
    cutoff : float, optional
        Where the window ends, relative to the Nyquist frequency of the channels.
    taper_mm : float, optional
        Length at the detector over which rows are continued past both of their ends: the outermost
        reading, falling to 0 like a squared cosine. 0 for an object that the channels see whole.

    Returns
    -------
    numpy.ndarray
        Attenuation in 1/mm, shape ``grid.shape``. float64 for float64 projections, float32 otherwise.

    Raises
    ------
    ValueError
        If the projections do not have the shape of the beam or hold NaN or infinity, heights differ
        between views, a focal spot is shifted, there are fewer than 6 views or they do not cover every
        line, the detector does not see the axis or sees no voxel in every view, the source would be inside
        the grid, the grid does not have three axes, or the window is unknown.

    Notes
    -----
    Memory at its peak, besides the projections: the result and 80 MB (64 MB of them for the frames of up
    to 32 views), 100 MB beyond 1024 channels and on processors without AVX-512, where rows are filtered by
    Fourier transforms; more only where four frames of about 6 values a detector element do not fit 64 MB.
    Small scans take less.

    References
    ----------
    Feldkamp, Davis and Kress 1984, https://doi.org/10.1364/JOSAA.1.000612

    Parker 1982, https://doi.org/10.1118/1.595078

    Wang 2002, https://doi.org/10.1118/1.1489043

    Noo, Defrise, Clackdoyle and Kudo 2002, https://doi.org/10.1088/0031-9155/47/14/311

    Examples
    --------
    >>> from imgtech.geometry import ConeBeam, ImageGrid
    >>> from imgtech.phantoms import Ellipsoid, Phantom
    >>> from imgtech.recon.ct import fdk
    >>> beam = ConeBeam.full_turn(
    ...     n_views=90, source_axis_mm=200.0, source_detector_mm=300.0, n_channels=64,
    ...     channel_spacing_mm=1.0, n_rows=48, row_spacing_mm=1.0,
    ... )
    >>> ball = Phantom(shapes=(Ellipsoid(value=0.02, semi_axes_mm=(12.0, 12.0, 12.0)),))
    >>> grid = ImageGrid(shape=(3, 32, 32), spacing_mm=(1.0, 1.0, 1.0))
    >>> volume = fdk(ball.projections(beam), beam, grid, window="hann")
    >>> round(float(volume[1, 16, 16]), 4)
    0.02
    """
    data = real_image("projections", projections, 3, beam.shape)
    check_circle(beam, grid)
    weights, gamma = redundancy_weights(beam, beam.fan_angles_rad(beam.channels_mm))
    taper = int(np.ceil(not_negative("taper_mm", taper_mm) / beam.channel_spacing_mm))
    columns = Columns.of(beam.channels_mm, beam.channel_spacing_mm, _reach_mm(beam, grid, gamma), taper)
    response = filter_response(beam, columns, window, cutoff)
    volume = np.zeros(grid.shape, data.dtype)
    fractions = ((np.arange(STEPS) + 0.5) / STEPS).astype(data.dtype)
    windowed = _kernels_cone_window.HAS_AVX512 and data.dtype == np.float32
    add_views = _kernels_cone_window.add_views if windowed else _kernels_cone.add_views
    for block in view_blocks(data, beam, grid, columns, response, weights, taper):
        positions = _positions(beam.angles_rad[block.views], beam, grid, columns, block.by_rows)
        add_views.sized(positions.size * grid.shape[0])(
            block.frames, block.row_start, block.row_step, block.scale, positions,
            fractions, block.by_rows, volume,
        )  # fmt: skip
    clear_unseen(volume, beam, grid, gamma)
    return volume


def _reach_mm(beam: ConeBeam, grid: ImageGrid, gamma: float) -> float:
    """How far out on the detector voxels of the grid lie that are kept."""
    angle = min(gamma, float(np.arcsin(farthest_mm(grid) / beam.source_axis_mm)))
    return beam.source_detector_mm * (float(np.tan(angle)) if beam.detector == "flat" else angle)


def _positions(
    angles_rad: npt.NDArray[np.float64], beam: ConeBeam, grid: ImageGrid, columns: Columns, by_rows: bool
) -> npt.NDArray[np.int32]:
    _, y_mm, x_mm = grid.coordinates_mm
    lines = grid.shape[1:] if by_rows else grid.shape[:0:-1]
    positions = np.empty((len(angles_rad), *lines), np.int32)
    channel_positions.sized(10 * positions.size)(
        np.cos(angles_rad), np.sin(angles_rad), beam.source_axis_mm, beam.source_detector_mm,
        beam.detector == "curved", columns.low_mm, columns.spacing_mm / 2, 2 * columns.n_samples,
        by_rows, y_mm, x_mm, positions,
    )  # fmt: skip
    return positions
