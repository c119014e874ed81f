"""Linear operators: two shapes, two methods, and a test that they belong together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class LinearOperator(ABC):
    r"""A linear map :math:`A` from arrays of ``input_shape`` to arrays of ``output_shape``.

    A subclass gives the two shapes and the two methods :meth:`forward`, :math:`A x`, and :meth:`adjoint`,
    :math:`A^H y`. The pair is exactly matched: :math:`\langle A x, y \rangle = \langle x, A^H y \rangle`
    up to rounding, which :func:`dot_test` measures.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon import LinearOperator, dot_test
    >>> class Halve(LinearOperator):
    ...     input_shape = output_shape = (4,)
    ...     def forward(self, x):
    ...         return x / 2
    ...     def adjoint(self, y):
    ...         return y / 2
    >>> dot_test(Halve(), np.random.default_rng(1))
    0.0
    """

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the arrays that :meth:`forward` takes."""

    @property
    @abstractmethod
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the arrays that :meth:`forward` returns."""

    @abstractmethod
    def forward(self, x: npt.ArrayLike) -> Array:
        """Apply the operator."""

    @abstractmethod
    def adjoint(self, y: npt.ArrayLike) -> Array:
        """Apply the adjoint operator."""

    def as_scipy(self, dtype: npt.DTypeLike = np.float64) -> Any:
        """View the operator as a :class:`scipy.sparse.linalg.LinearOperator` on flat vectors.

        Parameters
        ----------
        dtype : dtype_like, optional
            Type of the vectors; they are converted to it before the operator sees them.

        Returns
        -------
        scipy.sparse.linalg.LinearOperator
            Ready for ``lsqr``, ``lsmr`` and the like.
        """
        from scipy.sparse.linalg import LinearOperator as ScipyOperator

        def matvec(x: Array) -> Array:
            return self.forward(x.astype(dtype, copy=False).reshape(self.input_shape)).ravel()

        def rmatvec(y: Array) -> Array:
            return self.adjoint(y.astype(dtype, copy=False).reshape(self.output_shape)).ravel()

        shape = (int(np.prod(self.output_shape)), int(np.prod(self.input_shape)))
        return ScipyOperator(shape=shape, matvec=matvec, rmatvec=rmatvec, dtype=np.dtype(dtype))


def dot_test(operator: LinearOperator, rng: np.random.Generator, dtype: npt.DTypeLike = np.float64) -> float:
    r"""Measure how far an operator and its adjoint are from being a matched pair.

    Parameters
    ----------
    operator : LinearOperator
        The pair to test.
    rng : numpy.random.Generator
        Draws :math:`x` and :math:`y`, uniform in [0, 1) (both parts, for a complex ``dtype``).
    dtype : dtype_like, optional
        Type of both arrays; inner products are always summed in double precision.

    Returns
    -------
    float
        :math:`|\langle A x, y \rangle - \langle x, A^H y \rangle|` divided by the larger of the two.

    Raises
    ------
    ValueError
        If :math:`A x` or :math:`A^H y` does not have the shape that the operator promises.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid, ParallelBeam
    >>> from imgtech.recon import dot_test
    >>> from imgtech.recon.ct import Projector
    >>> beam = ParallelBeam.half_turn(n_views=12, n_channels=20, channel_spacing_mm=1.0)
    >>> dot_test(Projector(beam, ImageGrid.square(16, fov_mm=16.0)), np.random.default_rng(1)) < 1e-12
    True
    """
    kind = np.dtype(dtype)

    def draw(shape: tuple[int, ...]) -> Array:
        values = rng.random(shape)
        return (values + 1j * rng.random(shape) if kind.kind == "c" else values).astype(kind)

    x, y = draw(operator.input_shape), draw(operator.output_shape)
    image, data = operator.adjoint(y), operator.forward(x)
    if data.shape != y.shape or image.shape != x.shape:
        raise ValueError(
            f"operator must map {x.shape} to {y.shape} and back, got {data.shape}, {image.shape}"
        )
    wide = np.complex128 if kind.kind == "c" else np.float64
    one = complex(np.vdot(data.astype(wide), y.astype(wide)))
    other = complex(np.vdot(x.astype(wide), image.astype(wide)))
    largest = max(abs(one), abs(other))
    return float(abs(one - other) / largest) if largest > 0 else 0.0
