"""``imgtech recon ct``: every reader and beam to the right numbers, every output, every refusal."""

import numpy as np
import pytest
from scipy.ndimage import binary_fill_holes, distance_transform_edt
from typer.testing import CliRunner

from imgtech.cli.app import app
from imgtech.geometry import ConeBeam, FanBeam, ImageGrid, ParallelBeam
from imgtech.io import read_nifti, read_series, read_tiff_stack, write_tiff_stack
from imgtech.io.raw import CtScan, write_ct_pd, write_raw
from imgtech.phantoms import Ellipsoid, Phantom, uniform_disk

DISK = uniform_disk(radius_mm=11.0, value=0.02, center_mm=(3.0, -5.0))
PARALLEL = ParallelBeam.from_degrees(
    np.linspace(10.0, 190.0, 121), n_channels=81, channel_spacing_mm=0.6, detector_offset_mm=0.9
)
AXIS = 40 - 0.9 / 0.6
FAN = FanBeam.full_turn(
    source_axis_mm=120.0, source_detector_mm=180.0, n_views=160, n_channels=81, channel_spacing_mm=0.9,
    detector_offset_mm=0.45, start_rad=0.2, detector="curved",
)  # fmt: skip
CONE = {
    "source_axis_mm": 200.0, "source_detector_mm": 300.0, "n_channels": 71, "channel_spacing_mm": 1.1,
    "n_rows": 16, "row_spacing_mm": 1.3, "detector_offset_mm": 0.275, "row_offset_mm": 0.2,
}  # fmt: skip
BALL = Phantom(shapes=(Ellipsoid(value=0.02, semi_axes_mm=(15.0, 11.0, 11.0), center_mm=(1.0, 3.0, -5.0)),))


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def recon(path, out, *options):
    result = call("recon", "ct", path, "--out", out, *options)
    assert result.exit_code == 0, result.stderr or result.output
    return result.stdout, np.load(out / "image.npy")


def value_of_disk(image, fov_mm, outside=1e-4):
    y, x = np.meshgrid(*ImageGrid.square(len(image), fov_mm=fov_mm).coordinates_mm, indexing="ij")
    distance = np.hypot(y - 3.0, x + 5.0)
    assert abs(image[(distance > 13.0) & (distance < 16.0)].mean()) < outside
    return image[distance < 8.0].mean()


def counts_of(sinogram, rng, dead=()):
    """Counts, white and dark fields of a detector with a gain of its own and dead channels."""
    gain = 20000 * (1 + 0.1 * rng.standard_normal(sinogram.shape[-1]))
    gain[list(dead)] = 0.0
    dark = 90 + 5 * rng.standard_normal(sinogram.shape[-1])
    return dark + gain * np.exp(-sinogram), (gain + dark)[None], dark[None]


def test_dxchange_counts_with_a_dead_channel_and_the_axis_found(tmp_path, rng):
    h5py = pytest.importorskip("h5py", reason="needs h5py")
    counts, white, dark = counts_of(DISK.sinogram(PARALLEL), rng, dead=[33])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["exchange/data"] = np.stack([counts, counts], axis=1)
        file["exchange/data_white"] = np.broadcast_to(white, (3, 2, 81))
        file["exchange/data_dark"] = np.broadcast_to(dark, (2, 2, 81))
        file["exchange/theta"] = np.linspace(10.0, 190.0, 121)
    said, images = recon(
        tmp_path / "a.h5", tmp_path / "out", "--spacing-mm", 0.6, "--axis", "find", "--size", 64
    )
    assert "3 white, 2 dark field(s); 2 bad pixel(s) filled" in said
    found = float(said.split("axis: channel ")[1].split()[0])
    assert found == pytest.approx(AXIS, abs=0.05)
    assert images.shape == (2, 64, 64)
    for image in images:
        assert value_of_disk(image, 81 * 0.6) == pytest.approx(0.02, rel=3e-3)


