"""Measurements, limits, verdicts and reports keep their promises."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from imgtech.qc import Limit, Measurement, Report, Source, Verdict

GUIDE = Source(document="A guide", edition="2022", clause="4.1")
HEARSAY = Source(document="A guide", edition="2022", clause="4.1", verified=False)


def measure(value=5.2, uncertainty=0.1, name="thickness", **more) -> Measurement:
    return Measurement(
        name=name,
        value=value,
        unit="mm",
        uncertainty=uncertainty,
        definition=GUIDE,
        algorithm="test-1",
        **more,
    )


def broken(name="ghosting") -> Measurement:
    return Measurement(name=name, unit="%", definition=GUIDE, algorithm="test-1", error="no air around it")


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (5.2, Verdict.PASS),
        (5.6, Verdict.WARN),
        (5.7, Verdict.WARN),
        (5.71, Verdict.FAIL),
        (4.2, Verdict.FAIL),
    ],
)
def test_verdict_follows_the_limit_and_the_interval(value, verdict):
    assert measure(value, limit=Limit(lower=4.3, upper=5.7, source=GUIDE)).verdict is verdict


def test_an_unverified_limit_rates_nothing():
    assert measure(99.0, limit=Limit(upper=5.7, source=HEARSAY)).verdict is Verdict.UNRATED
    assert measure(99.0).verdict is Verdict.UNRATED


def test_interval_is_normal_for_many_and_student_for_few_degrees_of_freedom():
    low, high = measure(5.2, 0.1).interval(0.95)
    assert (low, high) == pytest.approx((5.2 - 0.1959964, 5.2 + 0.1959964), abs=1e-6)
    low, high = measure(5.2, 0.1, degrees_of_freedom=4).interval(0.95)
    assert high - 5.2 == pytest.approx(0.1 * 2.7764451, abs=1e-6)
    low, high = measure(5.2, 0.1).interval(0.5)
    assert high - low == pytest.approx(2 * 0.1 * 0.6744898, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"value": math.nan}, "value must be finite"),
        ({"uncertainty": None}, "uncertainty must be given"),
        ({"uncertainty": -0.1}, "uncertainty must be given and not negative"),
        ({"value": None}, "exactly one of value and error"),
        ({"error": "and yet"}, "exactly one of value and error"),
    ],
)
def test_impossible_measurements_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        measure(**arguments)


def test_an_error_has_no_interval():
    with pytest.raises(ValueError, match="no air around it"):
        broken().interval()


@pytest.mark.parametrize(
    ("values", "verdict", "passed"),
    [
        ([5.2, None], Verdict.ERROR, False),
        ([5.2, 6.0], Verdict.FAIL, False),
        ([5.2, 5.65], Verdict.WARN, True),
        ([5.2, 5.1], Verdict.PASS, True),
    ],
)
def test_report_is_as_good_as_its_worst_item(values, verdict, passed):
    limit = Limit(lower=4.3, upper=5.7, source=GUIDE)
    items = [
        broken(f"item {i}") if v is None else measure(v, name=f"item {i}", limit=limit)
        for i, v in enumerate(values)
    ]
    report = Report(protocol="test", edition="2022", measurements=tuple(items))
    assert report.verdict is verdict
    assert report.passed is passed


def test_a_report_that_rates_nothing_does_not_pass():
    report = Report(protocol="test", edition="2022", measurements=(measure(),))
    assert report.verdict is Verdict.UNRATED
    assert not report.passed


def test_report_finds_measurements_by_name_and_says_what_there_is():
    report = Report(protocol="test", edition="2022", measurements=(measure(), broken()))
    assert report["ghosting"].error == "no air around it"
    with pytest.raises(KeyError, match="'snr' was not measured; there are: thickness, ghosting"):
        report["snr"]
    with pytest.raises(ValueError, match="unique names, got twice: thickness"):
        Report(protocol="test", edition="2022", measurements=(measure(), measure()))


def test_report_writes_json_that_reads_back():
    limit = Limit(upper=5.7, source=GUIDE)
    item = measure(limit=limit, details={"left": np.float32(2.5)}, degrees_of_freedom=4)
    report = Report(protocol="test", edition="2022", measurements=(item, broken()), subject={"station": "Ä"})
    record = json.loads(report.to_json())
    first, second = record["measurements"]
    assert first["limit"] == {
        "lower": None, "upper": 5.7, "source": "A guide, 2022, 4.1", "verified": True,
        "advisory": False, "confirmed_by": None, "confirmed_on": None,
    }  # fmt: skip
    assert first["details"] == {"left": 2.5}
    assert first["interval_95"] == pytest.approx(list(item.interval(0.95)))
    assert second["value"] is None
    assert second["error"] == "no air around it"
    assert record["verdict"] == "error"
    assert record["subject"] == {"station": "Ä"}


def test_limits_are_checked():
    with pytest.raises(ValueError, match="must not both be None"):
        Limit(source=GUIDE)
    with pytest.raises(ValueError, match="lower must not exceed upper, got 3 and 2"):
        Limit(lower=3, upper=2, source=GUIDE)
    assert str(Limit(lower=3, source=GUIDE)) == ">= 3"
    assert str(HEARSAY).endswith("(unverified)")
