"""Wrong numbers of numbers, NaN and complex values: the message names the argument."""

import numpy as np
import pytest

from imgtech.geometry import ImageGrid
from imgtech.qc import metrics
from imgtech.qc.limits import read_limit_table
from imgtech.qc.metrics import Points, RampSignal
from imgtech.qc.metrics.ultrasound import column_levels, point_target
from imgtech.qc.roi import disk_region, rectangle_region
from imgtech.qc.uncertainty import monte_carlo, propagate

GRID = ImageGrid(shape=(40, 45), spacing_mm=(0.8, 0.7), center_mm=(1.0, -2.0))
IMAGE = np.random.default_rng(4).random(GRID.shape) + 1
FULL = np.ones(GRID.shape)
POINTS = Points(positions_mm=np.eye(3)[:, :2], uncertainties_mm=np.full((3, 2), 0.1), found=np.ones(3, bool))
RAMP = RampSignal(start_mm=-1.0, end_mm=2.0, plateau=9.0, floor=1.0, edge_uncertainty_mm=0.1,
                  level_uncertainty_mm=0.1)  # fmt: skip
LINE = np.arange(40.0) * 0.9
PAIRS = {
    "spacing_mm": [
        lambda v: metrics.slanted_edge_mtf(IMAGE, v),
        lambda v: metrics.fit_edge(IMAGE, v),
        lambda v: metrics.noise_power_spectrum(IMAGE, v),
        lambda v: metrics.bar_mtf(IMAGE, FULL, v, bar_width_mm=3.0),
        lambda v: metrics.wire_mtf(IMAGE, v),
        lambda v: metrics.bead_mtf(IMAGE, v),
        lambda v: metrics.fit_point(IMAGE, v),
        lambda v: metrics.flat_field_uniformity(IMAGE, v),
        lambda v: metrics.flood_uniformity(np.ones((40, 45), np.int64), v),
    ],
    "center_mm": [
        lambda v: metrics.disk_rim(IMAGE, GRID, center_mm=v, radius_mm=9.0),
        lambda v: metrics.disk_mtf(IMAGE, GRID, center_mm=v, radius_mm=9.0),
        lambda v: metrics.ring_artefact(IMAGE, GRID, center_mm=v, radii_mm=(3.0, 9.0)),
        lambda v: metrics.streak_artefact(IMAGE, GRID, center_mm=v, radii_mm=(3.0, 9.0)),
        lambda v: metrics.percent_signal_ghosting(IMAGE, GRID, center_mm=v, radius_mm=9.0),
        lambda v: metrics.laguerre_gauss_channels(GRID, center_mm=v, width_mm=3.0),
        lambda v: disk_region(GRID, center_mm=v, radius_mm=9.0),
    ],
    "radii_mm": [
        lambda v: metrics.ring_artefact(IMAGE, GRID, center_mm=(1.0, -2.0), radii_mm=v),
        lambda v: metrics.streak_artefact(IMAGE, GRID, center_mm=(1.0, -2.0), radii_mm=v),
    ],
    "size_mm": [lambda v: rectangle_region(GRID, center_mm=(1.0, -2.0), size_mm=v)],
    "start_mm": [
        lambda v: metrics.edge_length(IMAGE, GRID, start_mm=v, end_mm=(9, 9), width_mm=3, reach_mm=3)
    ],
    "depth_mm": [lambda v: column_levels(IMAGE, GRID, depth_mm=v)],
    "near_mm": [lambda v: point_target(IMAGE, GRID, near_mm=v, search_mm=(3.0, 3.0))],
    "search_mm": [lambda v: point_target(IMAGE, GRID, near_mm=(1.0, -2.0), search_mm=v)],
}


@pytest.mark.parametrize(("name", "call"), [(name, call) for name, calls in PAIRS.items() for call in calls])
def test_two_numbers_are_two_numbers(name, call):
    for wrong in ((1.0,), (1.0, 2.0, 3.0), 1.0, None):
        with pytest.raises(ValueError, match=f"{name} must have 2 numbers, got "):
            call(wrong)
    for wrong in ((np.nan, 1.0), (1.0, np.inf)):
        with pytest.raises(ValueError, match=f"{name} must be finite, got (nan|inf)"):
            call(wrong)
    with pytest.raises(ValueError, match=f"{name} must be a number, got 'wide'"):
        call(("wide", 1.0))


