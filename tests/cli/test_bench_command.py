"""``imgtech bench`` checks, times, prints and writes."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from imgtech.bench import compare
from imgtech.cli.app import app


def test_bench_prints_a_table_and_writes_what_it_timed(tmp_path):
    target = tmp_path / "times.json"
    result = CliRunner().invoke(app, ["bench", "--size", "64", "--rounds", "2", "--json", str(target)])
    assert result.exit_code == 0, result.output
    record = json.loads(target.read_text())
    assert len(record["comparisons"]) == 2
    for comparison in record["comparisons"]:
        assert len(comparison["ours_s"]) == len(comparison["peer_s"]) == 2
        assert comparison["ratio_min"] <= comparison["ratio_max"]
        assert comparison["check"]
    assert "iradon" in result.output


def test_bench_refuses_a_tiny_size_in_one_sentence():
    result = CliRunner().invoke(app, ["bench", "--size", "8"])
    assert result.exit_code == 2
    assert "n must be at least 64, got 8" in result.output


def test_a_wrong_answer_is_never_timed():
    calls = []

    def check(ours, peer):
        assert ours == peer, "wrong answer"
        return {}

    def ours():
        calls.append("ours")
        return 1

    with pytest.raises(AssertionError, match="wrong answer"):
        compare("x", ours=ours, peer=lambda: 2, peer_name="p", check=check, excluded="nothing")
    assert calls == ["ours"]
