"""A good CT phantom passes a site's limits whatever its rotation; a planted fault fails its own item."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest

from imgtech.io import Series
from imgtech.phantoms.twins import Placement, Twin, acr_ct, catphan, water_phantom, with_ring
from imgtech.qc import Limit, Report, Source, Verdict, protocols
from imgtech.qc.limits import with_limits
from reference.ct_twins import Scan

NOISE_HU = 5.0
SITE = Source(document="site baseline", edition="2026-11-26")


@dataclasses.dataclass(frozen=True)
class Setup:
    """A protocol with a twin that may have another CT number in one place."""

    measure: Callable[[Series], Report]
    twin: Callable[[float], Twin]
    item: str
    right_hu: float
    reach_mm: tuple[float, float]


SETUPS = {
    "acr-ct": Setup(
        protocols.acr_ct, lambda hu: acr_ct(hu={"acrylic": hu}), "CT number acrylic", 121.0, (-25.0, 145.0)
    ),
    "catphan-604": Setup(
        lambda series: protocols.catphan(series, model="604"),
        lambda hu: catphan("604", hu={"Delrin": hu}),
        "CT number Delrin",
        365.0,
        (-105.0, 45.0),
    ),
    "catphan-600": Setup(
        lambda series: protocols.catphan(series, model="600"),
        lambda hu: catphan("600", hu={"Delrin": hu}),
        "CT number Delrin",
        365.0,
        (-190.0, 20.0),
    ),
    "ct-water": Setup(
        protocols.ct_water, lambda hu: water_phantom(water_hu=hu), "CT number centre", 0.0, (-35.0, 35.0)
    ),
}
NAMES = ["acr-ct", "catphan-604", pytest.param("catphan-600", marks=pytest.mark.slow), "ct-water"]


def _measured(
    setup: Setup, placement: Placement, *, away_hu: float = 0.0, noise: float = 1.0, ring: float = 0.0
):
    scan = Scan(
        placement=placement,
        noise_hu=noise * NOISE_HU,
        reach_mm=setup.reach_mm,
        thickness_mm=5.0,
        increment_mm=5.0,
    )
    series = scan.series(setup.twin(setup.right_hu + away_hu), np.random.default_rng(7))
    if ring:
        pixels = with_ring(series.pixels, series.grid, radius_mm=41.0, width_mm=0.8, height_hu=ring)
        series = dataclasses.replace(series, pixels=pixels)
    limits = {
        setup.item: Limit(lower=setup.right_hu - 5.0, upper=setup.right_hu + 5.0, source=SITE),
        "noise": Limit(upper=1.15 * NOISE_HU, source=SITE),
        "ring artefact": Limit(upper=0.5, source=SITE),
        "tilt up-down": Limit(lower=-0.5, upper=0.5, source=SITE),
        "tilt left-right": Limit(lower=-0.5, upper=0.5, source=SITE),
    }
    return with_limits(setup.measure(series), limits), set(limits)


def _failed(report: Report, among: set[str]) -> list[str]:
    return [m.name for m in report.measurements if m.verdict is Verdict.FAIL and m.name in among]


@pytest.mark.parametrize("name", NAMES)
def test_a_good_phantom_never_fails_for_a_rotation(name: str) -> None:
    for degrees, mirrored in ((0.0, False), (-77.0, True), (170.0, False)):
        place = Placement(
            center_mm=(5.3, -8.9), roll_rad=math.radians(degrees), mirrored=mirrored, reversed=mirrored
        )
        report, limits = _measured(SETUPS[name], place)
        assert all(report[item].verdict is Verdict.PASS for item in limits), degrees


@pytest.mark.parametrize("name", NAMES)
def test_a_planted_fault_fails_its_own_item(name: str) -> None:
    setup, place = SETUPS[name], Placement(center_mm=(5.3, -8.9), roll_rad=0.7)
    tilted = dataclasses.replace(place, tilt=(0.0, math.tan(math.radians(-1.1))))
    report, limits = _measured(setup, place, away_hu=9.0)
    assert _failed(report, limits) == [setup.item]
    report, limits = _measured(setup, place, noise=1.4)
    assert _failed(report, limits) == ["noise"]
    report, limits = _measured(setup, place, ring=9.0)
    assert _failed(report, limits) == ["ring artefact"]
    report, limits = _measured(setup, tilted)
    assert _failed(report, limits) == ["tilt left-right"]
    assert report["tilt left-right"].value == pytest.approx(-1.1, abs=0.02)
