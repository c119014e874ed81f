"""Lines of a convex probe written here and read back, and the real file of PLUS."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid
from imgtech.io.raw import read_plus_lines
from imgtech.recon.ultrasound import envelope, log_compress, scan_convert

PLACES = {"radius_start_mm": 12.0, "radius_stop_mm": 18.0, "theta_start_rad": -0.5, "theta_stop_rad": 0.3}
HEADER = """ObjectType = Image
NDims = 3
DimSize = {n} 5 1
ElementType = MET_SHORT
UltrasoundImageOrientation = {orientation}
UltrasoundImageType = {kind}
ElementDataFile = {source}
"""


def write(tmp_path, values, *, kind="RF_IQ_LINE", orientation="FM", local=False):
    raw = values.astype("<i2").tobytes()
    source = "LOCAL" if local else "lines.raw"
    header = HEADER.format(n=values.shape[1], orientation=orientation, kind=kind, source=source).encode()
    path = tmp_path / ("lines.mha" if local else "lines.mhd")
    path.write_bytes(header + raw if local else header)
    (tmp_path / "lines.raw").write_bytes(raw)
    return path


@pytest.mark.parametrize("local", [False, True])
def test_iq_lines_are_read_with_their_places(tmp_path, rng, local):
    values = rng.integers(-3000, 3000, (5, 14))
    lines = read_plus_lines(write(tmp_path, values, local=local), **PLACES)
    np.testing.assert_array_equal(lines.data, (values[:, 0::2] + 1j * values[:, 1::2]).T)
    np.testing.assert_allclose(lines.sector.ranges_mm, np.linspace(12, 18, 7))
    np.testing.assert_allclose(lines.sector.angles_rad, np.linspace(-0.5, 0.3, 5))
    np.testing.assert_allclose(
        lines.sector.points_mm[3, 4], [15 * np.cos(0.3) - 12, 0, 15 * np.sin(0.3)], atol=1e-12
    )
    turned = read_plus_lines(write(tmp_path, values, kind="RF_REAL", orientation="NM"), **PLACES)
    np.testing.assert_array_equal(turned.data, values.T[::-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "RGB"}, "UltrasoundImageType must be"),
        ({"orientation": "XX"}, "UltrasoundImageOrientation must begin"),
        ({"values": np.ones((5, 13))}, "even number of values"),
        ({"values": np.ones((4, 14))}, "must hold 70 values"),
    ],
)
def test_wrong_files_are_named(tmp_path, change, message):
    values = change.pop("values", np.ones((5, 14)))
    with pytest.raises(ValueError, match=message):
        read_plus_lines(write(tmp_path, values, **change), **PLACES)


def test_wrong_places_and_missing_files(tmp_path):
    path = write(tmp_path, np.ones((5, 14)))
    with pytest.raises(ValueError, match="must rise"):
        read_plus_lines(path, **(PLACES | {"theta_stop_rad": -0.6}))
    with pytest.raises(ValueError, match="radius_start_mm must be positive"):
        read_plus_lines(path, **(PLACES | {"radius_start_mm": 0.0}))
    (tmp_path / "lines.raw").unlink()
    with pytest.raises(FileNotFoundError):
        read_plus_lines(path, **PLACES)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no MetaImage"):
        read_plus_lines(path, **PLACES)


def test_a_real_fan_shows_the_phantom_between_its_straight_edges(data):
    """BK 8848 (10 to 60 mm, -70 to 70 degrees in PLUS's configuration): dark bag, bright body inside."""
    lines = read_plus_lines(
        data("us_raw/BkCurvilinearRfData.igs.mhd"),
        radius_start_mm=10,
        radius_stop_mm=60,
        theta_start_rad=np.deg2rad(-70),
        theta_stop_rad=np.deg2rad(70),
    )
    assert lines.data.shape == (1740, 358)
    decibels = log_compress(envelope(lines.data), dynamic_range_db=70)
    grid = ImageGrid(shape=(121, 241), spacing_mm=(0.5, 0.5), center_mm=(20.0, 0.0))
    fan = scan_convert(decibels, lines.sector, grid, outside=-99.0)
    z, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    outside = (np.hypot(z + 10, x) > 60.01) | (np.hypot(z + 10, x) < 9.99)
    outside |= np.abs(np.arctan2(x, z + 10)) > np.deg2rad(70.01)
    assert (fan[outside] == -99).all()
    assert (fan[~outside] >= -70).mean() > 0.99
    body = np.hypot(z - 18, x) < 4
    bag = np.hypot(z - 9, np.abs(x) - 16) < 3
    assert fan[body].mean() > fan[bag].mean() + 20
