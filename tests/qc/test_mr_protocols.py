"""The MR protocols for uniform objects, MagNET test objects and series in time: twins, faults, real scans."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from imgtech import qc
from imgtech.geometry import ImageGrid
from imgtech.io import Series, read_series, write_series
from imgtech.phantoms.twins import Placement
from imgtech.qc.protocols import mr_epi_stability, mr_magnet, mr_snr_nema
from reference.mr_twins import (
    MrScan,
    as_series,
    epi_series,
    flood_twin,
    plates_twin,
    shading_at,
    single_images,
)

SCAN = MrScan(
    placement=Placement(center_mm=(6.2, -9.1), roll_rad=0.7),
    grid=ImageGrid(shape=(262, 251), spacing_mm=(0.96, 1.02)),
    sigma=8.0,
    shading=0.05,
)


def _near(m: qc.Measurement, truth: float, factor: float = 3.0) -> bool:
    assert m.error is None, (m.name, m.error)
    return abs(m.value - truth) <= factor * m.uncertainty


def test_snr_of_a_bottle_by_every_method(rng: np.random.Generator) -> None:
    one, two = single_images(SCAN, flood_twin(), rng, 2)
    level = 1000 * float(shading_at(SCAN, np.array(6.2), np.array(-9.1)))
    pair, single = mr_snr_nema(one, repeat=two), mr_snr_nema(one)
    assert [m.name for m in pair.measurements] == ["SNR of two images", "normalised SNR"]
    for m in (pair["SNR of two images"], single["SNR from the air"]):
        assert _near(m, level / 8.0)
    # the ringing of the edge of unfiltered k-space counts as noise of the smoothed image
    assert 0.88 * level / 8.0 < single["SNR of the smoothed image"].value < level / 8.0
    factor = math.sqrt(130 * 251 / 2 / 30000) / (0.001 * 0.96 * 1.02 * 5) / math.sqrt(262 * 0.5)
    assert pair["normalised SNR"].value == pytest.approx(factor * pair["SNR of two images"].value, rel=1e-6)
    assert single.notes == one.notes
    signal = next(o for o in pair.pictures[0].outlines if o.label == "signal")
    assert np.mean(signal.points, axis=0) == pytest.approx(
        ((262 - 1) / 2 + 6.2 / 0.96, 125 - 9.1 / 1.02), abs=2.0
    )


def test_a_folder_with_the_same_scan_twice_is_a_pair(rng: np.random.Generator, tmp_path) -> None:
    one, two = single_images(SCAN, flood_twin(), rng, 2)
    for series, name in ((one, "a"), (two, "b")):
        write_series(series, tmp_path / "both" / name)
    found = qc.run(tmp_path / "both", protocol="mr-snr-nema")
    apart = qc.run(tmp_path / "both" / "a", protocol="mr-snr-nema", repeat=tmp_path / "both" / "b")
    assert _near(found["SNR of two images"], apart["SNR of two images"].value, 0.2)
    alone = qc.run(tmp_path / "both" / "a", protocol="mr-snr-nema")
    assert alone["SNR from the air"].value is not None
    with pytest.raises(ValueError, match="catphan-504 has no use for a second scan"):
        qc.run(tmp_path, protocol="catphan-504", repeat=tmp_path)


@pytest.mark.parametrize(("degrees", "stretch"), [(4.0, 1.0), (131.0, 1.008)])
def test_plates_and_rods_are_measured_at_any_turn(degrees: float, stretch: float, rng) -> None:
    scan = dataclasses.replace(
        SCAN,
        placement=Placement(center_mm=(-8.0, 5.5), roll_rad=math.radians(degrees)),
        thickness_mm=5.3,
        sigma=5.0,
    )
    report = mr_magnet(single_images(scan, plates_twin(stretch=stretch), rng)[0])
    assert report.notes[-1] == "test object: slice width"
    assert _near(report["slice width"], 5.3)
    for way in ("along", "across"):
        for line in ("first", "second", "third"):
            assert _near(report[f"distance {way} the plates, {line} line"], 120 * stretch, 4.0)
        assert _near(report[f"scale {way} the plates"], 100 * (stretch - 1), 4.0)
    assert abs(report["shear"].value) < 4 * report["shear"].uncertainty


def test_rods_beside_the_rim_lie_where_they_are(rng: np.random.Generator) -> None:
    """At a scale of 1.01 the ring around a corner rod reaches beyond the water."""
    scan = dataclasses.replace(SCAN, placement=Placement(center_mm=(3.3, -4.6), roll_rad=0.9), sigma=4.0)
    report = mr_magnet(single_images(scan, plates_twin(stretch=1.01), rng)[0])
    for way in ("along", "across"):
        for line in ("first", "second", "third"):
            m = report[f"distance {way} the plates, {line} line"]
            assert abs(m.value - 121.2) < 0.035
            assert m.uncertainty < 0.025
        assert abs(report[f"scale {way} the plates"].value - 1.0) < 0.025


def test_a_box_shaped_slice_has_its_width_to_a_hundredth(rng: np.random.Generator) -> None:
    """The trace of a plate ends in a straight ramp, as long as the plate is high over its slope."""
    for thickness in (4.4, 5.6):
        scan = dataclasses.replace(SCAN, thickness_mm=thickness, sigma=3.0)
        m = mr_magnet(single_images(scan, plates_twin(), rng)[0])["slice width"]
        assert abs(m.value - thickness) < 0.01
        assert 0.001 < m.uncertainty < 0.006


def test_a_wrong_slice_width_is_found(rng: np.random.Generator) -> None:
    scan = dataclasses.replace(SCAN, thickness_mm=6.4, sigma=4.0)
    assert _near(mr_magnet(single_images(scan, plates_twin(), rng)[0])["slice width"], 6.4)


def test_flood_gives_snr_and_uniformity(rng: np.random.Generator) -> None:
    scan = dataclasses.replace(SCAN, shading=0.16, shading_rad=0.0, period_mm=400.0, sigma=6.0)
    one, two = single_images(scan, flood_twin(), rng, 2)
    report = mr_magnet(one, repeat=two)
    assert report.notes[-1] == "test object: flood"
    x = np.linspace(-80, 80, 4001) - 9.1
    ratio = shading_at(scan, np.full_like(x, 6.2), x) / shading_at(scan, np.array(6.2), np.array(-9.1))
    assert _near(report["fractional uniformity along rows"], 100 * np.mean(np.abs(ratio - 1) <= 0.1))
    assert report["fractional uniformity along columns"].value == pytest.approx(100.0, abs=0.5)
    squares = shading_at(scan, np.array(6.2), -9.1 + 1.02 * np.array([0, -40, 40, -40, 40]))
    assert _near(report["SNR"], 1000 / 6.0 * squares.mean())


def test_a_ghost_of_a_bottle_is_found_along_its_direction(rng: np.random.Generator) -> None:
    scan = dataclasses.replace(
        SCAN, placement=Placement(center_mm=(-60.0, 70.0)), ghost=0.03, sigma=2.0, shading=0.0
    )
    report = mr_magnet(single_images(scan, flood_twin(30.0), rng)[0])
    assert report.notes[-1] == "test object: ghosting bottle"
    floor = 2.0 * math.sqrt(math.pi / 2) / 1000
    assert report["ghosting along columns"].value == pytest.approx(100 * (0.03 - floor), abs=0.15)
    assert abs(report["ghosting along rows"].value) < 0.3


def _changed(series: Series, pixels: np.ndarray) -> Series:
    return dataclasses.replace(series, pixels=np.asarray(pixels, dtype=np.float32))


def test_another_object_beside_a_bottle_is_no_ghost_and_no_noise(rng: np.random.Generator) -> None:
    scan = dataclasses.replace(SCAN, placement=Placement(center_mm=(-20.0, 40.0)), sigma=2.0, shading=0.0)
    one = single_images(scan, flood_twin(30.0), rng)[0]
    y, x = one.grid.coordinates_mm
    y = y[:, None]
    beside = mr_magnet(_changed(one, np.where(np.hypot(y + 24.0, x + 90.0) < 9.0, 1500.0, one.pixels)))
    assert "the strip beside the bottle must hold air" in str(beside["ghosting along rows"].error)
    assert beside["ghosting along columns"].value is not None
    aside = _changed(one, np.where(np.hypot(y - 90.0, x + 90.0) < 9.0, 1500.0, one.pixels))
    assert "beside the strips" in str(mr_magnet(aside)["ghosting along rows"].error)
    assert "the corners must hold air" in str(mr_snr_nema(aside)["SNR from the air"].error)


def test_clipped_floods_and_padding_are_refused_and_eight_bits_are_not(rng: np.random.Generator) -> None:
    one = single_images(SCAN, flood_twin(), rng)[0]
    clipped = _changed(one, np.minimum(one.pixels, 0.97 * np.percentile(one.pixels, 95)))
    padded = np.array(one.pixels)
    y, x = one.grid.coordinates_mm
    padded[:, np.hypot(y[:, None], x) > 150.0] = 65535.0
    coarse = _changed(one, np.round(one.pixels / one.pixels.max() * 255))
    for measure in (mr_magnet, mr_snr_nema):
        with pytest.raises(ValueError, match=r"clipped: \d+ % of the (flood|object) is at the highest value"):
            measure(clipped)
        with pytest.raises(ValueError, match="fills a corner of it"):
            measure(_changed(one, padded))
        assert measure(coarse).measurements[0].error is None


def test_stability_of_a_series_in_time(rng: np.random.Generator, tmp_path) -> None:
    series, truth = epi_series(rng, fluctuation=0.002, drift=0.02, center_mm=(9.0, -14.0))
    report = mr_epi_stability(series)
    for name, value in truth.items():
        assert _near(report[name], value), (name, report[name].value, value)
    assert report["ghost along rows"].value < 1.0
    assert "120 repetitions after 2 left out" in report.notes
    write_series(series, tmp_path / "time", step=0.05)
    again = qc.run(tmp_path / "time", protocol="mr-epi-stability")
    for a, b in zip(report.measurements, again.measurements, strict=True):
        assert a.value == pytest.approx(b.value, rel=2e-3, abs=2e-3), a.name


def test_a_drifting_and_a_spiking_scanner_are_told_apart(rng: np.random.Generator) -> None:
    quiet, drifting, shaky = (
        mr_epi_stability(epi_series(np.random.default_rng(5), **faults)[0])
        for faults in ({}, {"drift": 0.05}, {"fluctuation": 0.01})
    )
    assert drifting["percent drift"].value > 20 * quiet["percent drift"].value
    assert shaky["percent fluctuation"].value > 10 * quiet["percent fluctuation"].value
    assert shaky["radius of decorrelation"].value < 2.0 < quiet["radius of decorrelation"].value


def test_a_ghost_of_a_series_in_time_has_its_height_and_direction() -> None:
    """The ringing that truncation leaves in the air is there without a ghost too; squares add."""
    how = {"n_times": 40, "radius_mm": 70.0, "center_mm": (6.0, -9.0), "sigma": 4.0}
    none, ghost = (epi_series(np.random.default_rng(4), **how, ghost=g)[0] for g in (0.0, 0.03))

    def heights(series: Series) -> dict[str, float]:
        report = mr_epi_stability(series)
        return {way: report[f"ghost along {way}"].value for way in ("columns", "rows")}

    def turned(series: Series) -> Series:
        return dataclasses.replace(
            series, pixels=series.pixels.swapaxes(1, 2), spacing_mm=series.spacing_mm[::-1]
        )

    for before, after, way, other in (
        (none, ghost, "columns", "rows"),
        (turned(none), turned(ghost), "rows", "columns"),
    ):
        without, found = heights(before), heights(after)
        assert math.sqrt(found[way] ** 2 - without[way] ** 2) == pytest.approx(3.0, abs=0.1)
        assert found[other] == pytest.approx(without[other], abs=0.3)


def test_what_does_not_fit_is_refused_with_a_sentence(rng: np.random.Generator) -> None:
    one = single_images(SCAN, flood_twin(), rng)[0]
    short, _ = epi_series(rng, n_times=20)
    noise = as_series(
        rng.rayleigh(5.0, (1, 64, 70)), ImageGrid(shape=(64, 70), spacing_mm=(3.0, 3.0)), [0.0], 1.5
    )
    for wrong, sentence in (
        (lambda: mr_snr_nema(dataclasses.replace(one, modality="CT")), "must be MR, got modality 'CT'"),
        (lambda: mr_snr_nema(one, repeat=one), "a second scan, got the same images"),
        (lambda: mr_snr_nema(one, repeat=noise), "the same scan"),
        (lambda: mr_snr_nema(noise), "does not stand out|no bright object"),
        (lambda: mr_magnet(noise), "does not stand out|no bright object"),
        (lambda: mr_magnet(one, edition="1066"), "edition must be one of 2017"),
        (lambda: mr_epi_stability(one), "at least 14 repetitions"),
        (
            lambda: mr_epi_stability(short, n_skipped=500),
            "leave at least 12 of 22 rep.*got 500",
        ),
        (lambda: mr_epi_stability(short, n_skipped=1.5), "n_skipped must be a whole number, got 1.5"),
        (
            lambda: mr_snr_nema(one, repeat=dataclasses.replace(one, modality="CT")),
            "repeat must be MR, got modality 'CT'",
        ),
    ):
        with pytest.raises(ValueError, match=sentence):
            wrong()
    bare = dataclasses.replace(one, tags=dataclasses.replace(one.tags, averages=None))
    assert mr_snr_nema(bare)["normalised SNR"].error == "the files do not say: number of averages"


def test_real_magnet_objects_meet_their_references(data) -> None:
    """MATLAB references of the data set: normalised SNR by subtraction, slice width; ghosting 0.118 %."""
    for name, reference in (("Siemens", 2130.93), ("GE", 1517.88)):
        report = qc.run(data(f"mr_snr_magnet/{name}"), protocol="mr-magnet")
        assert [m.name for m in report.measurements if m.error] == []
        assert report["normalised SNR"].value == pytest.approx(reference, rel=0.03)
    width = qc.run(data("mr_slice_width/SLICEWIDTH"), protocol="mr-magnet")
    assert [m.name for m in width.measurements if m.error] == []
    assert width["slice width"].value == pytest.approx(5.48, abs=0.05)
    assert width["distance along the plates, second line"].value == pytest.approx(119.6, abs=0.3)
    for number in ("3301", "3501"):
        bottle = qc.run(data("mr_ghosting/GHOSTING"), protocol="mr-magnet", series=number)
        assert [m.name for m in bottle.measurements if m.error] == []
        assert 0.0 < max(m.value for m in bottle.measurements) < 0.3


def test_real_pairs_give_their_snr(data) -> None:
    for name in ("HEADNECK", "KNEE"):
        report = qc.run(
            data(f"mr_snr_pairs/SNR_{name}_ACQ1"),
            protocol="mr-snr-nema",
            repeat=data(f"mr_snr_pairs/SNR_{name}_ACQ2"),
        )
        assert [m.name for m in report.measurements if m.error] == []
        assert 100 < report["SNR of two images"].value < 400
    pair = qc.run(data("mr_snr_magnet/Siemens"), protocol="mr-snr-nema")
    one = read_series(data("mr_snr_magnet/Siemens"), series="2")
    assert pair["SNR of two images"].value == pytest.approx(220.2, abs=3.0)
    assert any("SNR from the air does not hold" in note for note in mr_snr_nema(one).notes)
