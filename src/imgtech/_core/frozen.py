"""Frozen values that hold arrays: equal by content, hashable, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np


class ArrayValue:
    """Equality and hash by content for a frozen dataclass (declare it with ``eq=False``)."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return _key(self) == _key(other)

    def __hash__(self) -> int:
        return hash(_key(self))


def _key(value: Any) -> tuple[Any, ...]:
    return tuple(_content(getattr(value, field.name)) for field in fields(value))


def _content(item: Any) -> Any:
    if isinstance(item, np.ndarray):
        return item.shape, item.dtype.str, item.tobytes()
    if isinstance(item, Mapping):
        return frozenset((key, _content(value)) for key, value in item.items())
    return tuple(map(_content, item)) if isinstance(item, list) else item
