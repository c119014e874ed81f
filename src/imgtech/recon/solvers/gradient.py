"""The discrete gradient and its exact adjoint, the negative divergence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import Array, any_image, count, positive
from imgtech.recon.linop import LinearOperator


@dataclass(frozen=True)
class Gradient(LinearOperator):
    r"""Differences of neighbours along every axis, over their distance; 0 behind the last sample.

    .. math:: (\nabla x)_{a, i} = (x_{i + e_a} - x_i) / d_a, \qquad
              (\nabla^H p)_i = \sum_a (p_{a, i - e_a} - p_{a, i}) / d_a

    Its norm is below :math:`2 \sqrt{\sum_a d_a^{-2}}`. The sum over samples of the length of the vector
    :math:`(\nabla x)_{\cdot, i}` is the isotropic total variation.

    Parameters
    ----------
    shape : tuple of int
        Shape of the image.
    spacing_mm : tuple of float, optional
        Distance between neighbours along each axis; 1 by default.

    Raises
    ------
    ValueError
        If a size is below 1, a distance is not positive, or their numbers differ.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.solvers import Gradient
    >>> Gradient((1, 3), (1.0, 0.5)).forward(np.array([[1.0, 2.0, 4.0]]))[1]
    array([[2., 4., 0.]])
    """

    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        shape = tuple(count("shape", n) for n in self.shape)
        spacing = (1.0,) * len(shape) if self.spacing_mm is None else tuple(self.spacing_mm)
        if not shape or len(spacing) != len(shape):
            raise ValueError(f"spacing_mm must have one number for each axis of {shape}, got {spacing}")
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "spacing_mm", tuple(positive("spacing_mm", d) for d in spacing))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an image."""
        return self.shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of a field of vectors, ``(axis, *shape)``."""
        return (len(self.shape), *self.shape)

    @property
    def norm_bound(self) -> float:
        """Number that the norm stays below."""
        assert self.spacing_mm is not None
        return float(
            2 * np.sqrt(sum(d**-2 for d, n in zip(self.spacing_mm, self.shape, strict=True) if n > 1))
        )

    def forward(self, x: npt.ArrayLike) -> Array:
        """Differences of an image.

        Parameters
        ----------
        x : array_like
            Image, real or complex.

        Returns
        -------
        numpy.ndarray
            Its gradient, ``(axis, *shape)``, in the precision of the image.

        Raises
        ------
        ValueError
            If the image does not have the shape or is not finite.
        """
        image = any_image("x", x, len(self.input_shape), self.input_shape)
        out = np.zeros(self.output_shape, image.dtype)
        for axis, scale in enumerate(self._per_mm(image.dtype)):
            head, tail = _shifted(axis, image.ndim)
            np.subtract(image[tail], image[head], out=out[axis][head])
            out[axis][head] *= scale
        return out

    def adjoint(self, y: npt.ArrayLike) -> Array:
        """Negative divergence of a field of vectors.

        Parameters
        ----------
        y : array_like
            Field, shape ``(axis, *shape)``, real or complex.

        Returns
        -------
        numpy.ndarray
            Image in the precision of the field.

        Raises
        ------
        ValueError
            If the field does not have the shape or is not finite.
        """
        field = any_image("y", y, len(self.output_shape), self.output_shape)
        out = np.zeros(self.shape, field.dtype)
        for axis, scale in enumerate(self._per_mm(field.dtype)):
            head, tail = _shifted(axis, out.ndim)
            flow = field[axis][head] * scale
            out[head] -= flow
            out[tail] += flow
        return out

    def _per_mm(self, dtype: np.dtype) -> list[np.generic]:
        assert self.spacing_mm is not None
        return [np.zeros(0, dtype).real.dtype.type(1 / d) for d in self.spacing_mm]


def _shifted(axis: int, ndim: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """All samples but the last along an axis, and all but the first."""
    head, tail = [slice(None)] * ndim, [slice(None)] * ndim
    head[axis], tail[axis] = slice(None, -1), slice(1, None)
    return tuple(head), tuple(tail)
