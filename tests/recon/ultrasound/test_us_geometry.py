"""Every probe, transmit and grid against the naive float64 sum, and against where points lie."""

from __future__ import annotations

import numpy as np
import pytest

import imgtech
from imgtech.geometry import (
    ConvexArray,
    ElementArray,
    ImageGrid,
    LinearArray,
    MatrixArray,
    Photoacoustic,
    PlaneWaves,
    PointSources,
    PolarGrid,
    ScanLines,
    SphericalWaves,
)
from imgtech.recon.ultrasound import delay_and_sum, receive_delays, transmit_delays
from reference import any_geometry as naive

CLOCK = {"sampling_hz": 19e6, "pulse_delay_s": 0.27e-6}
STARTS = np.array([2e-6, 2.6e-6, 3.1e-6])
LINEAR = LinearArray(n_elements=11, pitch_mm=0.37, element_width_mm=0.3, center_mm=0.9)
CONVEX = ConvexArray(n_elements=13, pitch_mm=0.8, radius_mm=17.0, element_width_mm=0.7, center_mm=-0.6)
MATRIX = MatrixArray(shape=(3, 5), pitch_mm=(0.61, 0.43), center_mm=(0.2, -0.5))
RING = ElementArray(
    positions_mm=[[10 - 9 * np.cos(a), 9 * np.sin(a)] for a in np.arange(7) * 0.8],
    normals=[[np.cos(a), -np.sin(a)] for a in np.arange(7) * 0.8],
    element_width_mm=0.5,
)
PLANE = ImageGrid(shape=(19, 12), spacing_mm=(0.47, 0.61), center_mm=(8.0, 0.4))
VOLUME = ImageGrid(shape=(9, 4, 5), spacing_mm=(0.7, 0.5, 0.6), center_mm=(7.0, 0.3, -0.4))
SECTOR = PolarGrid(
    shape=(15, 8),
    range_spacing_mm=0.5,
    angle_spacing_rad=0.05,
    range_center_mm=24.0,
    angle_center_rad=0.03,
    apex_mm=(-17.0, -0.6),
)
LINES = ScanLines(
    origins_mm=[[0.0, -1.0], [0.5, 0.2], [0.0, 1.7]],
    directions=[[1, -0.2], [1, 0], [2, 0.5]],
    n_samples=14,
    spacing_mm=0.6,
    first_mm=3.1,
)
ANGLES, ELEVATIONS = np.deg2rad([-9.0, 2.0, 7.0]), np.deg2rad([4.0, -6.0, 11.0])
BEHIND = [[-6.0, 0.0, 0.5], [-4.0, 0.0, -2.0], [-9.0, 0.0, 1.0]]
FOCI = [[7.0, 0.0, 0.4], [9.0, 0.0, -1.0], [6.0, 0.0, 2.0]]
CENTERS = [[0.0, 0.0, 0.3], [0.0, 0.0, -0.8], [0.1, 0.0, 1.1]]
WAVES = {
    "plane": (PlaneWaves(angles_rad=ANGLES, start_s=STARTS, **CLOCK), [naive.plane(a) for a in ANGLES]),
    "plane in space": (
        PlaneWaves(angles_rad=ANGLES, elevations_rad=ELEVATIONS, start_s=STARTS, **CLOCK),
        [naive.plane(a, b) for a, b in zip(ANGLES, ELEVATIONS, strict=True)],
    ),
    "diverging": (
        SphericalWaves(sources_mm=BEHIND, references_mm=CENTERS, start_s=STARTS, **CLOCK),
        [naive.diverging(s, c) for s, c in zip(BEHIND, CENTERS, strict=True)],
    ),
    "focused": (
        SphericalWaves(sources_mm=FOCI, references_mm=CENTERS, focal_f_number=1.3, start_s=STARTS, **CLOCK),
        [naive.focused(s, c, 1.3) for s, c in zip(FOCI, CENTERS, strict=True)],
    ),
    "synthetic aperture": (
        PointSources(sources_mm=CENTERS, start_s=STARTS, **CLOCK),
        [naive.single(s) for s in CENTERS],
    ),
    "photoacoustic": (Photoacoustic(start_s=STARTS[1], **CLOCK), [lambda z, y, x: 0.0 * z]),
}
CASES = [
    (LINEAR, "plane", LINES),
    (LINEAR, "focused", PLANE),
    (LINEAR, "diverging", SECTOR),
    (LINEAR, "synthetic aperture", PLANE),
    (CONVEX, "plane", PLANE),
    (CONVEX, "diverging", SECTOR),
    (CONVEX, "focused", SECTOR),
    (MATRIX, "plane in space", VOLUME),
    (MATRIX, "diverging", VOLUME),
    (MATRIX, "focused", LINES),
    (RING, "photoacoustic", PLANE),
    (RING, "synthetic aperture", PLANE),
]
NAMES = [f"{type(p).__name__} {w} {type(g).__name__}" for p, w, g in CASES]
TYPES = [
    (np.float32, None, 1e-5),
    (np.float64, None, 1e-10),
    (np.complex64, 4.7e6, 1e-5),
    (np.complex128, 4.7e6, 1e-10),
    (np.complex64, None, 1e-5),
]


