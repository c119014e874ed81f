"""Where definitions and limits are written down, and what a limit allows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a definition or a limit is written down.

    Parameters
    ----------
    document : str
        The standard, guide or paper.
    edition : str
        Year or edition.
    clause : str, optional
        Clause, section, table or equation.
    verified : bool, optional
        True if the text itself, or a publication that quotes it, was read; a limit whose source is not
        verified rates nothing.
    """

    document: str
    edition: str
    clause: str = ""
    verified: bool = True

    def __str__(self) -> str:
        text = f"{self.document}, {self.edition}"
        text += f", {self.clause}" if self.clause else ""
        return text if self.verified else text + " (unverified)"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """The interval a value has to lie in, ends included.

    Parameters
    ----------
    lower, upper : float or None
        Ends of the interval; None leaves a side open.
    source : Source
        The clause the limit is taken from.

    Raises
    ------
    ValueError
        If both sides are open or ``lower`` exceeds ``upper``.
    """

    lower: float | None = None
    upper: float | None = None
    source: Source

    def __post_init__(self) -> None:
        if self.lower is None and self.upper is None:
            raise ValueError("lower and upper must not both be None")
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ValueError(f"lower must not exceed upper, got {self.lower} and {self.upper}")

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies in the interval."""
        return (self.lower is None or value >= self.lower) and (self.upper is None or value <= self.upper)

    def __str__(self) -> str:
        if self.lower is None:
            return f"<= {self.upper:g}"
        if self.upper is None:
            return f">= {self.lower:g}"
        return f"{self.lower:g} to {self.upper:g}"
