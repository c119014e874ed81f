"""Kernels keep to their file, their flags and their two jumps."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from types import FunctionType

import numba
import pytest
from rooms import SOURCE, calls, kernels, public_names

from imgtech._core.jit import FASTMATH, Kernel

KERNELS = kernels()
PUBLIC_FUNCTIONS = [thing for _, _, thing in public_names() if isinstance(thing, FunctionType)]


def test_kernels_were_found():
    assert len(KERNELS) >= 3


def test_numba_is_imported_only_in_core_and_kernel_files():
    offenders = []
    for path in SOURCE.rglob("*.py"):
        if path.parent.name == "_core" or path.name.startswith("_kernels"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == "numba" for name in names):
                offenders.append(str(path.relative_to(SOURCE)))
    assert not offenders


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_kernel_uses_the_house_flags_and_returns_nothing(kernel):
    assert Path(inspect.getfile(kernel.py_func)).name.startswith("_kernels")
    for variant in filter(None, (kernel.serial, kernel.parallel)):
        assert set(variant.targetoptions["fastmath"]) == (set() if kernel.exact else set(FASTMATH))
        assert not {"nnan", "ninf"} & set(variant.targetoptions["fastmath"])
        assert variant.targetoptions["nogil"] is True
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(kernel.py_func)))
    returns = [node for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value is not None]
    assert not returns


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_kernel_calls_no_helper_of_another_file(kernel):
    home = inspect.getfile(kernel.py_func)
    todo, seen = [kernel.py_func], set()
    while todo:
        function = todo.pop()
        for name in function.__code__.co_names:
            thing = function.__globals__.get(name)
            thing = getattr(thing, "py_func", thing)
            if isinstance(thing, FunctionType) and thing not in seen:
                assert inspect.getfile(thing) == home or "numba" in inspect.getfile(thing), name
                seen.add(thing)
                todo.append(thing) if inspect.getfile(thing) == home else None


def _jumps_to_kernel(function: FunctionType) -> int | None:
    """Fewest calls from ``function`` to a kernel, None if it reaches none.

    Another public function on the way is read, and counted, on its own.
    """
    level, seen = [function], {function, *PUBLIC_FUNCTIONS}
    for jumps in range(1, 12):
        named = [thing for f in level for thing in calls(f)]
        if any(isinstance(thing, Kernel) for thing in named):
            return jumps
        level = [thing for thing in named if thing not in seen]
        seen.update(level)
        if not level:
            return None
    return None


def test_public_functions_reach_their_kernel_in_two_jumps():
    far = {}
    reached = 0
    for room, name, thing in public_names():
        if not room.startswith("imgtech.recon") or not isinstance(thing, FunctionType):
            continue
        jumps = _jumps_to_kernel(thing)
        reached += jumps is not None
        if jumps is not None and jumps > 2:
            far[f"{room}.{name}"] = jumps
    assert not far
    assert reached >= 2


def test_the_disk_cache_keeps_serial_and_parallel_variants_apart():
    for kernel in KERNELS:
        if kernel.parallel is not None:
            assert kernel.serial.py_func.__qualname__ != kernel.parallel.py_func.__qualname__


def test_numba_is_recent_enough():
    assert tuple(int(n) for n in numba.__version__.split(".")[:2]) >= (0, 61)