def test_the_axis_as_a_channel_is_the_offset_of_the_detector(tmp_path):
    sinogram = DISK.sinogram(PARALLEL)
    for name, offset_mm in (("with", 0.9), ("without", 0.0)):
        np.savez(
            tmp_path / f"{name}.npz", sinogram=sinogram, angles_rad=PARALLEL.angles_rad,
            channel_spacing_mm=0.6, detector_offset_mm=offset_mm,
        )  # fmt: skip
    _, known = recon(tmp_path / "with.npz", tmp_path / "a")
    _, said = recon(tmp_path / "without.npz", tmp_path / "b", "--axis", AXIS)
    np.testing.assert_allclose(said, known, atol=1e-7)


@pytest.mark.parametrize("pages", ["slices", "views"])
def test_tiff_sinograms_and_radiographs_with_their_fields(tmp_path, rng, pages):
    counts, white, dark = counts_of(DISK.sinogram(PARALLEL), rng)
    stack = np.stack([counts, counts])  # slice, view, channel
    fields = [np.broadcast_to(f, (2, 81)) for f in (white, dark)]  # slice, channel
    if pages == "views":
        (tmp_path / "scan").mkdir()
        for number, view in enumerate(stack.swapaxes(0, 1)):
            write_tiff_stack(view, tmp_path / "scan" / f"view_{number}.tif")  # 10 comes after 9
        source, flats, darks = tmp_path / "scan", *(f[None] for f in fields)
    else:
        source = write_tiff_stack(stack, tmp_path / "scan.tif")
        flats, darks = (f[:, None] for f in fields)
    write_tiff_stack(flats, tmp_path / "flats.tif")
    write_tiff_stack(darks, tmp_path / "darks.tif")
    _, images = recon(
        source, tmp_path / "out", "--pages", pages, "--spacing-mm", 0.6, "--angles-deg", "10:190",
        "--axis", AXIS, "--flats", tmp_path / "flats.tif", "--darks", tmp_path / "darks.tif", "--size", 64,
    )  # fmt: skip
    assert images.shape == (2, 64, 64)
    assert value_of_disk(images[1], 81 * 0.6) == pytest.approx(0.02, rel=2e-3)


def test_plain_binary_counts_of_a_fan_with_scatter_and_a_number_as_white_field(tmp_path):
    pytest.importorskip("yaml", reason="needs PyYAML")
    transmission = np.exp(-DISK.sinogram(FAN))
    background = 0.1 * transmission.min(axis=1, keepdims=True)
    scan = CtScan(sinogram=5000 * (transmission + background)[None], beam=FAN, quantity="counts")
    file = write_raw(scan, tmp_path / "a.yaml")
    fov_mm = 81 * FAN.axis_spacing_mm
    _, image = recon(file, tmp_path / "a", "--flats", 5000)
    said, corrected = recon(file, tmp_path / "b", "--flats", 5000, "--scatter", 0.0909)
    assert "scatter: 0.0909 of the least signal" in said
    assert value_of_disk(corrected[0], fov_mm) == pytest.approx(0.02, rel=4e-3)
    y, x = np.meshgrid(*ImageGrid.square(81, fov_mm=fov_mm).coordinates_mm, indexing="ij")
    assert image[0][np.hypot(y - 3.0, x + 5.0) < 8].mean() < 0.0195


def test_a_cone_described_by_yaml_with_tiff_radiographs(tmp_path):
    pytest.importorskip("yaml", reason="needs PyYAML")
    beam = ConeBeam.full_turn(n_views=120, start_rad=0.3, **CONE)
    write_tiff_stack(BALL.projections(beam), tmp_path / "views.tif")
    lines = [f"  {name}: {value}" for name, value in CONE.items()]
    step_deg = 360 / 120
    lines += [f"  angles_deg: {{start: {np.rad2deg(0.3)}, step: {step_deg}, count: 120}}", "  kind: cone"]
    (tmp_path / "a.yaml").write_text("data: views.tif\nbeam:\n" + "\n".join(lines) + "\n")
    said, volume = recon(tmp_path / "a.yaml", tmp_path / "out", "--size", 50)
    assert "ConeBeam: 120 views x 16 x 71 channels, line integrals" in said
    assert "method: fdk" in said
    assert volume.shape == (16, 50, 50)
    assert value_of_disk(volume[8], 71 * 1.1 / 1.5) == pytest.approx(0.02, rel=3e-3)


