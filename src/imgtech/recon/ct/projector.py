"""Line integrals of a pixel image and the adjoint of taking them, as one matched pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import real_image
from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.recon.ct._kernels_parallel import (
    add_rows,
    channels_to_fine,
    collect_rows,
    fine_to_channels,
)
from imgtech.recon.ct._rows import ViewBlock, view_blocks
from imgtech.recon.linop import LinearOperator

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Projector(LinearOperator):
    r"""Parallel projection of an image on a grid, and its exact adjoint.

    A channel holds the mean over its width of the line integrals. The shadow of a pixel is a box of the
    width :math:`\max(|d_x \cos\theta|, |d_y \sin\theta|)` with the area of the pixel (distance-driven
    projection, De Man and Basu 2004, https://doi.org/10.1088/0031-9155/49/11/024), its position rounded to
    1/16 of that width. The boxes of a pixel row tile the detector without gaps: a constant image gives
    chord lengths. Both methods walk over the same weights, so that the pair is matched to rounding.

    Parameters
    ----------
    beam : ParallelBeam
        Where the rays run and how wide the channels are.
    grid : ImageGrid
        Where the pixels are; two axes.

    Raises
    ------
    ValueError
        If the grid does not have two axes.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid, ParallelBeam
    >>> from imgtech.recon.ct import Projector
    >>> beam = ParallelBeam.half_turn(n_views=2, n_channels=3, channel_spacing_mm=2.0)
    >>> project = Projector(beam, ImageGrid(shape=(4, 6), spacing_mm=(1.0, 2.0)))
    >>> project.forward(np.full((4, 6), 0.5)).round(6)
    array([[2., 2., 2.],
           [3., 6., 3.]])
    """

    beam: ParallelBeam
    grid: ImageGrid

    def __post_init__(self) -> None:
        if self.grid.ndim != 2:
            raise ValueError(f"grid must have 2 axes, got shape {self.grid.shape}")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an image, ``(y, x)``."""
        return self.grid.shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of a sinogram, ``(view, channel)``."""
        return self.beam.shape

    def forward(self, x: npt.ArrayLike) -> FloatArray:
        """Project an image.

        Parameters
        ----------
        x : array_like
            Attenuation in 1/mm, shape ``(y, x)``.

        Returns
        -------
        numpy.ndarray
            Line integrals (dimensionless), shape ``(view, channel)``; float64 for a float64 image,
            float32 otherwise.

        Raises
        ------
        ValueError
            If the image does not have the shape of the grid or is not finite.
        """
        image = np.ascontiguousarray(real_image("x", x, 2, self.grid.shape))
        sinogram = np.empty(self.beam.shape, image.dtype)
        lying = np.ascontiguousarray(image.T)
        for block in view_blocks(self.beam, self.grid, image.dtype):
            fine = block.fine_samples(image.dtype)
            collect_rows.sized(len(fine) * image.size)(
                image, lying, block.n_by_rows, block.start, block.slope, fine
            )
            fine_to_channels.sized(fine.size)(fine, block.views, *self._footprint(block), sinogram)
        return sinogram

    def adjoint(self, y: npt.ArrayLike) -> FloatArray:
        """Apply the adjoint of :meth:`forward` to a sinogram.

        Parameters
        ----------
        y : array_like
            Sinogram, shape ``(view, channel)``.

        Returns
        -------
        numpy.ndarray
            Image, the unit of ``y`` times mm, shape ``(y, x)``; float64 for a float64 sinogram, float32
            otherwise.

        Raises
        ------
        ValueError
            If the sinogram does not have the shape of the beam or is not finite.
        """
        sinogram = np.ascontiguousarray(real_image("y", y, 2, self.beam.shape))
        upright = np.zeros(self.grid.shape, sinogram.dtype)
        lying = np.zeros(self.grid.shape[::-1], sinogram.dtype)
        for block in view_blocks(self.beam, self.grid, sinogram.dtype):
            fine = block.fine_samples(sinogram.dtype)
            channels_to_fine.sized(fine.size)(sinogram, block.views, *self._footprint(block), fine)
            add_rows.sized(len(fine) * upright.size)(
                fine, block.start, block.slope, block.n_by_rows, upright, lying
            )
        return upright + lying.T

    def _footprint(
        self, block: ViewBlock
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float, float]:
        assert self.beam.channel_width_mm is not None
        spacing_mm = self.beam.channel_spacing_mm
        start, step = block.on_detector(self.beam.channels_mm[0], spacing_mm)
        pixel_mm2 = float(np.prod(self.grid.spacing_mm))
        return start, step, self.beam.channel_width_mm / spacing_mm, pixel_mm2 / spacing_mm
