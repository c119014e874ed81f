"""What a YAML description of a phantom may say: every value checked, every error with its key and value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


class Entry:
    """A value of the description with the path of keys that leads to it."""

    def __init__(self, value: Any, path: str) -> None:
        self.value = value
        self.path = path

    def wrong(self, rule: str) -> ValueError:
        """An error that names key, rule and value."""
        return ValueError(f"{self.path} must {rule}, got {self.value!r}")

    def mapping(self, required: Sequence[str] = (), optional: Sequence[str] | None = ()) -> dict[str, Entry]:
        """The entries of a mapping with the keys it must and may have; any where ``optional`` is None."""
        if not isinstance(self.value, Mapping):
            raise self.wrong("be a mapping")
        for key in self.value:
            if not isinstance(key, str) or not key:
                raise ValueError(f"{self.path} must have names for keys, got {key!r}")
            if optional is not None and key not in required and key not in optional:
                known = ", ".join((*required, *optional))
                raise ValueError(f"{self.path} must not have the key {key!r}; it may have {known}")
        for key in required:
            if key not in self.value:
                raise ValueError(
                    f"{self.path} must have the key {key!r}, got {', '.join(self.value) or 'none'}"
                )
        prefix = f"{self.path}." if self.path else ""
        return {key: Entry(value, f"{prefix}{key}") for key, value in self.value.items()}

    def text(self) -> str:
        """A text that is not empty."""
        if isinstance(self.value, bool) or not isinstance(self.value, str | int | float) or self.value == "":
            raise self.wrong("be a text")
        return str(self.value)

    def one_of(self, choices: Sequence[str]) -> str:
        """One of some words."""
        if not isinstance(self.value, str) or self.value not in choices:
            raise self.wrong(f"be one of {', '.join(choices)}")
        return self.value

    def flag(self) -> bool:
        """true or false."""
        if not isinstance(self.value, bool):
            raise self.wrong("be true or false")
        return self.value

    def number(self, *, positive: bool = False, negative: bool = True) -> float:
        """A finite number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.wrong("be a number")
        if not math.isfinite(self.value):
            raise self.wrong("be finite")
        if positive and self.value <= 0:
            raise self.wrong("be positive")
        if not negative and self.value < 0:
            raise self.wrong("not be negative")
        return float(self.value)

    def pair(self, *, positive: bool = False) -> tuple[float, float]:
        """Two numbers."""
        if not isinstance(self.value, list | tuple) or len(self.value) != 2:
            raise self.wrong("be a pair of numbers")
        one, two = (Entry(v, f"{self.path}[{i}]").number(positive=positive) for i, v in enumerate(self.value))
        return one, two
