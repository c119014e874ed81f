"""The rotation axis from the data: three methods, a known axis, and real scans."""

import numpy as np
import pytest

from imgtech.geometry import FanBeam, ParallelBeam
from imgtech.io.raw import read_dxchange
from imgtech.phantoms import poisson_transmission, shepp_logan
from imgtech.recon.ct.corrections import find_axis, flat_field, to_line_integrals

HEAD = shepp_logan(radius_mm=22.0, center_mm=(3.0, -4.0))
METHODS = ("opposite", "fourier", "image")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("offset_mm", "n_channels"), [(2.3, 151), (-3.45, 172)])
def test_axis_of_half_a_turn_with_noise(method, offset_mm, n_channels, rng):
    beam = ParallelBeam.half_turn(
        n_views=180,
        n_channels=n_channels,
        channel_spacing_mm=0.5,
        detector_offset_mm=offset_mm,
        start_rad=0.3,
    )
    sinogram = poisson_transmission(HEAD.sinogram(beam), photons_per_channel=1e5, rng=rng)
    expected = (n_channels - 1) / 2 - offset_mm / 0.5
    assert find_axis(sinogram, beam, method=method) == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize("method", METHODS)
def test_axis_of_a_full_turn_of_two_slices(method):
    beam = ParallelBeam.from_degrees(
        np.arange(240) * 1.5, n_channels=161, channel_spacing_mm=0.5, detector_offset_mm=1.85
    )
    other = shepp_logan(radius_mm=18.0, center_mm=(-3.0, 5.0))
    stack = np.stack([HEAD.sinogram(beam), other.sinogram(beam)])
    assert find_axis(stack, beam, method=method) == pytest.approx(80 - 1.85 / 0.5, abs=0.1)


def test_axis_of_a_fan():
    beam = FanBeam.full_turn(
        source_axis_mm=200.0,
        source_detector_mm=300.0,
        n_views=240,
        n_channels=161,
        channel_spacing_mm=0.7,
        detector_offset_mm=1.61,
    )
    found = find_axis(HEAD.sinogram(beam), beam, method="image", search=(70.0, 85.0))
    assert found == pytest.approx(80 - 1.61 / 0.7, abs=0.15)
    with pytest.raises(ValueError, match="method must be image for a fan"):
        find_axis(HEAD.sinogram(beam), beam)


def test_views_in_any_order_and_the_angles_matter():
    beam = ParallelBeam.half_turn(n_views=150, n_channels=151, channel_spacing_mm=0.5, detector_offset_mm=2.3)
    order = np.random.default_rng(3).permutation(150)
    mixed = ParallelBeam(
        angles_rad=beam.angles_rad[order], n_channels=151, channel_spacing_mm=0.5, detector_offset_mm=0.0
    )
    sinogram = HEAD.sinogram(beam)
    for method in METHODS:
        straight = find_axis(sinogram, beam, method=method)
        assert find_axis(sinogram[order], mixed, method=method) == pytest.approx(straight, abs=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_the_axis_of_a_real_tooth_is_at_channel_296(data, method):
    scan = read_dxchange(data("ct_raw/parallel_tooth.h5"), channel_spacing_mm=0.01)
    sinogram = to_line_integrals(flat_field(scan.sinogram, scan.flats, scan.darks))
    assert abs(find_axis(sinogram, scan.beam, method=method) - 296.0) <= 0.5


def test_the_axis_of_a_real_neutron_scan_is_the_same_by_every_method(data):
    tifffile = pytest.importorskip("tifffile", reason="needs tifffile")
    from imgtech.recon.ct.corrections import fill_defective_channels, remove_stripes_sorting

    counts = tifffile.imread(data("ct_raw/parallel_neutron_stripes.tif")).astype(np.float64)
    sinogram = to_line_integrals(counts / 47000, floor=2e-3)
    clean = remove_stripes_sorting(fill_defective_channels(sinogram))
    beam = ParallelBeam.from_degrees(
        np.linspace(0, 360, 459), n_channels=503, channel_spacing_mm=1.0
    )  # the last view repeats the first
    found = [find_axis(clean, beam, method=method) for method in METHODS]
    assert np.ptp(found) < 0.5
    assert np.mean(found) == pytest.approx(244.9, abs=0.3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"search": (80.0, 70.0)}, "search must go from a lower to a higher channel of 0 to 150"),
        ({"search": (0.0, 151.0)}, "search must go from"),
        ({"search": (70.0, 70.2)}, "search must span more than a channel"),
        ({"method": "guess"}, "method must be one of"),
        ({"sinogram": np.full((60, 151), np.nan)}, "sinogram must be finite"),
        ({"sinogram": np.ones((60, 150))}, "sinogram must end with shape"),
    ],
)
def test_bad_input_is_refused_by_name(change, words):
    beam = ParallelBeam.half_turn(n_views=60, n_channels=151, channel_spacing_mm=0.5)
    given = {"sinogram": HEAD.sinogram(beam), "beam": beam} | change
    with pytest.raises(ValueError, match=words):
        find_axis(**given)


def test_views_that_do_not_fit_the_method_are_refused():
    quarter = ParallelBeam.from_degrees(np.arange(0, 90, 2.0), n_channels=151, channel_spacing_mm=0.5)
    with pytest.raises(ValueError, match="must hold views half a turn apart"):
        find_axis(HEAD.sinogram(quarter), quarter)
    with pytest.raises(ValueError, match="must cover half a turn, got 88 degrees"):
        find_axis(HEAD.sinogram(quarter), quarter, method="fourier")
    with pytest.raises(ValueError, match="angles_rad must"):
        find_axis(HEAD.sinogram(quarter), quarter, method="image")
    uneven = ParallelBeam.from_degrees(np.arange(60) ** 2 / 20, n_channels=151, channel_spacing_mm=0.5)
    with pytest.raises(ValueError, match="must be evenly spaced"):
        find_axis(HEAD.sinogram(uneven), uneven, method="fourier")
