"""What a protocol returns: measurements, pictures with their regions, and one verdict."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech.qc.decision import Decision, DecisionRule, decision_rule
from imgtech.qc.measurement import Measurement, Verdict


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A region drawn on a picture.

    Parameters
    ----------
    points : tuple of (float, float)
        Corners ``(row, column)`` in pixels of the picture; pixel centres have whole numbers.
    label : str, optional
        What the region is.
    closed : bool, optional
        Whether the last corner joins the first.
    """

    points: tuple[tuple[float, float], ...]
    label: str = ""
    closed: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """An image that shows where a measurement was taken.

    Parameters
    ----------
    title : str
        Headline.
    pixels : numpy.ndarray
        Grey values ``(y, x)``.
    outlines : tuple of Outline, optional
        Regions to draw.
    window : tuple of (float, float), optional
        Grey values shown as black and as white; the image's own range by default.
    """

    title: str
    pixels: npt.NDArray[Any]
    outlines: tuple[Outline, ...] = ()
    window: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """The measurements of one protocol run on one scan.

    Parameters
    ----------
    protocol : str
        Name of the protocol.
    edition : str
        Edition of the standard whose limits apply.
    measurements : tuple of Measurement
        In the order of the standard; names are unique.
    subject : mapping of str to str, optional
        What was measured: station, series, date, sequence, field strength.
    pictures : tuple of Picture, optional
        Where it was measured.
    notes : tuple of str, optional
        What a reader should know: choices made, oddities of the data.

    Raises
    ------
    ValueError
        If there is no measurement, two share a name, or they follow different decision rules.
    """

    protocol: str
    edition: str
    measurements: tuple[Measurement, ...]
    subject: Mapping[str, str] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [m.name for m in self.measurements]
        if not names:
            raise ValueError("measurements must not be empty")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"measurements must have unique names, got twice: {', '.join(twice)}")
        rules = {m.decision_rule for m in self.measurements}
        if len(rules) > 1:
            raise ValueError(
                f"measurements must follow one decision rule, got {', '.join(sorted(r.name for r in rules))}"
            )
        object.__setattr__(self, "subject", MappingProxyType(dict(self.subject)))

    def __getitem__(self, name: str) -> Measurement:
        for measurement in self.measurements:
            if measurement.name == name:
                return measurement
        raise KeyError(
            f"{name!r} was not measured; there are: {', '.join(m.name for m in self.measurements)}"
        )

    @property
    def decision_rule(self) -> DecisionRule:
        """The rule by which all measurements are rated."""
        return self.measurements[0].decision_rule

    def decided_by(self, rule: str | DecisionRule) -> Report:
        """The same measurements, rated by another rule.

        Parameters
        ----------
        rule : str or DecisionRule
            A name of :func:`imgtech.qc.list_decision_rules`, or a rule of your own.

        Raises
        ------
        ValueError
            If there is no rule of that name.
        """
        chosen = decision_rule(rule)
        return replace(self, measurements=tuple(replace(m, decision_rule=chosen) for m in self.measurements))

    @property
    def verdict(self) -> Verdict:
        """The worst of all measurements: error, fail, warn, pass; unrated only if nothing is rated."""
        found = {m.verdict for m in self.measurements}
        for verdict in (Verdict.ERROR, Verdict.FAIL, Verdict.WARN, Verdict.PASS):
            if verdict in found:
                return verdict
        return Verdict.UNRATED

    @property
    def passed(self) -> bool:
        """True only if something is rated, every rated item passes (or warns) and none is in error."""
        return self.verdict in (Verdict.PASS, Verdict.WARN)

    @property
    def not_rated(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the items that were measured and not rated, by the reason."""
        found: dict[str, tuple[str, ...]] = {}
        for m in self.measurements:
            if m.not_rated:
                found[m.not_rated] = (*found.get(m.not_rated, ()), m.name)
        return MappingProxyType(found)

    @property
    def tally(self) -> tuple[str, ...]:
        """How many items are rated, how many are in error, and how many are not rated for what reason."""
        n_items = len(self.measurements)
        n_errors = sum(m.value is None for m in self.measurements)
        n_rated = n_items - n_errors - sum(len(names) for names in self.not_rated.values())
        parts = [f"{n_rated} of {n_items} items rated"]
        parts += [f"{n_errors} in error"] if n_errors else []
        parts += [f"{len(names)} not rated: {reason}" for reason, names in self.not_rated.items()]
        return tuple(parts)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pictures, in plain types."""
        return {
            "protocol": self.protocol,
            "edition": self.edition,
            "verdict": self.verdict.value,
            "passed": self.passed,
            "tally": list(self.tally),
            "decision_rule": {
                "name": self.decision_rule.name,
                "confidence": self.decision_rule.confidence,
                "source": str(self.decision_rule.source),
            },
            "subject": dict(self.subject),
            "notes": list(self.notes),
            "measurements": [_measurement_to_dict(m) for m in self.measurements],
        }

    def to_json(self) -> str:
        """Everything but the pictures as JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)


def _decision_to_dict(decision: Decision | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    return {
        "accepted": decision.accepted,
        "acceptance_interval": None if decision.acceptance is None else list(decision.acceptance),
        "conformance_probability": decision.conformance_probability,
        "false_acceptance_probability": decision.false_acceptance_probability,
        "false_rejection_probability": decision.false_rejection_probability,
    }


def _measurement_to_dict(m: Measurement) -> dict[str, Any]:
    limit = None
    if m.limit is not None:
        limit = {
            "lower": m.limit.lower,
            "upper": m.limit.upper,
            "source": str(m.limit.source),
            "verified": m.limit.source.verified,
            "advisory": m.limit.advisory,
            "confirmed_by": m.limit.source.confirmed_by or None,
            "confirmed_on": m.limit.source.confirmed_on or None,
        }
    return {
        "name": m.name,
        "value": m.value,
        "unit": m.unit,
        "uncertainty": m.uncertainty,
        "interval_95": list(m.interval(0.95)) if m.value is not None else None,
        "degrees_of_freedom": None if math.isinf(m.degrees_of_freedom) else m.degrees_of_freedom,
        "verdict": m.verdict.value,
        "not_rated": m.not_rated or None,
        "limit": limit,
        "decision": _decision_to_dict(m.decision),
        "definition": str(m.definition),
        "algorithm": m.algorithm,
        "error": m.error,
        "details": {k: v.item() if isinstance(v, np.generic) else v for k, v in m.details.items()},
    }
