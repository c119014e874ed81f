"""From a value with an uncertainty to a decision: simple acceptance and guard bands, with their risks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from scipy import optimize, special

from imgtech._core.validate import finite, not_negative
from imgtech.qc.limit import Limit, Source


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a decision rule makes of one value.

    Parameters
    ----------
    accepted : bool
        Whether the value lies in the acceptance interval.
    conditional : bool
        Accepted although the 95 % interval reaches beyond the limit, by a rule that allows that.
    acceptance : (float or None, float or None) or None
        Ends of the acceptance interval, None for an open side; None altogether where the uncertainty is
        too large for any value to be accepted.
    conformance_probability : float
        Probability that the true value lies inside the limit, given the measured value and its
        uncertainty and nothing else (JCGM 106:2012, 7).
    """

    accepted: bool
    conditional: bool
    acceptance: tuple[float | None, float | None] | None
    conformance_probability: float

    @property
    def false_acceptance_probability(self) -> float | None:
        """Probability that an accepted value is outside after all; None for a rejected one."""
        return 1 - self.conformance_probability if self.accepted else None

    @property
    def false_rejection_probability(self) -> float | None:
        """Probability that a rejected value is inside after all; None for an accepted one."""
        return None if self.accepted else self.conformance_probability


@dataclass(frozen=True, kw_only=True)
class DecisionRule:
    r"""How value, uncertainty and limit make a decision: the confidence that acceptance needs.

    The acceptance interval is the limit, moved inwards at both ends by a guard band w, so that a value at
    its end lies inside the limit with the probability ``confidence``. At one end

    .. math:: w = k_p\, u

    with u the standard uncertainty and :math:`k_p` the quantile of the normal (or Student's t)
    distribution at p = ``confidence``: 0 for 0.5, :math:`1.645\,u` for 0.95 and the expanded uncertainty
    U of 95 % coverage for 0.975. Below 0.5 the guard band is negative and lies outside the limit. Where
    both ends of a limit are near, w grows so that the probability beyond the two together stays below
    1 - p; where no value can reach p, nothing is accepted.

    Parameters
    ----------
    name : str
        Name of the rule.
    confidence : float
        Probability p of conformance that acceptance needs, between 0 and 1.
    source : Source
        Where the rule is written down.

    Raises
    ------
    ValueError
        If ``confidence`` does not lie between 0 and 1.

    References
    ----------
    ILAC-G8:09/2019, 4.2; JCGM 106:2012, 7 to 9.

    Examples
    --------
    >>> from imgtech.qc import DecisionRule, Limit, Source
    >>> rule = DecisionRule(name="clinic", confidence=0.9, source=Source(document="our QA plan", edition="3"))
    >>> limit = Limit(upper=5.0, source=Source(document="our QA plan", edition="3"))
    >>> decision = rule.decide(4.9, 0.1, 12.0, limit)
    >>> decision.accepted, round(decision.acceptance[1], 3), round(decision.conformance_probability, 3)
    (False, 4.864, 0.831)
    """

    name: str
    confidence: float
    source: Source

    def __post_init__(self) -> None:
        if not 0 < finite("confidence", self.confidence) < 1:
            raise ValueError(f"confidence must lie between 0 and 1, got {self.confidence!r}")

    def decide(self, value: float, uncertainty: float, degrees_of_freedom: float, limit: Limit) -> Decision:
        """Accept or reject a value.

        Parameters
        ----------
        value : float
            The measured value.
        uncertainty : float
            Its standard uncertainty.
        degrees_of_freedom : float
            Of the uncertainty; infinite where it is known.
        limit : Limit
            The limit.

        Returns
        -------
        Decision
            With the acceptance interval and the probability of conformance.

        Raises
        ------
        ValueError
            If the value is not finite or the uncertainty is negative or not finite.
        """
        y, u = finite("value", value), not_negative("uncertainty", uncertainty)
        acceptance = self._acceptance(u, degrees_of_freedom, limit)
        accepted = acceptance is not None and _inside(y, *acceptance)
        expanded = coverage_factor(0.975, degrees_of_freedom) * u
        sure = limit.holds(y - expanded) and limit.holds(y + expanded)
        return Decision(
            accepted=accepted,
            conditional=accepted and not sure and self.confidence <= 0.5,
            acceptance=acceptance,
            conformance_probability=conformance_probability(y, u, degrees_of_freedom, limit),
        )

    def _acceptance(
        self, u: float, degrees_of_freedom: float, limit: Limit
    ) -> tuple[float | None, float | None] | None:
        guard = coverage_factor(self.confidence, degrees_of_freedom) * u
        low, high = limit.lower, limit.upper
        if low is None or high is None:
            return (None if low is None else low + guard), (None if high is None else high - guard)
        if self.confidence > 0.5 and u > 0:
            half = (high - low) / 2

            def excess(w: float) -> float:
                near, far = _below(w / u, degrees_of_freedom), _below((2 * half - w) / u, degrees_of_freedom)
                return near + far - 1 - self.confidence

            if half <= 0 or excess(half) < 0:
                return None
            guard = float(optimize.brentq(excess, 0.0, half, xtol=1e-12 * half))
        return low + guard, high - guard


