"""Coverage of the nuclear medicine protocols at random poses.

``python benchmarks/protocols/poses_nm.py [--only ...]``: any rotation, up to 20 mm off the middle, mirrored
or not, at two noise levels. Truth: the closed form of the twins.
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
from reference import nm_twins  # noqa: E402

Drawer = Callable[[np.random.Generator, float], tuple[Series, Truth]]


def _case(protocol: str, drawer: Drawer, measure: Callable[..., object], counts: float, what: str) -> Case:
    return Case(
        protocol=protocol,
        about=f"{what}{counts:g} counts a pixel",
        draw=partial(_swap, drawer, counts),
        measure=measure,  # type: ignore[arg-type]
        circular={"angle of the bars": 90.0},
    )


def _swap(drawer: Drawer, counts: float, rng: np.random.Generator) -> tuple[Series, Truth]:
    return drawer(rng, counts)


def cases() -> Iterator[Case]:
    """Every protocol at two noise levels."""
    for counts in (400.0, 2000.0):
        yield _case("gamma-flood", nm_twins.drawn_flood, protocols.gamma_flood, counts, "")
    for counts in (20.0, 80.0):
        yield _case("gamma-bars", nm_twins.drawn_bars, protocols.gamma_bars, counts, "quadrant bars, ")
    for counts in (100.0, 400.0):
        yield _case("gamma-bars", nm_twins.drawn_slits, protocols.gamma_bars, counts, "four slits, ")
    for noise in (0.1, 0.4):
        yield _spheres("pet-nema-iq", nm_twins.drawn_pet, protocols.pet_nema_iq, noise)
    for noise in (0.03, 0.1):
        yield _spheres("gamma-jaszczak", nm_twins.drawn_jaszczak, protocols.gamma_jaszczak, noise)


def _spheres(protocol: str, drawer: Drawer, measure: Callable[..., object], noise: float) -> Case:
    return Case(
        protocol=protocol,
        about=f"{100 * noise:g} % of the background",
        draw=partial(_swap, drawer, noise),
        measure=measure,  # type: ignore[arg-type]
    )


if __name__ == "__main__":
    main(tuple(cases()), "poses_nm")