def test_iterative_methods_of_a_fan_and_a_cone(tmp_path):
    pytest.importorskip("yaml", reason="needs PyYAML")
    fan = write_raw(CtScan(sinogram=DISK.sinogram(FAN)[None], beam=FAN), tmp_path / "a.yaml")
    fov_mm = 81 * FAN.axis_spacing_mm
    for method, options in (
        ("cgls", ()),
        ("sirt", ("--iterations", 40)),
        ("os-sart", ("--iterations", 3)),
        ("tv", ("--strength", 1e-4, "--iterations", 60)),
    ):
        said, image = recon(fan, tmp_path / method, "--method", method, *options)
        assert f"method: {method}" in said
        assert value_of_disk(image[0], fov_mm, outside=4e-4) == pytest.approx(0.02, rel=0.01)
    beam = ConeBeam.full_turn(n_views=60, **CONE)
    cone = write_raw(CtScan(sinogram=BALL.projections(beam), beam=beam), tmp_path / "b.yaml")
    _, volume = recon(
        cone, tmp_path / "cone", "--method", "os-sart", "--iterations", 4, "--size", 40, "--slices", 24,
        "--slice-mm", 1.5,
    )  # fmt: skip
    assert value_of_disk(volume[12], 71 * 1.1 / 1.5, outside=4e-4) == pytest.approx(0.02, rel=0.03)


WATER_PER_MM = 0.0195
SCANNER = {
    "source_axis_mm": 300.0, "source_detector_mm": 540.0, "n_channels": 103, "channel_spacing_mm": 1.4,
    "n_rows": 32, "row_spacing_mm": 1.3, "detector": "curved", "detector_offset_mm": 0.35,
    "row_offset_mm": 0.3,
}  # fmt: skip
INSERTS_HU = {(-13.0, 3.0): 0.0, (9.0, -8.0): 250.0, (4.0, 13.0): -100.0}  # y, x: HU


def phantom():
    body = [Ellipsoid(value=WATER_PER_MM, semi_axes_mm=(300.0, 25.0, 28.0), center_mm=(0.0, 1.0, 2.0))]
    pins = [
        Ellipsoid(value=WATER_PER_MM * hu / 1000, semi_axes_mm=(300.0, 6.0, 6.0), center_mm=(0.0, y, x))
        for (y, x), hu in INSERTS_HU.items()
        if hu
    ]
    return Phantom(shapes=(*body, *pins))


def test_a_helix_in_ct_pd_files_has_the_hounsfield_units_of_the_circular_scan(tmp_path):
    collimation_mm = 32 * 1.3 * 300.0 / 540.0
    beams = {
        "circle": ConeBeam.full_turn(n_views=240, start_rad=0.3, **SCANNER),
        "helix": ConeBeam.helical(
            pitch_mm=collimation_mm, n_turns=2.0, n_views_per_turn=240, start_rad=0.3, **SCANNER
        ),
    }
    found = {}
    for name, beam in beams.items():
        scan = CtScan(sinogram=phantom().projections(beam), beam=beam)
        write_ct_pd(scan, tmp_path / f"{name} in", water_per_mm=WATER_PER_MM)
        result = call(
            "recon", "ct", tmp_path / f"{name} in", "--out", tmp_path / name, "--size", 100, "--fov-mm", 72,
            "--slices", 5, "--slice-mm", 0.8, "--center-mm", "1,-2,0.2", "--format", "dicom,nifti",
        )  # fmt: skip
        assert result.exit_code == 0, result.stderr
        assert f"method: {'wfbp' if name == 'helix' else 'fdk'}" in result.stdout
        assert "Hounsfield scale: water 0.0195/mm" in result.stdout
        series = read_series(tmp_path / name / "dicom")
        assert series.spacing_mm == (0.72, 0.72)
        np.testing.assert_allclose(series.positions_mm, 0.2 + 0.8 * np.arange(-2, 3), atol=1e-6)
        np.testing.assert_allclose(series.origin_mm, (1 - 35.64, -2 - 35.64, -1.4), atol=1e-6)
        nifti = read_nifti(tmp_path / name / "image.nii.gz")
        np.testing.assert_allclose(nifti.pixels, series.pixels, atol=0.05)
        y, x = (axis[0] + 0.72 * np.arange(100) for axis in ([-2 - 35.64], [1 - 35.64]))
        found[name] = [
            float(series.pixels[:, np.hypot(y[:, None] - cy, x - cx) < 4.0].mean()) for cy, cx in INSERTS_HU
        ]
    np.testing.assert_allclose(found["helix"], found["circle"], atol=2.0)
    np.testing.assert_allclose(found["circle"], list(INSERTS_HU.values()), atol=2.0)