def conformance_probability(
    value: float, uncertainty: float, degrees_of_freedom: float, limit: Limit
) -> float:
    """Probability that the true value lies inside the limit (JCGM 106:2012, 7.3 and 7.4)."""
    if uncertainty == 0:
        return 1.0 if limit.holds(value) else 0.0
    above = 1.0 if limit.lower is None else _below((value - limit.lower) / uncertainty, degrees_of_freedom)
    below = 1.0 if limit.upper is None else _below((limit.upper - value) / uncertainty, degrees_of_freedom)
    return max(above + below - 1, 0.0)


def coverage_factor(quantile: float, degrees_of_freedom: float) -> float:
    """Quantile of Student's t distribution, or of the normal one for infinite degrees of freedom."""
    if math.isinf(degrees_of_freedom):
        return float(special.ndtri(quantile))
    return float(special.stdtrit(degrees_of_freedom, quantile))


def _below(number: float, degrees_of_freedom: float) -> float:
    if math.isinf(degrees_of_freedom):
        return float(special.ndtr(number))
    return float(special.stdtr(degrees_of_freedom, number))


def _inside(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


_ILAC = "ILAC-G8:09"

SIMPLE_ACCEPTANCE = DecisionRule(
    name="simple-acceptance",
    confidence=0.5,
    source=Source(document=_ILAC, edition="2019", clause="4.2.1"),
)

_RULES = {
    rule.name: rule
    for rule in (
        SIMPLE_ACCEPTANCE,
        DecisionRule(
            name="guarded-acceptance",
            confidence=0.975,
            source=Source(document=_ILAC, edition="2019", clause="4.2.2, w = U"),
        ),
        DecisionRule(
            name="iso-14253-1",
            confidence=0.95,
            source=Source(document="ISO 14253-1", edition="2017", clause="default rule", verified=False),
        ),
        DecisionRule(
            name="guarded-rejection",
            confidence=0.025,
            source=Source(document="JCGM 106", edition="2012", clause="8.3.3", verified=False),
        ),
    )
}


def list_decision_rules() -> Mapping[str, DecisionRule]:
    """Name the decision rules that come with the package.

    ``simple-acceptance``: the limit is the limit; a value on it is wrongly accepted in up to half of all
    cases. ``guarded-acceptance``: the whole 95 % interval has to lie inside, so at most 2.5 % of accepted
    values are outside. ``iso-14253-1``: conformity with a probability of 95 %. ``guarded-rejection``: only
    what lies outside with its whole 95 % interval is rejected.

    Returns
    -------
    mapping of str to DecisionRule
        By name; the first is the default.

    Examples
    --------
    >>> from imgtech import qc
    >>> [(name, rule.confidence) for name, rule in qc.list_decision_rules().items()][:2]
    [('simple-acceptance', 0.5), ('guarded-acceptance', 0.975)]
    """
    return MappingProxyType(_RULES)


def decision_rule(rule: str | DecisionRule) -> DecisionRule:
    """The rule itself, or the one with this name."""
    if isinstance(rule, DecisionRule):
        return rule
    if rule not in _RULES:
        raise ValueError(f"decision_rule must be one of {', '.join(_RULES)}, got {rule!r}")
    return _RULES[rule]
