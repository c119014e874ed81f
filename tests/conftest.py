"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data() -> Callable[[str], Path]:
    """Path of a real data set by name; the test is skipped where the data are absent."""
    base = Path(os.environ.get("IMGTECH_DATA", ROOT.parent / "shared" / "data"))

    def find(name: str) -> Path:
        path = base / name
        if not path.exists():
            pytest.skip(f"real data {name!r} not found under {base}; set IMGTECH_DATA")
        return path

    return find


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(20261122)