def test_the_real_disk_is_flat_after_the_corrections_of_the_command(data, tmp_path):
    file = data("ct_raw/fan_htc2022_ta.mat")
    _, raw = recon(file, tmp_path / "raw", "--size", 400)
    said, flat = recon(
        file, tmp_path / "flat", "--size", 400, "--hardening", "uniform", "--stripes", "smoothing"
    )
    assert "hardening: coefficients" in said
    spacing_mm = 0.2 * 560 * 410.66 / 553.74 / 400
    material = raw[0] > 0.02
    inside = distance_transform_edt(material) * spacing_mm > 1.0
    depth_mm = distance_transform_edt(binary_fill_holes(material)) * spacing_mm

    def cupping(image):
        rim = image[inside & (depth_mm < 2.5)].mean()
        return (rim - image[inside & (depth_mm > 20)].mean()) / rim

    assert cupping(raw[0]) > 0.2
    assert abs(cupping(flat[0])) < 0.3 * cupping(raw[0])


@pytest.mark.parametrize("method", ["opposite", "fourier", "image"])
def test_the_axis_of_the_real_tooth_is_found_by_the_command(data, tmp_path, method):
    said, images = recon(
        data("ct_raw/parallel_tooth.h5"), tmp_path, "--axis", method, "--spacing-mm", 0.01, "--size", 64
    )
    assert abs(float(said.split("axis: channel ")[1].split()[0]) - 296.0) <= 0.5
    assert images.shape == (2, 64, 64)


def test_the_real_neutron_scan_loses_its_rings(data, tmp_path):
    common = (
        data("ct_raw/parallel_neutron_stripes.tif"), "--angles-deg", "0:360", "--spacing-mm", 1.0,
        "--flats", 47000, "--count-floor", 94, "--axis", 244.9, "--size", 400, "--fov-mm", 360,
    )  # fmt: skip
    _, raw = recon(common[0], tmp_path / "raw", *common[1:])
    said, clean = recon(common[0], tmp_path / "clean", *common[1:], "--stripes", "channels,smoothing")
    assert "stripes: channels\nstripes: smoothing" in said
    y, x = np.meshgrid(*ImageGrid.square(400, fov_mm=360.0).coordinates_mm, indexing="ij")
    on_ring = (np.abs(np.hypot(y, x) - (314 - 244.9)) < 1) & (clean[0] < 0.006) & (raw[0] < 0.02)
    assert np.abs(raw[0][on_ring]).std() > 2.5 * np.abs(clean[0][on_ring]).std()


