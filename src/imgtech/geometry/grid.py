"""Sample grids: the one formula for where a sample is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import count, finite, positive


def sample_positions(n: int, spacing: float, center: float) -> npt.NDArray[np.float64]:
    """Positions of ``n`` samples: sample i sits at ``center + (i - (n - 1) / 2) * spacing``.

    Every grid, detector and probe of imgtech gets its positions here.

    Parameters
    ----------
    n : int
        Number of samples.
    spacing : float
        Distance between neighbours.
    center : float
        Position of the middle of the row of samples.

    Returns
    -------
    numpy.ndarray
        ``n`` positions, float64.

    Examples
    --------
    >>> from imgtech.geometry import sample_positions
    >>> sample_positions(4, spacing=0.5, center=10.0)
    array([ 9.25,  9.75, 10.25, 10.75])
    """
    return np.asarray(center + (np.arange(n) - (n - 1) / 2) * spacing, dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class ImageGrid:
    """A regular grid of pixels ``(y, x)`` or voxels ``(z, y, x)``; in ultrasound ``(z, x)``.

    Sample i of an axis sits at ``center + (i - (n - 1) / 2) * spacing``: the center of the grid is the
    middle of the whole image, between two samples when n is even. Indices grow with the coordinate.

    Parameters
    ----------
    shape : tuple of int
        Number of samples along each axis, slowest axis first.
    spacing_mm : tuple of float
        Distance between neighbouring samples along each axis.
    center_mm : tuple of float, optional
        Position of the middle of the grid; the origin by default.

    Raises
    ------
    ValueError
        If a size is below 1, a spacing is not positive, a center is not finite, or the three do not
        have the same length of 2 or 3.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> grid = ImageGrid(shape=(3, 4), spacing_mm=(1.0, 0.5), center_mm=(0.0, 10.0))
    >>> grid.coordinates_mm[1]
    array([ 9.25,  9.75, 10.25, 10.75])
    """

    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    center_mm: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        center = (0.0,) * len(self.shape) if self.center_mm is None else self.center_mm
        if len(self.shape) not in (2, 3):
            raise ValueError(f"shape must have 2 or 3 axes, got {self.shape!r}")
        if len(self.spacing_mm) != len(self.shape) or len(center) != len(self.shape):
            raise ValueError(
                "shape, spacing_mm and center_mm must have the same length, "
                f"got {self.shape!r}, {self.spacing_mm!r}, {center!r}"
            )
        object.__setattr__(self, "shape", tuple(count("shape", n) for n in self.shape))
        object.__setattr__(self, "spacing_mm", tuple(positive("spacing_mm", d) for d in self.spacing_mm))
        object.__setattr__(self, "center_mm", tuple(finite("center_mm", c) for c in center))

    @classmethod
    def square(cls, n: int, *, fov_mm: float) -> ImageGrid:
        """A square grid of ``n`` by ``n`` pixels over a field of view of ``fov_mm``, at the origin."""
        spacing = positive("fov_mm", fov_mm) / count("n", n)
        return cls(shape=(n, n), spacing_mm=(spacing, spacing))

    @classmethod
    def fft(cls, shape: tuple[int, ...], *, spacing_mm: tuple[float, ...]) -> ImageGrid:
        """The grid of a centred FFT: sample ``n // 2`` of every axis sits at the origin.

        For even n the middle of the grid therefore lies half a sample below the origin.

        Examples
        --------
        >>> ImageGrid.fft((5, 4), spacing_mm=(1.0, 1.0)).coordinates_mm[1]
        array([-2., -1.,  0.,  1.])
        """
        center = tuple(((n - 1) / 2 - n // 2) * d for n, d in zip(shape, spacing_mm, strict=True))
        return cls(shape=shape, spacing_mm=spacing_mm, center_mm=center)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def coordinates_mm(self) -> tuple[npt.NDArray[np.float64], ...]:
        """Sample positions along each axis, slowest axis first."""
        assert self.center_mm is not None
        return tuple(
            sample_positions(n, d, c)
            for n, d, c in zip(self.shape, self.spacing_mm, self.center_mm, strict=True)
        )

    @property
    def fov_mm(self) -> tuple[float, ...]:
        """Field of view along each axis, ``n * spacing``: from edge to edge of the outer pixels."""
        return tuple(n * d for n, d in zip(self.shape, self.spacing_mm, strict=True))
