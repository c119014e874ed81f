"""Coverage of the CT protocols at random poses: ``python benchmarks/protocols/poses_ct.py [--only ...]``.

Any rotation, up to 20 mm off the middle, up to 1 degree of tilt both ways, mirrored or not, either direction
of the slices, at two noise levels. Truth: the closed form of the twins.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests")]

from study import Case, Truth, main  # noqa: E402

from imgtech.io import Series  # noqa: E402
from imgtech.phantoms.twins import acr_ct, catphan, water_phantom  # noqa: E402
from imgtech.qc import Report, protocols  # noqa: E402
from reference.ct_raw import raw_series, raw_truth  # noqa: E402
from reference.ct_twins import acr_ct_truth, catphan_truth, drawn_scan, uniform_truth  # noqa: E402

_REACH_MM = {"catphan-504": (-95.0, 60.0), "catphan-600": (-190.0, 30.0), "catphan-604": (-105.0, 65.0)}


def _catphan(model: str, noise_hu: float) -> Case:
    twin = catphan(model)

    def draw(rng: np.random.Generator) -> tuple[Series, Truth]:
        scan = drawn_scan(rng, noise_hu=noise_hu, reach_mm=_REACH_MM[f"catphan-{model}"])
        return scan.series(twin, rng), catphan_truth(scan, twin, model)

    return Case(
        protocol=f"catphan-{model}",
        about=f"{noise_hu:g} HU",
        draw=draw,
        measure=lambda series: protocols.catphan(series, model=model),
    )


def _acr(noise_hu: float) -> Case:
    twin = acr_ct()

    def draw(rng: np.random.Generator) -> tuple[Series, Truth]:
        scan = drawn_scan(rng, noise_hu=noise_hu, reach_mm=(-25.0, 145.0))
        return scan.series(twin, rng), acr_ct_truth(scan, twin)

    return Case(protocol="acr-ct", about=f"{noise_hu:g} HU", draw=draw, measure=protocols.acr_ct)


def _acr_raw(noise_hu: float) -> Case:
    """All modules from fan-beam sinograms with noise, then ``fbp``; slices of 5 mm every 16 mm."""
    twin = acr_ct()

    def draw(rng: np.random.Generator) -> tuple[Series, Truth]:
        scan = drawn_scan(rng, noise_hu=noise_hu)
        return raw_series(scan, twin, noise_hu, rng), raw_truth(scan, twin, noise_hu)

    return Case(protocol="acr-ct", about=f"fan beam, {noise_hu:g} HU", draw=draw, measure=protocols.acr_ct)


def _water(noise_hu: float) -> Case:
    twin = water_phantom(radius_mm=105.0)

    def draw(rng: np.random.Generator) -> tuple[Series, Callable[[Report], Truth]]:
        scan = drawn_scan(rng, noise_hu=noise_hu, reach_mm=(-40.0, 40.0))

        def truth(report: Report) -> Truth:
            highest = report["NPS mean frequency"].details["highest frequency (1/mm)"]
            return uniform_truth(scan, 0.0, highest_per_mm=float(highest))

        return scan.series(twin, rng), truth

    return Case(protocol="ct-water", about=f"{noise_hu:g} HU", draw=draw, measure=protocols.ct_water)


def cases() -> Iterator[Case]:
    """Every protocol at two noise levels."""
    for noise_hu in (6.0, 20.0):
        yield _catphan("504", noise_hu)
    for noise_hu in (6.0, 20.0):
        yield _catphan("600", noise_hu)
    for noise_hu in (6.0, 20.0):
        yield _catphan("604", noise_hu)
    for noise_hu in (4.0, 12.0):
        yield _acr(noise_hu)
    for noise_hu in (4.0, 12.0):
        yield _acr_raw(noise_hu)
    for noise_hu in (4.0, 12.0):
        yield _water(noise_hu)


if __name__ == "__main__":
    main(tuple(cases()), "poses_ct")