def places(grid):
    """Pixels written down from the definition of every grid."""
    if isinstance(grid, PolarGrid):
        r = (
            grid.range_center_mm
            + (np.arange(grid.shape[0]) - (grid.shape[0] - 1) / 2) * grid.range_spacing_mm
        )
        a = (
            grid.angle_center_rad
            + (np.arange(grid.shape[1]) - (grid.shape[1] - 1) / 2) * grid.angle_spacing_rad
        )
        r, a = r[:, None], a[None]
        z = grid.apex_mm[0] + r * np.cos(a)
        return np.stack([z, 0 * z, grid.apex_mm[1] + r * np.sin(a)], -1)
    if isinstance(grid, ScanLines):
        d = grid.first_mm + np.arange(grid.n_samples) * grid.spacing_mm
        return grid.origins_mm[None] + d[:, None, None] * grid.directions[None]
    axes = [
        c + (np.arange(n) - (n - 1) / 2) * s
        for n, s, c in zip(grid.shape, grid.spacing_mm, grid.center_mm, strict=True)
    ]
    if len(axes) == 2:
        z, x = np.meshgrid(*axes, indexing="ij")
        return np.stack([z, 0 * z, x], -1)
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1)


def elements(probe):
    """Centres and normals of the elements, written down from the definitions."""
    if isinstance(probe, LinearArray):
        x = 0.9 + (np.arange(11) - 5) * 0.37
        return np.stack([0 * x, 0 * x, x], 1), np.tile([1.0, 0, 0], (11, 1))
    if isinstance(probe, ConvexArray):
        a = (np.arange(13) - 6) * 0.8 / 17
        normals = np.stack([np.cos(a), 0 * a, np.sin(a)], 1)
        return normals * 17 + [-17, 0, -0.6], normals
    if isinstance(probe, MatrixArray):
        rows = [(0.0, 0.2 + (i - 1) * 0.61, -0.5 + (j - 2) * 0.43) for i in range(3) for j in range(5)]
        return np.array(rows), np.tile([1.0, 0, 0], (15, 1))
    a = np.arange(7) * 0.8
    return (
        np.stack([10 - 9 * np.cos(a), 0 * a, 9 * np.sin(a)], 1),
        np.stack([np.cos(a), 0 * a, -np.sin(a)], 1),
    )


def noise(rng, dtype, waves, probe, *frames):
    shape = (waves.n_transmits, probe.n_elements, 291, *frames)
    data = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        data = data + 1j * rng.standard_normal(shape)
    return data.astype(dtype)


def hann(u):
    return np.cos(np.pi * u / 2) ** 2


@pytest.mark.parametrize(("dtype", "center_hz", "tolerance"), TYPES)
@pytest.mark.parametrize(("probe", "wave", "grid"), CASES, ids=NAMES)
def test_every_geometry_agrees_with_the_naive_sum(rng, probe, wave, grid, dtype, center_hz, tolerance):
    waves, paths = WAVES[wave]
    data = noise(rng, dtype, waves, probe)
    settings = {"f_number": 0.9, "sound_speed_m_s": 1490.0, "center_hz": center_hz}
    expected = naive.direct_sum(data, *elements(probe), paths, waves, places(grid), weight=hann, **settings)
    images = delay_and_sum(data, probe, waves, grid, window="hann", compound=False, **settings)
    assert images.dtype == dtype
    assert images.shape == (waves.n_transmits, *grid.shape)
    peak = np.abs(expected).max()
    assert peak > 1
    assert np.abs(images - expected).max() <= tolerance * peak
    compound = delay_and_sum(data, probe, waves, grid, window="hann", **settings)
    assert np.abs(compound - expected.sum(0)).max() <= tolerance * np.abs(expected.sum(0)).max()


