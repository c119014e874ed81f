"""Measured numbers: a value, its uncertainty, the clause it follows, its limit and its verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from imgtech.qc.decision import SIMPLE_ACCEPTANCE, Decision, DecisionRule, coverage_factor
from imgtech.qc.limit import Limit as Limit
from imgtech.qc.limit import Source as Source


class Verdict(StrEnum):
    """What a measurement says about the object: pass, warn, fail, unrated or error."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    UNRATED = "unrated"
    ERROR = "error"


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
        Name and version of the algorithm, such as ``"piu-sliding-disk-3"``; a change of algorithm
        changes this name.
    limit : Limit, optional
        The limit to rate against.
    error : str, optional
        Why there is no value.
    degrees_of_freedom : float, optional
        Of the uncertainty, for Student's t (GUM G.3); infinite by default.
    details : mapping, optional
        Further numbers that belong to the result (left and right ramp, four ghost regions, ...).
    decision_rule : DecisionRule, optional
        How value, uncertainty and limit make a verdict; simple acceptance by default.

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
    decision_rule: DecisionRule = SIMPLE_ACCEPTANCE

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
        factor = coverage_factor((1 + coverage) / 2, self.degrees_of_freedom)
        return self.value - factor * self.uncertainty, self.value + factor * self.uncertainty

    @property
    def decision(self) -> Decision | None:
        """What the decision rule makes of value, uncertainty and limit; None where nothing is rated."""
        if self.value is None or self.uncertainty is None or self.limit is None or self.limit.not_rated:
            return None
        return self.decision_rule.decide(self.value, self.uncertainty, self.degrees_of_freedom, self.limit)

    @property
    def not_rated(self) -> str:
        """Why a value has no verdict; empty where it is rated or in error."""
        if self.value is None:
            return ""
        return "no limit" if self.limit is None else self.limit.not_rated

    @property
    def verdict(self) -> Verdict:
        """Error without a value, unrated without a limit that rates; else pass, warn or fail.

        By the rule of the measurement an accepted value passes and a rejected one fails. Rules without a
        guard band (and guarded rejection) accept values whose 95 % interval reaches beyond the limit;
        such a pass is a warn (the conditional pass of ILAC-G8:09/2019, 4.2.3).
        """
        if self.value is None:
            return Verdict.ERROR
        decision = self.decision
        if decision is None:
            return Verdict.UNRATED
        if not decision.accepted:
            return Verdict.FAIL
        return Verdict.WARN if decision.conditional else Verdict.PASS
