"""Importing costs little."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROBE = "import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"


def _seconds(module: str, runs: int) -> float:
    command = [sys.executable, "-c", PROBE.format(module=module)]
    return min(
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(runs)
    )


@pytest.mark.parametrize(("module", "most_s"), [("imgtech", 0.05), ("imgtech.recon.ct", 0.8)])
def test_import_is_quick(module, most_s):
    assert _seconds(module, runs=5) < most_s


def test_ct_leaves_the_parts_of_scipy_to_their_first_use():
    """They take longer than numpy, numba and imgtech together; `import scipy` finds them when needed."""
    code = (
        "import sys, imgtech.recon.ct;"
        "parts = ('fft', 'interpolate', 'ndimage', 'optimize', 'signal', 'special');"
        "print([part for part in parts if 'scipy.' + part in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_import_does_not_bring_matplotlib_or_pydicom():
    code = (
        "import sys, imgtech.recon.ct, imgtech.recon.mri, imgtech.recon.ultrasound, imgtech.qc.metrics;"
        "print([m for m in ('matplotlib', 'pydicom', 'h5py', 'typer') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
