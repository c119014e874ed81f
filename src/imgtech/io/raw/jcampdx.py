"""Parameter files in the JCAMP-DX dialect of Bruker ParaVision (``acqp``, ``method``, ``reco``)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

_SIZE = re.compile(r"\(\s*\d+(?:\s*,\s*\d+)*\s*\)")
_TOKEN = re.compile(r"<(?P<text>[^>]*)>|(?P<mark>[(),])|@(?P<times>\d+)\*|(?P<word>[^\s(),<>]+)")
_INTEGER = re.compile(r"[+-]?\d+")


def read_jcampdx(path: str | Path) -> Mapping[str, Any]:
    """Read a ParaVision parameter file.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.

    Returns
    -------
    mapping of str to object
        Read-only, by parameter name without ``##`` and ``$``. A number is int or float, a word or text
        is str, a struct is a tuple. An array of numbers is a read-only numpy.ndarray of the shape the
        file declares; an array of words, texts or structs is a tuple. Lengths declared for texts are
        the room the vendor keeps for them and are dropped.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no such parameter file or an array does not hold what it declares.

    References
    ----------
    R. S. McDonald, P. A. Wilks, JCAMP-DX: a standard form for exchange of infrared spectra in computer
    readable form, Applied Spectroscopy 42 (1988) 151-162, doi:10.1366/0003702884428734.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from imgtech.io.raw import read_jcampdx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "acqp"
    ...     _ = file.write_text("##TITLE=Parameter List\\n##$ACQ_size=( 2 )\\n256 128\\n##END=\\n")
    ...     read_jcampdx(file)["ACQ_size"]
    array([256, 128])
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such parameter file")
    text = file.read_text(encoding="latin-1")
    if not text.lstrip().startswith("##TITLE"):
        raise ValueError(f"{file}: no JCAMP-DX parameter file, it must start with ##TITLE")
    parameters: dict[str, Any] = {}
    for name, raw in _records(text):
        try:
            parameters[name] = _value(raw)
        except (ValueError, IndexError) as error:
            raise ValueError(f"{file}: {name} cannot be read: {error}") from error
    return MappingProxyType(parameters)


def _records(text: str) -> Iterator[tuple[str, list[str]]]:
    """Every parameter's name and its lines, comments (``$$``) left out."""
    name, lines = "", [""]
    for line in text.splitlines():
        if line.startswith("##"):
            if name:
                yield name, lines
            name, _, first = line[2:].partition("=")
            name, lines = name.strip().removeprefix("$"), [first]
        elif not line.startswith("$$"):
            lines.append(line)
    if name:
        yield name, lines


def _value(lines: list[str]) -> Any:
    size = _SIZE.fullmatch(lines[0].strip())
    body = _joined(lines[1:] if size and len(lines) > 1 else lines)
    if not (size and len(lines) > 1):
        items = _items(body)
        plain = len(items) != 1  # a bare value with blanks, such as a title, stays as it is
        return body.strip() if plain else items[0]
    shape = tuple(int(n) for n in re.findall(r"\d+", lines[0]))
    items = _items(body)
    if items and all(isinstance(item, int | float) for item in items):
        return _array(items, shape)
    if body.lstrip().startswith("<"):
        if len(items) != math.prod(shape[:-1]):
            raise ValueError(f"{math.prod(shape[:-1])} texts are declared, got {len(items)}")
        return items[0] if len(shape) == 1 else tuple(items)
    if len(items) != math.prod(shape):
        raise ValueError(f"{math.prod(shape)} entries are declared, got {len(items)}")
    return tuple(items)


def _array(items: list[Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    if len(items) != math.prod(shape):
        raise ValueError(f"{math.prod(shape)} numbers are declared, got {len(items)}")
    array = np.array(items).reshape(shape)
    array.setflags(write=False)
    return array


def _joined(lines: list[str]) -> str:
    """One line: the vendor wraps at 80 columns, inside texts without a blank."""
    out = ""
    for line in lines:
        inside_text = out.count("<") > out.count(">")
        out += line if inside_text or not out else " " + line
    return out


def _items(body: str) -> list[Any]:
    """All values of a body; a parenthesis opens a struct, ``@3*(0)`` stands for three times 0."""
    stack: list[list[Any]] = [[]]
    times = [1]
    repeat = 1
    for token in _TOKEN.finditer(body):
        if token["text"] is not None:
            stack[-1].append(token["text"])
        elif token["times"] is not None:
            repeat = int(token["times"])
        elif token["mark"] == "(":
            stack.append([])
            times.append(repeat)
            repeat = 1
        elif token["mark"] == ")":
            closed, n = tuple(stack.pop()), times.pop()
            if not stack:
                raise ValueError("a parenthesis closes that was not opened")
            stack[-1].extend(closed * n if n > 1 else [closed])
        elif token["word"] is not None:
            stack[-1].append(_word(token["word"]))
    if len(stack) != 1:
        raise ValueError("a parenthesis is not closed")
    return stack[0]


def _word(word: str) -> int | float | str:
    if _INTEGER.fullmatch(word):
        return int(word)
    try:
        return float(word)
    except ValueError:
        return word
