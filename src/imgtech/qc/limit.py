"""Where definitions and limits are written down, and what a limit allows."""

from __future__ import annotations

from dataclasses import dataclass

UNVERIFIED = "limit unverified; confirm it with --limits-confirmed-by or choose another edition"


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
        True if the clause was read in this very document. A limit whose source is not verified rates nothing
        until somebody who holds the document confirms it.
    confirmed_by, confirmed_on : str, optional
        Who confirmed a clause that is not verified, and the date (ISO 8601).

    Raises
    ------
    ValueError
        If only one of ``confirmed_by`` and ``confirmed_on`` is given, or a verified source is confirmed.
    """

    document: str
    edition: str
    clause: str = ""
    verified: bool = True
    confirmed_by: str = ""
    confirmed_on: str = ""

    def __post_init__(self) -> None:
        if bool(self.confirmed_by) != bool(self.confirmed_on):
            raise ValueError(
                "confirmed_by and confirmed_on must be given together, "
                f"got {self.confirmed_by!r} and {self.confirmed_on!r}"
            )
        if self.verified and self.confirmed_by:
            raise ValueError(f"a verified source must have no confirmed_by, got {self.confirmed_by!r}")

    @property
    def trusted(self) -> bool:
        """Whether the clause was read in the document, by imgtech or by who confirmed it."""
        return self.verified or bool(self.confirmed_by)

    @property
    def standing(self) -> str:
        """Who vouches for the clause; empty where it was read in the document."""
        if self.confirmed_by:
            return f"confirmed by {self.confirmed_by} on {self.confirmed_on}, not read by imgtech"
        return "" if self.verified else "unverified"

    def __str__(self) -> str:
        text = f"{self.document}, {self.edition}"
        text += f", {self.clause}" if self.clause else ""
        return f"{text} ({self.standing})" if self.standing else text


@dataclass(frozen=True, kw_only=True)
class Limit:
    """The interval a value has to lie in, ends included.

    Parameters
    ----------
    lower, upper : float or None
        Ends of the interval; None leaves a side open.
    source : Source
        The clause the limit is taken from.
    advisory : bool, optional
        True for a range to compare with that is no acceptance limit: it is shown and rates nothing.

    Raises
    ------
    ValueError
        If both sides are open or ``lower`` exceeds ``upper``.
    """

    lower: float | None = None
    upper: float | None = None
    source: Source
    advisory: bool = False

    def __post_init__(self) -> None:
        if self.lower is None and self.upper is None:
            raise ValueError("lower and upper must not both be None")
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ValueError(f"lower must not exceed upper, got {self.lower} and {self.upper}")

    @property
    def not_rated(self) -> str:
        """Why the limit rates nothing; empty where it rates."""
        if self.advisory:
            return "the range is no acceptance limit"
        return "" if self.source.trusted else UNVERIFIED

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies in the interval."""
        return (self.lower is None or value >= self.lower) and (self.upper is None or value <= self.upper)

    def __str__(self) -> str:
        if self.lower is None:
            return f"<= {self.upper:g}"
        if self.upper is None:
            return f">= {self.lower:g}"
        return f"{self.lower:g} to {self.upper:g}"