def test_every_format_holds_the_same_image_and_its_place(tmp_path):
    np.savez(
        tmp_path / "a.npz", sinogram=DISK.sinogram(PARALLEL), angles_rad=PARALLEL.angles_rad,
        channel_spacing_mm=0.6, detector_offset_mm=0.9,
    )  # fmt: skip
    said, image = recon(
        tmp_path / "a.npz", tmp_path / "out", "--size", 60, "--fov-mm", 42, "--center-mm", "-4,2",
        "--slice-mm", 2.5, "--format", "npy,npz,tiff,nifti,dicom,png", "--water-region", "-5,3,7",
        "--air-region", "8,8,4",
    )  # fmt: skip
    assert "(HU)" in said
    archive = np.load(tmp_path / "out" / "image.npz")
    np.testing.assert_array_equal(archive["image"], image)
    assert str(archive["unit"]) == "HU"
    np.testing.assert_allclose(archive["x_mm"][[0, -1]], [-4 - 20.65, -4 + 20.65])
    np.testing.assert_allclose(archive["y_mm"][[0, -1]], [2 - 20.65, 2 + 20.65])
    np.testing.assert_array_equal(read_tiff_stack(tmp_path / "out" / "image.tif"), image)
    series = read_series(tmp_path / "out" / "dicom")
    np.testing.assert_allclose(series.pixels, image, atol=0.05)
    np.testing.assert_allclose(series.origin_mm, (-24.65, -18.65, 0.0), atol=1e-6)
    np.testing.assert_allclose(read_nifti(tmp_path / "out" / "image.nii.gz").pixels, image, rtol=1e-5)
    y, x = np.meshgrid(archive["y_mm"], archive["x_mm"], indexing="ij")
    assert image[0][np.hypot(y - 3, x + 5) < 7].mean() == pytest.approx(0.0, abs=0.5)
    assert image[0][np.hypot(y - 8, x - 8) < 4].mean() == pytest.approx(-1000.0, abs=0.5)


def test_a_polynomial_written_out_hardens_and_hu_can_be_left_out(tmp_path):
    beam = ConeBeam.full_turn(n_views=60, **CONE)
    half = CtScan(sinogram=0.5 * BALL.projections(beam), beam=beam)
    write_ct_pd(half, tmp_path / "in", water_per_mm=0.02)
    said, image = recon(tmp_path / "in", tmp_path / "out", "--hardening", "2.0,0.0", "--per-mm", "--size", 40)
    assert "attenuation, 1/mm" in said
    assert value_of_disk(image[8], 71 * 1.1 / 1.5) == pytest.approx(0.02, rel=4e-3)


def test_the_axis_of_a_cone_is_found_in_its_middle_row(tmp_path):
    pytest.importorskip("yaml", reason="needs PyYAML")
    beam = ConeBeam.full_turn(n_views=160, **{**CONE, "detector_offset_mm": 2.2, "n_channels": 91})
    blind = ConeBeam.full_turn(n_views=160, **{**CONE, "detector_offset_mm": 0.0, "n_channels": 91})
    file = write_raw(CtScan(sinogram=BALL.projections(beam), beam=blind), tmp_path / "a.yaml")
    said, _ = recon(file, tmp_path / "out", "--axis", "find", "--size", 40)
    assert "by the method image" in said
    assert float(said.split("axis: channel ")[1].split()[0]) == pytest.approx(45 - 2.0, abs=0.25)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--spacing-mm", "0.5"), "--spacing-mm is for HDF5 and TIFF"),
        (("--angles-deg", "0:180"), "--angles-deg is for TIFF"),
        (("--axis", "middle"), "--axis must be a channel, or one of find, opposite, fourier, image"),
        (("--stripes", "sorting,magic"), "--stripes must be some of channels, smoothing, sorting, wavelet"),
        (("--hardening", "water"), "--hardening must be uniform or the coefficients"),
        (("--method", "fastest"), "--method must be one of direct, sirt"),
        (("--iterations", "5"), "--iterations must go with an iterative --method"),
        (("--method", "tv"), "--strength must go with --method tv"),
        (("--format", "npy,jpeg"), "--format must be some of npy, png"),
        (("--format", "dicom"), "--format dicom must hold HU"),
        (("--water-region", "0,0,5"), "--water-region and --air-region must come together"),
        (("--water-region", "0,0", "--air-region", "9,9,1"), "--water-region must hold 3 numbers"),
        (("--water-region", "0,0,5", "--air-region", "900,9,1"), "--air-region must hold pixels"),
        (("--water-per-mm", "-1"), "--water-per-mm must be positive, got -1"),
        (("--window", "boxcar"), "window must be"),
        (("--cutoff", "0"), "cutoff must be"),
        (("--size", "0"), "n must be at least 1"),
        (("--fov-mm", "-3"), "--fov-mm must be positive"),
        (("--slices", "3"), "--slices is for cone beams"),
        (("--center-mm", "1"), "--center-mm must hold 2 or 3 numbers"),
        (("--center-mm", "a,b"), "--center-mm must be numbers"),
        (("--scatter", "0.1"), "--scatter must go with counts"),
        (("--flats", "nowhere.tif"), "--flats must be a number, a TIFF file or folder"),
        (("--darks", "10"), "counts need a white field"),
        (("--flats", "0"), "no pixel that measures"),
    ],
)
def test_bad_options_end_with_one_sentence_and_leave_no_folder(tmp_path, options, words):
    np.savez(
        tmp_path / "a.npz", sinogram=np.pad(np.ones((8, 7)), ((0, 0), (1, 1))),
        angles_rad=np.arange(8) * np.pi / 8, channel_spacing_mm=0.5,
    )  # fmt: skip
    result = call("recon", "ct", tmp_path / "a.npz", "--out", tmp_path / "out", *options)
    assert result.exit_code == 2
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert words in lines[0]
    assert not (tmp_path / "out").exists()


