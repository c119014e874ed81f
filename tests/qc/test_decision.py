"""Decision rules: acceptance intervals, risks, and what a report makes of them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats

from imgtech import qc
from imgtech.qc import DecisionRule, Limit, Measurement, Report, Source, Verdict
from imgtech.report import report_html

GUIDE = Source(document="A guide", edition="2022", clause="4.1")
BAND = Limit(lower=4.3, upper=5.7, source=GUIDE)
RULES = qc.list_decision_rules()


def measure(value: float, uncertainty: float = 0.1, limit: Limit = BAND, **more) -> Measurement:
    return Measurement(
        name="thickness",
        value=value,
        unit="mm",
        uncertainty=uncertainty,
        definition=GUIDE,
        algorithm="test-1",
        limit=limit,
        **more,
    )


@pytest.mark.parametrize(
    ("rule", "guard"),
    [
        ("simple-acceptance", 0.0),
        ("guarded-acceptance", 0.1959964),
        ("iso-14253-1", 0.1644854),
        ("guarded-rejection", -0.1959964),
    ],
)
def test_acceptance_interval_is_the_limit_less_the_guard_band(rule, guard):
    decision = measure(5.0, decision_rule=RULES[rule]).decision
    assert decision.acceptance == pytest.approx((4.3 + guard, 5.7 - guard), abs=1e-6)
    one_sided = measure(5.0, limit=Limit(upper=5.7, source=GUIDE), decision_rule=RULES[rule]).decision
    assert one_sided.acceptance == (None, pytest.approx(5.7 - guard, abs=1e-6))
    lower = measure(5.0, limit=Limit(lower=4.3, source=GUIDE), decision_rule=RULES[rule]).decision
    assert lower.acceptance == (pytest.approx(4.3 + guard, abs=1e-6), None)


@pytest.mark.parametrize(
    ("rule", "value", "verdict"),
    [
        ("simple-acceptance", 5.49, Verdict.PASS),
        ("simple-acceptance", 5.51, Verdict.WARN),
        ("simple-acceptance", 5.71, Verdict.FAIL),
        ("guarded-acceptance", 5.49, Verdict.PASS),
        ("guarded-acceptance", 5.51, Verdict.FAIL),
        ("iso-14253-1", 5.53, Verdict.PASS),
        ("iso-14253-1", 5.54, Verdict.FAIL),
        ("guarded-rejection", 5.49, Verdict.PASS),
        ("guarded-rejection", 5.89, Verdict.WARN),
        ("guarded-rejection", 5.91, Verdict.FAIL),
        ("guarded-rejection", 4.09, Verdict.FAIL),
    ],
)
def test_verdict_follows_the_rule(rule, value, verdict):
    assert measure(value, decision_rule=RULES[rule]).verdict is verdict


def test_few_degrees_of_freedom_widen_the_guard_band():
    limit = Limit(upper=5.7, source=GUIDE)
    few = measure(5.0, limit=limit, degrees_of_freedom=4, decision_rule=RULES["guarded-acceptance"])
    assert few.decision.acceptance[1] == pytest.approx(5.7 - 0.27764451, abs=1e-6)


def test_probability_of_conformance_is_the_area_inside_the_limit():
    decision = measure(5.65, 0.3).decision
    inside = stats.norm.cdf(5.7, 5.65, 0.3) - stats.norm.cdf(4.3, 5.65, 0.3)
    assert decision.conformance_probability == pytest.approx(inside, abs=1e-12)
    assert decision.false_acceptance_probability == pytest.approx(1 - inside, abs=1e-12)
    assert decision.false_rejection_probability is None
    rejected = measure(5.75, 0.3, degrees_of_freedom=6).decision
    inside = stats.t.cdf((5.7 - 5.75) / 0.3, 6) - stats.t.cdf((4.3 - 5.75) / 0.3, 6)
    assert rejected.false_rejection_probability == pytest.approx(inside, abs=1e-12)
    assert rejected.false_acceptance_probability is None


def test_false_acceptances_are_as_frequent_as_stated():
    """True values without preference, measured with noise: the stated share lies outside."""
    rng = np.random.default_rng(11)
    true = rng.uniform(3.0, 7.0, 4_000_000)
    measured = true + 0.12 * rng.standard_normal(true.size)
    for rule in ("simple-acceptance", "iso-14253-1", "guarded-acceptance"):
        end = measure(5.0, 0.12, decision_rule=RULES[rule]).decision.acceptance[1]
        near = np.abs(measured - end) < 0.004
        stated = measure(end - 1e-9, 0.12, decision_rule=RULES[rule]).decision.false_acceptance_probability
        spread = math.sqrt(stated * (1 - stated) / near.sum())
        assert (true[near] > 5.7).mean() == pytest.approx(stated, abs=4 * spread + 0.002)


@pytest.mark.parametrize("uncertainty", [0.1, 0.25, 0.34])
def test_two_near_ends_keep_the_confidence(uncertainty):
    decision = measure(5.0, uncertainty, decision_rule=RULES["iso-14253-1"]).decision
    low, high = decision.acceptance
    at_end = measure(high, uncertainty, decision_rule=RULES["iso-14253-1"]).decision
    assert at_end.conformance_probability == pytest.approx(0.95, abs=1e-9)
    assert low + high == pytest.approx(10.0)


def test_an_uncertainty_wider_than_the_limit_accepts_nothing_but_by_simple_acceptance():
    guarded = measure(5.0, 0.5, decision_rule=RULES["iso-14253-1"])
    assert guarded.decision.acceptance is None
    assert guarded.verdict is Verdict.FAIL
    assert measure(5.0, 0.5).verdict is Verdict.WARN


def test_without_uncertainty_all_rules_agree():
    for rule in RULES.values():
        assert measure(5.7, 0.0, decision_rule=rule).verdict is Verdict.PASS
        failed = measure(5.7001, 0.0, decision_rule=rule)
        assert failed.verdict is Verdict.FAIL
        assert failed.decision.conformance_probability == 0


def test_nothing_is_decided_without_a_verified_limit():
    hearsay = Source(document="A guide", edition="2022", verified=False)
    assert measure(9.0, limit=Limit(upper=5.7, source=hearsay)).decision is None


def test_impossible_rules_are_refused():
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1, got 1"):
        DecisionRule(name="sure", confidence=1, source=GUIDE)
    with pytest.raises(ValueError, match="uncertainty must not be negative, got -1"):
        RULES["iso-14253-1"].decide(5.0, -1, math.inf, BAND)
    with pytest.raises(ValueError, match="decision_rule must be one of simple-acceptance, "):
        qc.run("nowhere", protocol="acr-mri-large", decision_rule="lenient")


def test_a_report_is_rated_again_by_another_rule():
    report = Report(protocol="test", edition="2022", measurements=(measure(5.55),))
    assert report.verdict is Verdict.WARN
    guarded = report.decided_by("guarded-acceptance")
    assert guarded.verdict is Verdict.FAIL
    assert not guarded.passed
    assert report.verdict is Verdict.WARN
    record = json.loads(guarded.to_json())
    assert record["decision_rule"] == {
        "name": "guarded-acceptance",
        "confidence": 0.975,
        "source": "ILAC-G8:09, 2019, 4.2.2, w = U",
    }
    decision = record["measurements"][0]["decision"]
    assert decision["accepted"] is False
    assert decision["acceptance_interval"] == pytest.approx([4.4959964, 5.5040036])
    assert decision["false_rejection_probability"] == pytest.approx(stats.norm.cdf(1.5), abs=1e-9)
    page = report_html(guarded)
    assert "guarded-acceptance (ILAC-G8:09, 2019, 4.2.2, w = U)" in page
    assert "4.50 to 5.50; false rejection 93 %" in page
    own = report.decided_by(DecisionRule(name="ours", confidence=0.9, source=GUIDE))
    assert own.decision_rule.name == "ours"
    assert own.verdict is Verdict.PASS


def test_a_report_follows_one_rule():
    mixed = (
        measure(5.0),
        Measurement(
            name="other", error="none", definition=GUIDE, algorithm="a-1", decision_rule=RULES["iso-14253-1"]
        ),
    )
    with pytest.raises(ValueError, match="one decision rule, got iso-14253-1, simple-acceptance"):
        Report(protocol="test", edition="2022", measurements=mixed)
