"""Checks at the door: every public function validates once, here, and names what is wrong.

Every error is a ``ValueError`` (or ``TypeError`` for a wrong kind of object) that says the
argument, the rule and the value, for example
``channel_spacing_mm must be positive, got -0.5``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
ComplexArray = npt.NDArray[np.complexfloating[Any, Any]]
Array = npt.NDArray[Any]


def finite(name: str, value: float) -> float:
    """Return ``value`` as a float, or say that it is not a finite number."""
    number = _number(name, value)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return number


def positive(name: str, value: float) -> float:
    """Return ``value`` as a float, or say that it is not above zero."""
    number = finite(name, value)
    if number <= 0:
        raise ValueError(f"{name} must be positive, got {value!r}")
    return number


def not_negative(name: str, value: float) -> float:
    """Return ``value`` as a float, or say that it is below zero."""
    number = finite(name, value)
    if number < 0:
        raise ValueError(f"{name} must not be negative, got {value!r}")
    return number


def each(
    name: str, values: Iterable[float], n: int, rule: Callable[[str, float], float] = finite
) -> tuple[float, ...]:
    """Return ``n`` floats, every one of them checked by ``rule``, or say that there are not ``n``."""
    try:
        numbers = tuple(values)
    except TypeError as error:
        raise ValueError(f"{name} must have {n} numbers, got {values!r}") from error
    if len(numbers) != n:
        raise ValueError(f"{name} must have {n} numbers, got {values!r}")
    return tuple(rule(name, number) for number in numbers)


def count(name: str, value: int, minimum: int = 1) -> int:
    """Return ``value`` as an int, or say that it is no whole number of at least ``minimum``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value!r}")
    return int(value)


def one_of(name: str, value: str, choices: Sequence[str]) -> str:
    """Return ``value``, or list the ``choices`` it is not among."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value


def two(name: str, values: Any, what: str = "(y, x)") -> tuple[Any, Any]:
    """Return the two ``values`` of a sequence, or say that they are not two."""
    if not isinstance(values, tuple | list | np.ndarray) or len(values) != 2:
        raise ValueError(f"{name} must be a pair {what}, got {values!r}")
    return values[0], values[1]


def of_kind(name: str, value: object, kind: type) -> None:
    """Say so if ``value`` is not of a kind."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be of kind {kind.__name__}, got {value!r}")


def any_shape(name: str, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return ``values`` like :func:`floats`, of whatever shape they are."""
    return floats(name, np.ravel(np.asarray(values))).reshape(np.shape(values))


def floats(name: str, values: npt.ArrayLike, ndim: int = 1) -> npt.NDArray[np.float64]:
    """Return ``values`` as a read-only float64 array of ``ndim`` axes, all finite, not empty."""
    if np.iscomplexobj(values):
        raise ValueError(f"{name} must be real, got complex values")
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers, got {values!r}") from error
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, got shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name} must not be empty")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {_first_bad(array)}")
    array.setflags(write=False)
    return array


def real_image(
    name: str, values: npt.ArrayLike, ndim: int | tuple[int, ...], shape: tuple[int, ...] | None = None
) -> FloatArray:
    """Return a finite real array: float64 stays float64, everything else becomes float32.

    ``ndim`` lists the numbers of axes that are allowed; ``shape`` fixes the last axes.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be real, got dtype {array.dtype}")
    array = array.astype(np.float64 if array.dtype == np.float64 else np.float32, copy=False)
    _check_form(name, array, ndim, shape)
    return array


def complex_image(
    name: str, values: npt.ArrayLike, ndim: int | tuple[int, ...], shape: tuple[int, ...] | None = None
) -> ComplexArray:
    """Return a finite complex array: double precision stays, everything else becomes complex64."""
    array = np.asarray(values)
    if array.dtype.kind not in "cfiub":
        raise ValueError(f"{name} must be complex, got dtype {array.dtype}")
    double = array.dtype in (np.complex128, np.float64)
    array = array.astype(np.complex128 if double else np.complex64, copy=False)
    _check_form(name, array, ndim, shape)
    return array


def any_image(
    name: str, values: npt.ArrayLike, ndim: int | tuple[int, ...], shape: tuple[int, ...] | None = None
) -> Array:
    """Return a finite array: :func:`complex_image` of complex values, :func:`real_image` of others."""
    array = np.asarray(values)
    return (complex_image if array.dtype.kind == "c" else real_image)(name, array, ndim, shape)


def _number(name: str, value: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a number, got {value!r}") from error


def _check_form(name: str, array: Array, ndim: int | tuple[int, ...], shape: tuple[int, ...] | None) -> None:
    allowed = (ndim,) if isinstance(ndim, int) else ndim
    if array.ndim not in allowed:
        axes = " or ".join(str(n) for n in allowed)
        raise ValueError(f"{name} must have {axes} axes, got shape {array.shape}")
    if shape is not None and array.shape[array.ndim - len(shape) :] != tuple(shape):
        raise ValueError(f"{name} must end with shape {tuple(shape)}, got shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}")
    if not _is_finite(array):
        raise ValueError(f"{name} must be finite, got {_first_bad(array)}")


def _is_finite(array: Array) -> bool:
    """Look at every value only where the sum is not finite: it is not if one value is not."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum()) or np.isfinite(array).all())


def _first_bad(array: Array) -> str:
    where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
    return f"{array[where]} at index {where}"
