"""UFF and zea files written here in their layouts and read back; the point they show lies where it was."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ConvexArray, ElementArray, ImageGrid, LinearArray, PlaneWaves, PointSources
from imgtech.io import read_series
from imgtech.io.raw import read_uff, read_zea
from imgtech.recon.ultrasound import delay_and_sum

h5py = pytest.importorskip("h5py")

FS_HZ, C_M_S, F_HZ = 25e6, 1520.0, 4e6
PROBE = LinearArray(n_elements=21, pitch_mm=0.37)
POINT_MM = np.array([13.0, 0.0, 1.3])
GRID = ImageGrid(shape=(121, 61), spacing_mm=(0.025, 0.05), center_mm=(12.8, 1.1))


def put(group, fields):
    for name, value in fields.items():
        if isinstance(value, dict):
            put(group.create_group(name), value)
        elif name == "class":
            group.attrs["class"] = np.bytes_(value)
        else:
            group[name] = value


def echo(there_s, first_s, n=700):
    """Analytic traces ``(transmit, element, sample)`` of one point, from ``first_s`` on."""
    back_s = np.linalg.norm(PROBE.positions_mm - POINT_MM, axis=1) / (1e3 * C_M_S)
    t = np.asarray(first_s)[:, None, None] + np.arange(n) / FS_HZ
    late = t - (np.asarray(there_s)[:, None] + back_s)[..., None]
    return np.exp(-((late * 2e6) ** 2)) * np.exp(2j * np.pi * F_HZ * late)


def peak_mm(raw):
    image = delay_and_sum(
        raw.data if np.iscomplexobj(raw.data) else np.asarray(raw.data, np.float64),
        raw.probe,
        raw.waves,
        GRID,
        f_number=1.0,
        sound_speed_m_s=C_M_S,
        center_hz=F_HZ if np.iscomplexobj(raw.data) else None,
    )
    i, j = np.unravel_index(np.abs(image).argmax(), image.shape)
    z, x = GRID.coordinates_mm
    return z[i], x[j]


# each kind of wave: its fields in UFF and when it reaches the point, counted from when it passes the origin
WAVES = {
    "plane": [
        ({"wavefront": 0.0, "source": {"distance": np.inf, "azimuth": a, "elevation": 0.0}},
         (POINT_MM[0] * np.cos(a) + POINT_MM[2] * np.sin(a)))
        for a in (-0.11, 0.07)
    ],
    "diverging": [
        ({"wavefront": 1.0, "source": {"distance": 11.0e-3, "azimuth": np.pi - a, "elevation": 0.0}},
         np.hypot(POINT_MM[0] + 11 * np.cos(a), POINT_MM[2] - 11 * np.sin(a)) - 11)
        for a in (-0.2, 0.1)
    ],
    "elements": [
        ({"wavefront": 1.0, "source": {"distance": 1e-3 * abs(x), "azimuth": np.pi / 2 * np.sign(x),
                                       "elevation": 0.0}},
         np.hypot(POINT_MM[0], POINT_MM[2] - x) + abs(x))
        for x in PROBE.elements_mm[[2, 10, 17]]
    ],
}  # fmt: skip


def write_uff(path, kind, *, iq=False, n_frames=1, **change):
    waves, ways_mm = zip(*WAVES[kind], strict=True)
    delays = 1e-6 * (0.4 + 0.3 * np.arange(len(waves)))
    initial_s = 6e-6
    data = echo(np.array(ways_mm) / (1e3 * C_M_S), initial_s + delays)
    if iq:  # the phase of IQ is zero at time zero of the file, not of the wave
        data = data * np.exp(-2j * np.pi * F_HZ * (initial_s + np.arange(data.shape[2]) / FS_HZ))
    frames = np.stack([(k + 1) * data for k in range(n_frames)])  # (frame, wave, channel, time)
    frames = frames[0] if n_frames == 1 else frames
    frames = frames[0] if n_frames == 1 and len(waves) == 1 else frames
    members = [wave | {"delay": d, "class": "uff.wave"} for wave, d in zip(waves, delays, strict=True)]
    sequence = {f"sequence_{k + 1:08d}": member for k, member in enumerate(members)}
    fields = {
        "class": "uff.channel_data",
        "sampling_frequency": np.array([[FS_HZ]]),
        "initial_time": np.array([[initial_s]]),
        "sound_speed": np.array([[C_M_S]]),
        "modulation_frequency": np.array([[F_HZ if iq else 0.0]]),
        "PRF": np.array([[50.0]]),
        "pulse": {"center_frequency": np.array([[F_HZ]])},
        "probe": {
            "class": "uff.linear_array",
            "N": np.array([[21.0]]),
            "pitch": np.array([[0.37e-3]]),
            "element_width": np.array([[0.3e-3]]),
        },
        "sequence": (sequence if len(members) > 1 else members[0]) | {"class": "uff.wave"},
        "data": {"real": frames.real, "imag": frames.imag} if iq else frames.real,
    } | change
    with h5py.File(path, "w") as file:
        put(file, {"channel_data": {name: v for name, v in fields.items() if v is not None}})


@pytest.mark.parametrize("iq", [False, True], ids=["RF", "IQ"])
@pytest.mark.parametrize("kind", WAVES)
def test_a_point_in_a_uff_file_is_where_it_was(tmp_path, kind, iq):
    write_uff(tmp_path / "a.uff", kind, iq=iq)
    raw = read_uff(tmp_path / "a.uff")
    assert raw.probe == LinearArray(n_elements=21, pitch_mm=0.37, element_width_mm=0.3)
    assert (raw.center_hz, raw.sound_speed_m_s, raw.prf_hz) == (F_HZ, C_M_S, 50.0)
    assert np.iscomplexobj(raw.data) == iq
    assert peak_mm(raw) == (pytest.approx(POINT_MM[0], abs=0.03), pytest.approx(POINT_MM[2], abs=0.06))


def test_iq_of_a_uff_file_is_rf_to_iq_of_its_rf(tmp_path):
    """Waves with delays of their own still add up in phase."""
    write_uff(tmp_path / "a.uff", "plane", iq=True)
    raw = read_uff(tmp_path / "a.uff")
    start = np.asarray(raw.waves.start_s)[:, None, None]
    t = start + np.arange(raw.data.shape[2]) / FS_HZ
    waves_mm = np.array([way for _, way in WAVES["plane"]])
    expected = echo(waves_mm / (1e3 * C_M_S), start[:, 0, 0]) * np.exp(-2j * np.pi * F_HZ * t)
    np.testing.assert_allclose(raw.data, expected, atol=1e-9)


def test_frames_and_single_waves(tmp_path, monkeypatch):
    write_uff(tmp_path / "a.uff", "plane", n_frames=3)
    frames = read_uff(tmp_path / "a.uff").data
    assert frames.shape == (2, 21, 700, 3)
    np.testing.assert_allclose(frames[..., 2], 3 * frames[..., 0])
    monkeypatch.setitem(WAVES, "plane", WAVES["plane"][:1])
    write_uff(tmp_path / "b.uff", "plane")
    one = read_uff(tmp_path / "b.uff")
    np.testing.assert_allclose(one.data, frames[:1, ..., 0])
    assert one.waves.angles_rad.tolist() == [-0.11]


def test_probes_of_uff(tmp_path):
    number = {"N": np.array(21.0), "pitch": np.array(0.4e-3), "radius": np.array(30e-3)}
    write_uff(tmp_path / "a.uff", "plane", probe={"class": "uff.curvilinear_array"} | number)
    probe = read_uff(tmp_path / "a.uff").probe
    assert isinstance(probe, ConvexArray)
    gap = np.linalg.norm(np.diff(probe.positions_mm, axis=0), axis=1)
    np.testing.assert_allclose(gap, 0.4)  # the pitch is the chord
    x = 1e-3 * np.linspace(-3, 3, 21) ** 3 / 9
    tilt = np.full(21, 0.1)
    geometry = np.stack([x, 0 * x, 0 * x + 1e-3, tilt, 0 * x, 0 * x + 2e-4, 0 * x + 5e-3])
    write_uff(tmp_path / "b.uff", "plane", probe={"class": "uff.probe", "geometry": geometry})
    probe = read_uff(tmp_path / "b.uff").probe
    assert isinstance(probe, ElementArray)
    np.testing.assert_allclose(probe.positions_mm[:, [0, 2]], np.stack([0 * x + 1, 1e3 * x], 1))
    np.testing.assert_allclose(probe.normals[3], [np.cos(0.1), 0, np.sin(0.1)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class": "uff.scan"}, "must hold one uff.channel_data"),
        ({"sound_speed": None}, "no field channel_data/sound_speed"),
        ({"probe": {"class": "uff.odd"}}, "known array"),
        ({"probe": {"class": "uff.probe", "geometry": np.ones((6, 21))}}, r"must be \(7, element\)"),
        ({"data": np.ones(5)}, "channel, time"),
        ({"data": np.ones((2, 20, 9))}, "2 transmits and 21 elements"),
        ({"pulse": None}, "center_hz must be given"),
        ({"sampling_frequency": np.array(0.0)}, "sampling_hz must be positive"),
        ({"sequence": None}, "no group channel_data/sequence"),
    ],
)
def test_wrong_uff_files_are_named(tmp_path, change, message):
    write_uff(tmp_path / "a.uff", "plane", **change)
    with pytest.raises(ValueError, match=message):
        read_uff(tmp_path / "a.uff")
    with pytest.raises(FileNotFoundError):
        read_uff(tmp_path / "none.uff")


def write_zea(path, kind, *, n_frames=1, **change):
    """Delays as an engine fires them: the first element of a wave at zero."""
    x, z = PROBE.elements_mm, 0.0
    fires = np.ones((2, 21))
    if kind == "plane":
        angles, focus = np.array([-0.11, 0.07]), np.array([np.inf, 0.0])
        fire = x * np.sin(angles)[:, None]
        there = POINT_MM[2] * np.sin(angles) + POINT_MM[0] * np.cos(angles)
    elif kind == "elements":
        angles, focus = np.zeros(2), np.zeros(2)
        fires = np.eye(21)[[4, 15]]
        fire = np.zeros((2, 21)) + 0.9
        there = 0.9 + np.hypot(POINT_MM[0], POINT_MM[2] - x[[4, 15]])
    else:
        angles, sign = np.array([-0.05, 0.1]), 1 if kind == "focused" else -1
        focus = np.array([25.0, 31.0]) * sign
        sz, sx = focus * np.cos(angles), focus * np.sin(angles)
        fire = -sign * np.hypot(x - sx[:, None], z - sz[:, None])
        there = -sign * np.hypot(POINT_MM[2] - sx, POINT_MM[0] - sz)
        fires[:, :3] = 0
    first_mm = np.where(fires > 0, fire, np.inf).min(1)
    delays = (fire - first_mm[:, None]) / (1e3 * C_M_S)
    initial_s = np.array([5e-6, 5.5e-6])
    rf = echo((there - first_mm) / (1e3 * C_M_S), initial_s).real.astype(np.float32)
    raw = np.stack([(k + 1) * rf for k in range(n_frames)]).swapaxes(2, 3)[..., None]
    fields = {
        "data": {"raw_data": raw},
        "scan": {
            "probe_geometry": (1e-3 * PROBE.positions_mm[:, ::-1]).astype(np.float32),
            "sampling_frequency": np.float32(FS_HZ),
            "center_frequency": np.float32(F_HZ),
            "initial_times": initial_s,
            "t0_delays": delays,
            "tx_apodizations": fires,
            "focus_distances": 1e-3 * focus,
            "transmit_origins": np.zeros((2, 3)),
            "polar_angles": angles,
            "sound_speed": np.float32(C_M_S),
            "time_to_next_transmit": np.full((n_frames, 2), 1e-4),
        }
        | change.pop("scan", {}),
    } | change
    fields["scan"] = {name: value for name, value in fields["scan"].items() if value is not None}
    with h5py.File(path, "w") as file:
        put(file, fields)


@pytest.mark.parametrize("kind", ["plane", "elements", "diverging", "focused"])
def test_a_point_in_a_zea_file_is_where_it_was(tmp_path, kind):
    write_zea(tmp_path / "a.hdf5", kind, n_frames=2)
    raw = read_zea(tmp_path / "a.hdf5")
    assert raw.data.shape == (2, 21, 700, 2)
    assert isinstance(raw.probe, LinearArray)
    assert raw.probe.pitch_mm == pytest.approx(0.37, abs=1e-6)
    assert raw.prf_hz == pytest.approx(5e3)
    assert isinstance(raw.waves, PointSources) == (kind == "elements")
    assert isinstance(raw.waves, PlaneWaves) == (kind == "plane")
    analytic = np.asarray(raw.data[..., 0], np.float64)
    z, x = peak_mm(type("Raw", (), {"data": analytic, "probe": raw.probe, "waves": raw.waves}))
    assert (z, x) == (pytest.approx(POINT_MM[0], abs=0.03), pytest.approx(POINT_MM[2], abs=0.06))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"raw_data": np.ones((1, 2, 9, 21, 2), np.float32)}}, "got IQ"),
        ({"scan": {"polar_angles": np.array([0.11, -0.07])}}, "t0_delays must be those of the waves"),
        ({"scan": {"sound_speed": None}}, "sound_speed_m_s must be given"),
        ({"scan": {"t0_delays": np.zeros((2, 20))}}, r"must be \(transmit, 21\)"),
        ({"scan": {"tx_apodizations": np.zeros((2, 21))}}, "must not be zero for all"),
        ({"scan": {"focus_distances": np.array([0.0, 0.03])}}, "of one kind"),
        ({"scan": {"azimuth_angles": np.array([0.0, 0.1])}}, "azimuth_angles must be 0"),
        ({"scan": {"probe_geometry": np.random.default_rng(1).random((21, 3))}}, "plane or on a circle"),
    ],
)
def test_wrong_zea_files_are_named(tmp_path, change, message):
    write_zea(tmp_path / "a.hdf5", "plane", **change)
    with pytest.raises(ValueError, match=message):
        read_zea(tmp_path / "a.hdf5")


def test_elements_on_a_circle_look_outward_and_tracks_are_chosen(tmp_path):
    convex = ConvexArray(n_elements=21, pitch_mm=0.4, radius_mm=30.0)
    one = np.eye(21)[[4, 15]]
    scan = {"probe_geometry": 1e-3 * convex.positions_mm[:, ::-1], "tx_apodizations": one}
    write_zea(tmp_path / "a.hdf5", "elements", scan=scan)
    raw = read_zea(tmp_path / "a.hdf5")
    np.testing.assert_allclose(raw.probe.normals, convex.normals, atol=1e-5)
    with h5py.File(tmp_path / "a.hdf5", "r") as old, h5py.File(tmp_path / "b.hdf5", "w") as new:
        for name in ("track_0", "track_1"):
            for part in ("data", "scan"):
                old.copy(part, new.require_group(f"tracks/{name}"))
    with pytest.raises(ValueError, match="track must be one of"):
        read_zea(tmp_path / "b.hdf5")
    np.testing.assert_array_equal(read_zea(tmp_path / "b.hdf5", track="track_1").data, raw.data)


@pytest.mark.parametrize("name", ["a.uff", "b.hdf5"])
def test_the_command_takes_both(tmp_path, name):
    testing = pytest.importorskip("typer.testing")
    from imgtech.cli.app import app

    (write_uff if name == "a.uff" else write_zea)(tmp_path / name, "plane", n_frames=2)
    arguments = ["recon", "us", str(tmp_path / name), "--out", str(tmp_path / "out"), "--f-number", "1"]
    arguments += ["--format", "npy,gif,dicom", "--frame-rate-hz", "20"]
    result = testing.CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    picture = np.load(tmp_path / "out" / "image.npy")[1]
    i, _ = np.unravel_index(picture.argmax(), picture.shape)
    raw = (read_uff if name == "a.uff" else read_zea)(tmp_path / name)
    top_mm = 1e3 * C_M_S / 2 * max(0.0, float(np.min(raw.waves.start_s)))
    spacing_mm = 1e3 * C_M_S / F_HZ / 4
    assert abs(top_mm + (i + 0.5) * spacing_mm - POINT_MM[0]) < 1.5 * spacing_mm
    stored = read_series(tmp_path / "out" / "image.dcm").pixels
    assert stored.shape == (2, *picture.shape)
    assert stored[1].max() == 255
    assert (tmp_path / "out" / "image.gif").read_bytes().startswith(b"GIF89a")
    assert not list((tmp_path / "out").glob("*.png"))
