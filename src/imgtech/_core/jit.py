"""The one decorator for compiled kernels, and the threads they run on.

A kernel is a function over arrays and scalars, with its output arrays last, that returns nothing.
It lives in a file named ``_kernels*.py`` together with every helper it calls, because the compile
cache on disk sees changes in that file only. The first call compiles; the result is cached on disk
(beside the source, or in the user's cache folder where the installation cannot be written, or only in
memory where neither can), so the next process starts warm.

The floating-point flags allow reordering and contraction but keep NaN and infinity meaningful. They leave
the last bits to the compiler, which may choose differently for the two variants of a kernel where it does not
inline a helper; kernels and helpers marked ``exact`` are compiled without the flags.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import numba

FASTMATH = frozenset({"nsz", "arcp", "contract", "afn", "reassoc"})
SERIAL_BELOW = 2_000_000  # elementary updates; below this, starting threads costs more than it gains

_launch_lock = threading.RLock()


class Kernel:
    """A compiled function in two variants: on one thread and, if ``parallel``, on all of them.

    Calling it runs the parallel variant when there is one. ``kernel.sized(work)`` gives the variant
    that suits ``work`` elementary updates. Launches of the parallel variant from several Python
    threads queue behind one lock, since not every threading layer of Numba may be entered twice.
    """

    def __init__(self, function: FunctionType, parallel: bool, exact: bool = False) -> None:
        self.py_func = function
        self.exact = exact
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.serial = _compile(function, False, exact)
        # The disk cache does not tell flags apart, so the second variant gets a name of its own.
        self.parallel = _compile(_renamed(function, "_parallel"), True, exact) if parallel else None

    def __call__(self, *args: Any) -> None:
        if self.parallel is None or numba.get_num_threads() == 1:
            self.serial(*args)
            return
        with _launch_lock:
            self.parallel(*args)

    def sized(self, work: float) -> Callable[..., None]:
        """Return the serial variant for little work (elementary updates), else the kernel itself."""
        return self.serial if work < SERIAL_BELOW else self

    def __repr__(self) -> str:
        return f"<kernel {self.__module__}.{self.__name__}>"


def kernel(
    function: Callable[..., None] | None = None, *, parallel: bool = False, exact: bool = False
) -> Any:
    """Compile a kernel; with ``parallel=True`` its ``prange`` loops run on all threads.

    With ``exact=True`` every operation is rounded as written, so that both variants give the same bits.
    """
    if function is None:
        return lambda f: Kernel(f, parallel, exact)
    return Kernel(function, parallel, exact)  # type: ignore[arg-type]


def helper(function: Callable[..., Any] | None = None, *, exact: bool = False) -> Any:
    """Compile a function that kernels of the same file call (inlined by LLVM, may return a value)."""
    if function is None:
        return lambda f: helper(f, exact=exact)
    return numba.njit(fastmath=_flags(exact), error_model="numpy", nogil=True)(function)


def _flags(exact: bool) -> set[str]:
    return set() if exact else set(FASTMATH)


def _compile(function: FunctionType, parallel: bool, exact: bool) -> Any:
    options: dict[str, Any] = {
        "fastmath": _flags(exact),
        "error_model": "numpy",
        "nogil": True,
        "parallel": parallel,
    }
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder for the cache can be written: compile in memory
        return numba.njit(cache=False, **options)(function)


def _renamed(function: FunctionType, suffix: str) -> FunctionType:
    name = function.__name__ + suffix
    code = function.__code__.replace(co_name=name, co_qualname=name)
    copy = FunctionType(code, function.__globals__, name, function.__defaults__, function.__closure__)
    copy.__qualname__ = name
    copy.__module__ = function.__module__
    copy.__doc__ = function.__doc__
    return copy


def thread_count() -> int:
    """Return the number of threads kernels run on; FFTs take the same number of workers."""
    return int(numba.get_num_threads())


@contextmanager
def threads(n_threads: int) -> Iterator[None]:
    """Run the kernels called inside the ``with`` block on ``n_threads`` threads.

    Parameters
    ----------
    n_threads : int
        Between 1 and the number of threads Numba was started with (``NUMBA_NUM_THREADS``, by default
        the number of processors).

    Raises
    ------
    ValueError
        If ``n_threads`` lies outside that range.

    Examples
    --------
    >>> import imgtech
    >>> with imgtech.threads(1):
    ...     pass
    """
    most = int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    if not 1 <= n_threads <= most:
        raise ValueError(f"n_threads must lie between 1 and {most}, got {n_threads!r}")
    before = numba.get_num_threads()
    numba.set_num_threads(n_threads)
    try:
        yield
    finally:
        numba.set_num_threads(before)
