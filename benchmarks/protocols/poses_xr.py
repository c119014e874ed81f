"""Coverage of planar X-ray at random poses: ``python benchmarks/protocols/poses_xr.py [--noise ...]``.

Leeds TOR 18, QC-3 and an opaque plate at any rotation, up to 20 mm off the middle, mirrored or not, of drawn
magnification, bright or dark lead, at two noise levels. Truth: the closed form of the twins.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests")]

from study import Case, Truth, main  # noqa: E402

from imgtech.io import Series  # noqa: E402
from imgtech.qc import protocols  # noqa: E402
from reference import planar_twins  # noqa: E402

Drawer = Callable[[np.random.Generator, float], tuple[Series, Truth]]


def _case(what: str, drawer: Drawer, noise: float) -> Case:
    quanta = planar_twins.edge_quanta(noise) if what == "plate" else None
    return Case(
        protocol="planar-xray",
        about=f"{what}, noise of {noise:g}",
        draw=partial(_drawn, drawer, noise),
        measure=partial(protocols.planar_xray, quanta_per_mm2=quanta, quanta_relative_uncertainty=1e-3),
    )


def _drawn(drawer: Drawer, noise: float, rng: np.random.Generator) -> tuple[Series, Truth]:
    return drawer(rng, noise)


def cases() -> Iterator[Case]:
    """Every phantom at two noise levels."""
    for noise in (8.0, 25.0):
        yield _case("Leeds TOR 18", planar_twins.drawn_leeds, noise)
    for noise in (10.0, 30.0):
        yield _case("QC-3", planar_twins.drawn_qc3, noise)
    for noise in (12.0, 40.0):
        yield _case("plate", planar_twins.drawn_edge, noise)


if __name__ == "__main__":
    main(tuple(cases()), "poses_xr")
