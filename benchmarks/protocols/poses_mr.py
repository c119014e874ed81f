"""Coverage of the MR protocols at random poses.

``python benchmarks/protocols/poses_mr.py [--only ...]``: any rotation, up to 20 mm off the middle, both
mirror images and slice orders, slices up to 2 mm off and 4.5 to 5.6 mm thick, a drawn shading and ghost, at
two noise levels. The images are magnitudes of the closed-form k-space of one coil, or the root sum of squares
that the reconstruction makes of the k-space of six coils. Truth: the closed form of the twins. Resolution is
left out (it is one size out of three or four), and the low-contrast score, whose truth depends on the noise:
the contrasts stand for it. The length is measured on an image along the scanner's axis, in any plane through
or beside the phantom, turned by any angle and 3 to 20 mm thick, of a phantom that leans by up to 2 degrees
either way; planes in which the ramp block leaves less than 30 mm of the end are drawn anew.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests")]

from study import Case, Truth, main  # noqa: E402

from imgtech.io import Series  # noqa: E402
from imgtech.phantoms.twins import acr_mri, acr_mri_drawing  # noqa: E402
from imgtech.qc import Report, protocols  # noqa: E402
from reference import mr_twins  # noqa: E402


def _acr(model: str, sigma: float, coils: bool, rng: np.random.Generator) -> tuple[Series, Truth]:
    twin = acr_mri(model, ellipticity_mm=rng.uniform(-0.4, 0.4), tilt=rng.uniform(-0.006, 0.006))
    scan = mr_twins.drawn_scan(rng, sigma=sigma)
    if coils:
        scan = dataclasses.replace(scan, coils=mr_twins.head_coil())
    return scan.series(twin, rng), mr_twins.acr_truth(scan, twin)


def _localized(model: str, sigma: float, rng: np.random.Generator) -> tuple[tuple[Series, Series], Truth]:
    """Slices 1 and 11 of a phantom that may lean, and one image along its axis."""
    twin = acr_mri(model, length_mm=acr_mri_drawing(model).length_mm + rng.uniform(-2, 2))
    scan = dataclasses.replace(mr_twins.drawn_scan(rng, sigma=sigma), roles=(1, 11), ghost=0.0)
    lean = (rng.uniform(-0.04, 0.04), rng.uniform(-0.04, 0.04))
    scan = dataclasses.replace(scan, placement=dataclasses.replace(scan.placement, tilt=lean))
    plane = mr_twins.drawn_localizer(rng, scan.placement, sigma=sigma)
    both = scan.series(mr_twins.only_large(twin), rng), plane.series(twin, scan.placement, rng)
    return both, {"length": twin.facts["length"]}


def _length(measure: Callable[..., Report], both: tuple[Series, Series]) -> Report:
    return measure(both[0], localizer=both[1])


def _single(twin: str, sigma: float, rng: np.random.Generator) -> tuple[Series, Truth]:
    """One or two images of a bottle or of the slice-width object, anywhere."""
    scan = mr_twins.drawn_scan(rng, sigma=sigma)
    if twin == "bottle":
        scan = dataclasses.replace(scan, ghost=0.0)
        radius = rng.uniform(50.0, 90.0)
        one, two = mr_twins.single_images(scan, mr_twins.flood_twin(radius), rng, 2)
        inner = np.sqrt(0.75) * radius
        level = mr_twins.WATER * mr_twins._shade(scan, scan.placement.center_mm, inner)
        both = np.concatenate([one.pixels, two.pixels])
        series = dataclasses.replace(one, pixels=both, positions_mm=np.array([0.0, 10.0]))
        return series, {"SNR of two images": level / sigma}
    scan = dataclasses.replace(scan, ghost=0.0, placement=dataclasses.replace(scan.placement, reversed=False))
    stretch = rng.uniform(0.99, 1.01)
    series = mr_twins.single_images(scan, mr_twins.plates_twin(stretch=stretch), rng)[0]
    truth = {"slice width": scan.thickness_mm}
    for way in ("along", "across"):
        truth[f"scale {way} the plates"] = 100 * (stretch - 1)
        for line in ("first", "second", "third"):
            truth[f"distance {way} the plates, {line} line"] = 120 * stretch
    return series, truth


def _pair(series: Series) -> Report:
    one, two = (
        dataclasses.replace(series, pixels=series.pixels[i : i + 1], positions_mm=np.zeros(1)) for i in (0, 1)
    )
    return protocols.mr_snr_nema(one, repeat=two)


def _epi(sigma: float, rng: np.random.Generator) -> tuple[Series, Truth]:
    series, truth = mr_twins.epi_series(
        rng,
        radius_mm=rng.uniform(70.0, 85.0),
        center_mm=(rng.uniform(-15, 15), rng.uniform(-15, 15)),
        sigma=sigma,
        fluctuation=rng.uniform(0.0005, 0.005),
        drift=rng.uniform(0.01, 0.05),
    )
    return series, truth


def cases() -> Iterator[Case]:
    """Every protocol at two noise levels."""
    for snr in (60, 200):
        sigma, about = 1000.0 / snr, f"SNR {snr}"
        yield Case(protocol="mr-snr-nema", about=about, draw=partial(_single, "bottle", sigma), measure=_pair)
        yield Case(
            protocol="mr-magnet",
            about=about,
            draw=partial(_single, "plates", sigma),
            measure=protocols.mr_magnet,
        )
        yield Case(
            protocol="mr-epi-stability",
            about=about,
            draw=partial(_epi, sigma),
            measure=protocols.mr_epi_stability,
        )
    measure: dict[str, Callable[..., Report]] = {
        "large": protocols.acr_mri_large,
        "medium": protocols.acr_mri_medium,
    }
    for model in ("large", "medium"):
        for snr in (60, 200):
            yield Case(
                protocol=f"acr-mri-{model}",
                about=f"SNR {snr}, localizer",
                draw=partial(_localized, model, 1000.0 / snr),
                measure=partial(_length, measure[model]),
            )
    for model, coils in (("large", False), ("medium", False), ("large", True)):
        for snr in (60, 200):
            yield Case(
                protocol=f"acr-mri-{model}",
                about=f"SNR {snr}" + (", raw data" if coils else ""),
                draw=partial(_acr, model, 1000.0 / snr, coils),
                measure=measure[model],
            )


if __name__ == "__main__":
    main(tuple(cases()), "poses_mr")