@pytest.mark.parametrize("frames", [(), (3,)], ids=["one frame", "ensemble"])
@pytest.mark.parametrize("interpolation", naive.READERS)
@pytest.mark.parametrize(("dtype", "center_hz", "tolerance"), TYPES[:4])
def test_every_interpolation_agrees_with_the_naive_sum(
    rng, interpolation, dtype, center_hz, tolerance, frames
):
    """The record ends inside the picture, so that its edges count too."""
    for probe, wave, grid in ((CONVEX, "focused", SECTOR), (LINEAR, "plane", PLANE)):
        waves, paths = WAVES[wave]
        data = noise(rng, dtype, waves, probe, *frames)[:, :, :170]
        settings = {"f_number": 0.0, "sound_speed_m_s": 1490.0, "center_hz": center_hz}
        expected = naive.direct_sum(
            data,
            *elements(probe),
            paths,
            waves,
            places(grid),
            weight=np.ones_like,
            read=naive.READERS[interpolation],
            **settings,
        )
        images = delay_and_sum(
            data, probe, waves, grid, compound=False, interpolation=interpolation, **settings
        )
        assert images.shape == (3, *grid.shape, *frames)
        if interpolation == "nearest":  # float32 may take the other sample where two are as near
            assert np.mean(np.abs(images - expected) > tolerance * np.abs(expected).max()) < 1e-3
        else:
            assert np.abs(images - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize(
    ("directivity", "pattern"),
    [
        ("rigid", lambda c: np.sinc(0.7 / (1.49 / 4.7) * np.sqrt(1 - c**2))),
        ("soft", lambda c: np.sinc(0.7 / (1.49 / 4.7) * np.sqrt(1 - c**2)) * np.maximum(c, 0)),
    ],
)
def test_directivity_and_tables_of_weights_agree_with_the_naive_sum(rng, directivity, pattern):
    waves, paths = WAVES["diverging"]
    data = noise(rng, np.complex128, waves, CONVEX)
    settings = {"f_number": 0.5, "sound_speed_m_s": 1490.0, "center_hz": 4.7e6}
    receive = rng.uniform(0.2, 1, (13, *SECTOR.shape))
    transmit = rng.uniform(0.2, 1, (3, *SECTOR.shape))
    for tables in ((receive, transmit), (receive[:, 2, 1], transmit[:, 1, 3]), (None, transmit)):
        expected = naive.direct_sum(
            data,
            *elements(CONVEX),
            paths,
            waves,
            places(SECTOR),
            weight=hann,
            element=pattern,
            receive=tables[0],
            transmit=tables[1],
            **settings,
        )
        image = delay_and_sum(
            data,
            CONVEX,
            waves,
            SECTOR,
            window="hann",
            directivity=directivity,
            receive_weights=tables[0],
            transmit_weights=tables[1],
            **settings,
        )
        np.testing.assert_allclose(image, expected.sum(0), atol=1e-10 * np.abs(expected).max())


def test_a_straight_row_gives_the_same_along_lines_as_on_the_fast_path(rng):
    waves, _ = WAVES["plane"]
    data = noise(rng, np.float64, waves, LINEAR)
    column = ScanLines(
        origins_mm=[[0.0, x] for x in PLANE.coordinates_mm[1]],
        directions=[[1.0, 0.0]] * 12,
        n_samples=19,
        spacing_mm=0.47,
        first_mm=PLANE.coordinates_mm[0][0],
    )
    np.testing.assert_allclose(
        delay_and_sum(data, LINEAR, waves, column), delay_and_sum(data, LINEAR, waves, PLANE), atol=1e-10
    )


def test_the_bits_do_not_depend_on_threads_or_blocks(rng, monkeypatch):
    waves, _ = WAVES["focused"]
    grid = ImageGrid(shape=(90, 81), spacing_mm=(0.1, 0.1), center_mm=(8.0, 0.0))
    data = noise(rng, np.complex64, waves, CONVEX)
    images = []
    for n, block in ((1, 2_000_000), (2, 2_000_000), (2, 5_000)):
        monkeypatch.setattr("imgtech.recon.ultrasound._lines._BLOCK", block)
        with imgtech.threads(n):
            images.append(delay_and_sum(data, CONVEX, waves, grid, center_hz=5e6))
    assert np.abs(images[0]).max() > 0
    np.testing.assert_array_equal(images[0], images[1])
    np.testing.assert_array_equal(images[0], images[2])


def test_a_focused_wave_is_continuous_everywhere_and_exact_in_its_cones():
    waves = SphericalWaves(sources_mm=[[20.0, 3.0]], references_mm=[[0.0, 1.0]], sampling_hz=1e6)
    axis = np.array([20.0, 0.0, 2.0]) / np.hypot(20, 2)
    across = np.array([-axis[2], 0.0, axis[0]])
    focus = np.array([20.0, 0.0, 3.0])
    length = np.hypot(20, 2)
    # along the axis: straight through the focus
    steps = np.linspace(-5, 5, 11)
    np.testing.assert_allclose(waves.paths_mm(focus + steps[:, None] * axis)[0], length + steps, atol=1e-9)
    # beside the focus the way is that to the focus, not 2 r more or less
    np.testing.assert_allclose(waves.paths_mm(focus + 4 * across)[0], length, atol=1e-12)
    # never steeper than a few times the distance travelled: no jump on a circle around the focus
    angles = np.linspace(0, 2 * np.pi, 2001)
    circle = focus + 4 * (np.cos(angles)[:, None] * axis + np.sin(angles)[:, None] * across)
    assert np.abs(np.diff(waves.paths_mm(circle)[0])).max() < 2 * 4 * (angles[1] - angles[0])


def test_a_focus_with_a_narrow_cone_is_a_plane_wave_and_a_far_source_too():
    points = places(PLANE)
    tilt = 0.21
    along = np.array([np.cos(tilt), 0.0, np.sin(tilt)])
    expected = points @ along
    narrow = SphericalWaves(sources_mm=[15 * along], focal_f_number=1e7, sampling_hz=1e6)
    np.testing.assert_allclose(narrow.paths_mm(points)[0], expected, atol=1e-5)
    far = SphericalWaves(sources_mm=[-1e6 * along], sampling_hz=1e6)
    np.testing.assert_allclose(far.paths_mm(points)[0], expected, atol=1e-3)


def test_delays_of_any_geometry():
    waves = PointSources(sources_mm=[[0.0, 4.0]], sampling_hz=1e6)
    grid = ImageGrid(shape=(1, 1), spacing_mm=(1.0, 1.0), center_mm=(-3.0, 0.0))
    np.testing.assert_allclose(transmit_delays(waves, grid, sound_speed_m_s=1500), [[[5e-3 / 1500]]])
    probe = ElementArray(positions_mm=[[9.0, 5.0]], normals=[[-1, 0]], element_width_mm=1.0)
    np.testing.assert_allclose(receive_delays(probe, grid, sound_speed_m_s=1500), [[[13e-3 / 1500]]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConvexArray(n_elements=100, pitch_mm=1.0, radius_mm=20.0), "radius_mm must be at least"),
        (lambda: ConvexArray(n_elements=10, pitch_mm=1.0, radius_mm=-20.0), "radius_mm must be positive"),
        (lambda: MatrixArray(shape=(2, 0), pitch_mm=(1, 1)), "shape must be at least 1"),
        (lambda: MatrixArray(shape=(2, 2), pitch_mm=(1, 1), element_width_mm=1.5), "must not exceed"),
        (lambda: MatrixArray(shape=(2, 2, 2), pitch_mm=(1, 1)), "shape must be a pair"),
        (lambda: MatrixArray(shape=(2, 2), pitch_mm=0.3), "pitch_mm must be a pair"),
        (
            lambda: PolarGrid(shape=9, range_spacing_mm=1, angle_spacing_rad=0.1, range_center_mm=9),
            r"shape must be a pair \(range, angle\), got 9",
        ),
        (
            lambda: ElementArray(positions_mm=[[0, 0]], normals=[[0, 0]], element_width_mm=1),
            "normals must not be zero",
        ),
        (
            lambda: ElementArray(positions_mm=[[0, 0]], normals=[[1, 0], [1, 0]], element_width_mm=1),
            "normals must be 1 vectors",
        ),
        (lambda: ElementArray(positions_mm=[[0]], normals=[[1]], element_width_mm=1), "rows"),
        (lambda: SphericalWaves(sources_mm=[[0, 0]], sampling_hz=1e6), "must not lie on their reference"),
        (
            lambda: SphericalWaves(sources_mm=[[1, 0]], references_mm=[[0, 0], [0, 1]], sampling_hz=1e6),
            "references_mm must hold 1 or 1",
        ),
        (lambda: SphericalWaves(sources_mm=[[1, 0]], sampling_hz=0), "sampling_hz must be positive"),
        (lambda: PointSources(sources_mm=[[1, 0]], sampling_hz=1e6, start_s=[0, 1]), "start_s must hold 1"),
        (lambda: Photoacoustic(sampling_hz=1e6, start_s=np.nan), "start_s must be finite"),
        (
            lambda: PolarGrid(shape=(9, 2), range_spacing_mm=1, angle_spacing_rad=0.1, range_center_mm=2),
            "must not be negative",
        ),
        (
            lambda: ScanLines(origins_mm=[[0, 0]], directions=[[0, 0]], n_samples=3, spacing_mm=1),
            "directions must not be zero",
        ),
        (
            lambda: PlaneWaves(angles_rad=[0.1], elevations_rad=[0.1, 0.2], sampling_hz=1e6),
            "elevations_rad must hold 1 or 1",
        ),
    ],
)
def test_wrong_geometry_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