def test_three_numbers_are_three_numbers():
    volume = np.ones((9, 12, 13))
    for call in (metrics.bead_slice_profile, metrics.volume_noise_power, metrics.bead_mtf):
        with pytest.raises(ValueError, match=r"spacing_mm must have 3 numbers, got 0\.5"):
            call(volume, 0.5)
        with pytest.raises(ValueError, match=r"spacing_mm must be positive, got -1\.0"):
            call(volume, (-1.0, 0.5, 0.5))


@pytest.mark.parametrize("bad", [np.nan, 1.5, -1, "two", None])
def test_a_marker_has_a_whole_number(bad):
    for name, call in (
        ("first", lambda i: metrics.distance(POINTS, i, 1)),
        ("second", lambda i: metrics.angle(POINTS, 0, 1, i)),
        ("corner", lambda i: metrics.angle(POINTS, 0, i, 1)),
    ):
        with pytest.raises(ValueError, match=f"{name} must be (a whole number|at least 0), got "):
            call(bad)
    with pytest.raises(ValueError, match="first must be numbered 0 to 2, got 3"):
        metrics.distance(POINTS, 3, 1)


def test_single_numbers():
    centers = np.array([[1.0, -3.0], [1.0, -1.0], [1.0, -1.0]])
    kinds = {"hole_diameter_mm": 1.0, "noise": 0.1}
    for bad, rule in ((np.nan, "be finite, got nan"), (None, "be a number, got None")):
        for name, call in (
            ("margin_mm", lambda v: metrics.flat_field_uniformity(IMAGE, (0.8, 0.7), margin_mm=v)),
            ("crossing_mm", lambda v: metrics.slice_position(RAMP, RAMP, slope=0.1, crossing_mm=v)),
            ("background", lambda v: metrics.hole_dip(
                IMAGE, GRID, centers_mm=centers[:2], background=v, **kinds)),
            ("coverage", lambda v: monte_carlo(lambda x: x, [1.0], [0.1], coverage=v)),
        ):  # fmt: skip
            with pytest.raises(ValueError, match=f"{name} must {rule}"):
                call(bad)
    with pytest.raises(ValueError, match=r"margin_mm must not be negative, got -2\.0"):
        metrics.flat_field_uniformity(IMAGE, (0.8, 0.7), margin_mm=-2.0)
    with pytest.raises(ValueError, match=r"baseline_order must be a whole number, got 1\.5"):
        metrics.plate_signal(LINE, LINE, expected_mm=9.0, baseline_order=1.5)
    with pytest.raises(ValueError, match="centers_mm must differ from one hole to the next"):
        metrics.hole_dip(IMAGE, GRID, centers_mm=centers, background=0.0, **kinds)
    with pytest.raises(ValueError, match="degrees_of_freedom must hold numbers, got 'many'"):
        propagate(1.0, [1.0], [0.1], degrees_of_freedom="many")


def test_complex_values_are_not_halved():
    """The imaginary part would be dropped in silence."""
    for call in (
        lambda v: metrics.profile_width(LINE, v),
        lambda v: metrics.ramp_signal(LINE, [v, v], expected_mm=9.0),
        lambda v: metrics.plate_signal(LINE, v, expected_mm=9.0),
    ):
        with pytest.raises(ValueError, match="must be real, got complex values"):
            call(LINE + 1j)


def test_numbers_of_the_scan():
    table = "acr-mri-large-2022"
    for name in ("field_strength_t", "echo_time_ms"):
        with pytest.raises(ValueError, match=f"{name} must be finite, got nan"):
            read_limit_table(table, **{name: np.nan})
        with pytest.raises(ValueError, match=rf"{name} must not be negative, got -3\.0"):
            read_limit_table(table, **{name: -3.0})
