"""A fault in one test of the protocol costs that item alone."""

from __future__ import annotations

import numpy as np

from imgtech.qc import Verdict
from imgtech.qc.protocols import acr_mri_large
from reference.acr_twin import Twin


def test_a_fault_in_one_test_is_named_and_leaves_the_others(monkeypatch, rng: np.random.Generator) -> None:
    def broken(scan):
        return np.zeros(3)[7]

    series = Twin(angle_rad=0.4, center_mm=(3.0, -5.0), sigma=8.0).series(rng)
    whole = acr_mri_large(series)
    monkeypatch.setattr("imgtech.qc.protocols._acr_mri._thickness", broken)
    report = acr_mri_large(series)
    thickness = report["slice thickness"]
    assert thickness.verdict is Verdict.ERROR
    assert "IndexError" in str(thickness.error)
    assert "please report it" in str(thickness.error)
    assert not report.passed
    for before, after in zip(whole.measurements, report.measurements, strict=True):
        if after.name != "slice thickness":
            assert after.value == before.value
