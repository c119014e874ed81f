"""Measured numbers: a value, its uncertainty, the clause it follows and the limit it meets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from scipy import stats


class Verdict(StrEnum):
    """What a measurement says about the object: pass, warn, fail, unrated or error."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    UNRATED = "unrated"
    ERROR = "error"


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


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One measured number, or the reason why it could not be measured.

    Parameters
    ----------
    name : str
        What was measured, in the words of the standard.
    value : float or None
        The measured value; None if it could not be measured, and then ``error`` says why.
    unit : str
        Unit of value, uncertainty and limit; ``"1"`` for a pure number.
    uncertainty : float or None
        Standard uncertainty (one standard deviation, GUM 2.3.1) of the value.
    definition : Source
        The clause that defines the quantity.
    algorithm : str
        Name and version of the algorithm, such as ``"piu-sliding-disk-1"``; a change of algorithm
        changes this name.
    limit : Limit, optional
        The limit to rate against.
    error : str, optional
        Why there is no value.
    degrees_of_freedom : float, optional
        Of the uncertainty, for Student's t (GUM G.3); infinite by default.
    details : mapping, optional
        Further numbers that belong to the result (left and right ramp, four ghost regions, ...).

    Raises
    ------
    ValueError
        If neither or both of value and error are given, or value or uncertainty is not finite.

    Examples
    --------
    >>> from imgtech.qc import Limit, Measurement, Source
    >>> guide = Source(document="ACR Large Phantom Guidance", edition="2018")
    >>> m = Measurement(name="slice thickness", value=5.1, unit="mm", uncertainty=0.1, definition=guide,
    ...                 algorithm="example-1", limit=Limit(lower=4.3, upper=5.7, source=guide))
    >>> m.verdict.value
    'pass'
    >>> [round(end, 2) for end in m.interval(0.95)]
    [4.9, 5.3]
    """

    name: str
    value: float | None = None
    unit: str = "1"
    uncertainty: float | None = None
    definition: Source
    algorithm: str
    limit: Limit | None = None
    error: str | None = None
    degrees_of_freedom: float = math.inf
    details: Mapping[str, float | str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if (self.value is None) == (self.error is None):
            raise ValueError(f"{self.name}: exactly one of value and error must be given")
        for label, number in (("value", self.value), ("uncertainty", self.uncertainty)):
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{self.name}: {label} must be finite, got {number}")
        if self.value is not None and (self.uncertainty is None or self.uncertainty < 0):
            raise ValueError(
                f"{self.name}: uncertainty must be given and not negative, got {self.uncertainty}"
            )
        object.__setattr__(self, "details", MappingProxyType(dict(self.details)))

    def interval(self, coverage: float = 0.95) -> tuple[float, float]:
        """The interval that covers the true value with probability ``coverage`` (GUM 6 and G.3).

        Raises
        ------
        ValueError
            If there is no value, or ``coverage`` does not lie between 0 and 1.
        """
        if self.value is None or self.uncertainty is None:
            raise ValueError(f"{self.name} has no value: {self.error}")
        if not 0 < coverage < 1:
            raise ValueError(f"coverage must lie between 0 and 1, got {coverage!r}")
        quantile = (1 + coverage) / 2
        if math.isinf(self.degrees_of_freedom):
            factor = float(stats.norm.ppf(quantile))
        else:
            factor = float(stats.t.ppf(quantile, self.degrees_of_freedom))
        return self.value - factor * self.uncertainty, self.value + factor * self.uncertainty

    @property
    def verdict(self) -> Verdict:
        """Error without a value, unrated without a verified limit; else pass, warn or fail.

        Simple acceptance: a value inside the limit passes and one outside fails. A pass whose 95 %
        interval reaches beyond the limit is a warn (the conditional pass of ILAC-G8:09/2019, 4.2.3).
        """
        if self.value is None:
            return Verdict.ERROR
        if self.limit is None or not self.limit.source.verified:
            return Verdict.UNRATED
        if not self.limit.holds(self.value):
            return Verdict.FAIL
        inside = all(self.limit.holds(end) for end in self.interval(0.95))
        return Verdict.PASS if inside else Verdict.WARN
