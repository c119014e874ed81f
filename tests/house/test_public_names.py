"""Every public name is documented, annotated, small enough to read, and has a docs entry."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import FunctionType

import pytest
from rooms import SOURCE, public_names

NAMES = list(public_names())
REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def test_there_are_public_names_in_every_field():
    rooms = {room for room, _, _ in NAMES}
    assert {
        "imgtech.recon.ct",
        "imgtech.recon.mri",
        "imgtech.recon.ultrasound",
        "imgtech.qc.metrics",
    } <= rooms


@pytest.mark.parametrize(("room", "name", "thing"), NAMES, ids=[f"{r}.{n}" for r, n, _ in NAMES])
def test_public_name_is_documented_and_annotated(room, name, thing):
    if not callable(thing):
        return
    doc = inspect.getdoc(thing) or ""
    assert len(doc) > 40, f"{room}.{name} has no docstring"
    functions = [thing] if isinstance(thing, FunctionType) else []
    if inspect.isclass(thing):
        members = [m for n, m in vars(thing).items() if not n.startswith("_")]
        members = [m.__func__ if isinstance(m, classmethod | staticmethod) else m for m in members]
        functions = [m.fget if isinstance(m, property) else m for m in members]
        functions = [m for m in functions if isinstance(m, FunctionType)]
        for member in functions:
            assert inspect.getdoc(member), f"{room}.{name}.{member.__name__} has no docstring"
    for function in functions:
        signature = inspect.signature(function)
        missing = [
            p.name
            for p in signature.parameters.values()
            if p.annotation is p.empty and p.name not in ("self", "cls")
        ]
        assert not missing, f"{room}.{name}: {missing} not annotated"
        assert signature.return_annotation is not signature.empty, f"{room}.{name}: no return annotation"


def test_every_public_name_has_a_place_in_the_reference():
    pages = "\n".join(page.read_text() for page in REFERENCE.glob("*.md"))
    listed = {line.strip() for line in pages.splitlines()}
    missing = [f"{room}.{name}" for room, name, _ in NAMES if f"{room}.{name}" not in listed]
    assert not missing


def test_no_public_name_has_two_addresses():
    seen: dict[int, str] = {}
    for room, name, thing in NAMES:
        if not callable(thing):
            continue
        first = seen.setdefault(id(thing), f"{room}.{name}")
        assert first == f"{room}.{name}"


def test_no_file_grows_past_the_wall():
    sizes = {p.relative_to(SOURCE): len(p.read_text().splitlines()) for p in SOURCE.rglob("*.py")}
    assert not {path: n for path, n in sizes.items() if n > 500}
