"""What a solver gives back, and the rules that stop it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.progress import progress
from imgtech._core.validate import Array, any_image, complex_image, count, not_negative, real_image
from imgtech.recon.linop import LinearOperator

StoppedBy = Literal["n_iter", "tolerance", "discrepancy", "solved"]


@dataclass(frozen=True, eq=False)
class Solution(ArrayValue):
    """Image of an iterative reconstruction and how it was reached.

    Parameters
    ----------
    image : numpy.ndarray
        The last iterate.
    residuals : numpy.ndarray
        Norm of the (weighted) difference between data and projected image, shape ``(n_iter + 1,)``,
        beginning with the one of the initial image.
    n_iter : int
        Number of iterations that were run.
    stopped_by : {"n_iter", "tolerance", "discrepancy", "solved"}
        The rule that ended it. "solved" says that nothing was left to improve.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.solvers import Solution
    >>> Solution(np.ones(2), np.array([2.0, 0.1]), 1, "discrepancy").converged
    True
    """

    image: Array
    residuals: npt.NDArray[np.float64]
    n_iter: int
    stopped_by: StoppedBy

    @property
    def converged(self) -> bool:
        """Whether a rule other than the number of iterations ended it."""
        return self.stopped_by != "n_iter"


@dataclass(frozen=True, kw_only=True)
class Stopping:
    """The three rules every solver takes: checked when made."""

    n_iter: int
    tolerance: float
    discrepancy: float

    def __post_init__(self) -> None:
        count("n_iter", self.n_iter)
        not_negative("tolerance", self.tolerance)
        not_negative("discrepancy", self.discrepancy)


def run(iterates: Iterator[tuple[Array, float]], stopping: Stopping, description: str) -> Solution:
    """Draw iterates, image and norm of its residual, until a rule says stop.

    The first iterate is the initial image. An iterator that ends has nothing left to improve. Iterates
    may share memory; the last one is handed out.
    """
    residuals: list[float] = []
    stopped_by: StoppedBy = "n_iter"
    previous: Array | None = None
    for number in progress(range(stopping.n_iter + 1), description):
        drawn = next(iterates, None)
        if drawn is None:
            stopped_by = "solved"
            break
        image, residual = drawn
        if not np.isfinite(residual):
            raise ValueError(f"iterations must not diverge, got a residual of {residual} after {number}")
        residuals.append(residual)
        if residual <= stopping.discrepancy:
            stopped_by = "discrepancy"
            break
        if stopping.tolerance > 0:
            if previous is not None and norm(image - previous) <= stopping.tolerance * norm(image):
                stopped_by = "tolerance"
                break
            previous = image.copy()
    return Solution(
        image=image, residuals=np.asarray(residuals), n_iter=len(residuals) - 1, stopped_by=stopped_by
    )


def norm(values: Array, weights: Array | None = None) -> float:
    """Euclidean norm, summed in double precision."""
    squares = values.real**2 + values.imag**2 if np.iscomplexobj(values) else values**2
    if weights is not None:
        squares *= weights
    return float(np.sqrt(np.sum(squares, dtype=np.float64)))


def data_of(operator: LinearOperator, data: npt.ArrayLike) -> Array:
    """Return the data as a finite array of the operator's output shape, real or complex as they are."""
    found = any_image("data", data, len(operator.output_shape))
    if found.shape != operator.output_shape:
        raise ValueError(f"data must have shape {operator.output_shape}, got {found.shape}")
    return found


def initial_of(operator: LinearOperator, initial: npt.ArrayLike | None, dtype: np.dtype) -> Array:
    """Return a copy of the initial image in the precision of the data, or zeros."""
    if initial is None:
        return np.zeros(operator.input_shape, dtype)
    check = complex_image if dtype.kind == "c" else real_image
    found = check("initial", initial, len(operator.input_shape))
    if found.shape != operator.input_shape:
        raise ValueError(f"initial must have shape {operator.input_shape}, got {found.shape}")
    return found.astype(dtype)


def weights_of(operator: LinearOperator, weights: npt.ArrayLike | None, dtype: np.dtype) -> Array | None:
    """Return weights that can be broadcast against the data, not negative and not all zero."""
    if weights is None:
        return None
    try:
        found = np.broadcast_to(np.asarray(weights), operator.output_shape)
    except ValueError as error:
        raise ValueError(
            f"weights must have shape {operator.output_shape}, got {np.shape(weights)}"
        ) from error
    found = real_image("weights", found, len(operator.output_shape))
    if found.min() < 0 or found.max() == 0:
        raise ValueError(f"weights must not be negative and not all zero, got {found.min()} to {found.max()}")
    return found.astype(np.zeros(0, dtype).real.dtype)