def test_bad_files_end_with_one_sentence(tmp_path):
    np.savez(
        tmp_path / "nan.npz", sinogram=np.full((8, 9), np.nan), angles_rad=np.arange(8.0),
        channel_spacing_mm=0.5,
    )  # fmt: skip
    np.savez(
        tmp_path / "gap.npz", sinogram=np.ones((8, 9)), angles_rad=np.arange(8) * 0.1, channel_spacing_mm=0.5
    )
    np.savez(
        tmp_path / "dims.npz", sinogram=np.ones((8, 9)), angles_rad=np.arange(7.0), channel_spacing_mm=0.5
    )
    write_tiff_stack(np.ones((2, 8, 9)), tmp_path / "a.tif")
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(content[: len(content) // 2])
    (tmp_path / "a.xyz").write_text("?")
    (tmp_path / "empty").mkdir()
    beam = ConeBeam.full_turn(n_views=12, **CONE)
    write_ct_pd(CtScan(sinogram=BALL.projections(beam), beam=beam), tmp_path / "pd", water_per_mm=0.02)
    (tmp_path / "pd" / "view_00005.dcm").write_bytes((tmp_path / "pd" / "view_00005.dcm").read_bytes()[:-300])
    for name, options, words in (
        ("nan.npz", (), "sinogram must be finite, got nan at index (0, 0, 0)"),
        ("gap.npz", (), "angles_rad must cover 180 degrees"),
        ("dims.npz", (), "sinogram must end with shape (7, 9)"),
        ("nowhere", (), "no such file or folder"),
        ("a.xyz", (), "what kind of scan it is must be told by its name"),
        ("empty", (), "holds no DICOM-CT-PD file"),
        ("a.tif", (), "--angles-deg must say the angles"),
        ("a.tif", ("--angles-deg", "180"), "--angles-deg must be FIRST:LAST"),
        ("a.tif", ("--angles-deg", "0:180", "--pages", "rows"), "pages must be one of slices, views"),
        ("a.tif", ("--angles-deg", "0:180", "--flats", tmp_path / "cut.tif"), "cut.tif: no readable TIFF"),
        ("cut.tif", ("--angles-deg", "0:180"), "cut.tif: no readable TIFF file"),
        ("pd", (), "view_00005.dcm"),
    ):
        result = call("recon", "ct", tmp_path / name, "--out", tmp_path / "out", *options)
        assert result.exit_code == 2, name
        assert len(result.stderr.strip().splitlines()) == 1
        assert words in result.stderr
    assert not (tmp_path / "out").exists()
