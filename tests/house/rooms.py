"""What the house tests know about the package: its modules, public names and kernels."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import imgtech
from imgtech._core.jit import Kernel

SOURCE = Path(imgtech.__file__).parent
PUBLIC_ROOMS = (
    "imgtech.geometry",
    "imgtech.phantoms",
    "imgtech.io",
    "imgtech.io.beams",
    "imgtech.io.raw",
    "imgtech.recon",
    "imgtech.recon.ct",
    "imgtech.recon.ct.corrections",
    "imgtech.recon.gridding",
    "imgtech.recon.mri",
    "imgtech.recon.mri.maps",
    "imgtech.recon.solvers",
    "imgtech.recon.ultrasound",
    "imgtech.qc",
    "imgtech.qc.locate",
    "imgtech.qc.metrics",
    "imgtech.qc.metrics.ultrasound",
    "imgtech.qc.pose",
    "imgtech.qc.protocols",
    "imgtech.qc.roi",
    "imgtech.qc.uncertainty",
    "imgtech.report",
    "imgtech.bench",
)


def modules() -> list[ModuleType]:
    """Every module of the package."""
    names = [m.name for m in pkgutil.walk_packages(imgtech.__path__, "imgtech.")]
    return [importlib.import_module(name) for name in names]


def public_names() -> Iterator[tuple[str, str, Any]]:
    """Room, name and object of every public name that is no sub-package."""
    for room in PUBLIC_ROOMS:
        module = importlib.import_module(room)
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name)
            if not isinstance(thing, ModuleType):
                yield room, name, thing


def kernels() -> list[Kernel]:
    """Every kernel of the package, once."""
    found: dict[int, Kernel] = {}
    for module in modules():
        for thing in vars(module).values():
            if isinstance(thing, Kernel):
                found[id(thing)] = thing
    return list(found.values())


def calls(function: FunctionType) -> list[Any]:
    """The functions, classes and kernels of imgtech that the body of ``function`` names."""
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(function)))
    scope = function.__globals__
    found = []
    for node in ast.walk(tree):
        thing = None
        if isinstance(node, ast.Name):
            thing = scope.get(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            thing = getattr(scope.get(node.value.id), node.attr, None)
        ours = isinstance(thing, FunctionType) and thing.__module__.startswith("imgtech")
        if ours or isinstance(thing, Kernel):
            found.append(thing)
    return found
