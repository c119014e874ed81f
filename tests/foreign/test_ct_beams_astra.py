"""Geometries to and from ASTRA: its own projections, and its own vectors."""

import numpy as np
import pytest

from imgtech.geometry import ConeBeam, FanBeam, ImageGrid, ParallelBeam
from imgtech.io.beams import beam_from_astra, beam_to_astra
from imgtech.phantoms import uniform_disk

astra = pytest.importorskip("astra", reason="needs astra-toolbox", exc_type=ImportError)
pytestmark = pytest.mark.peers

GRID = ImageGrid(shape=(300, 291), spacing_mm=(0.3, 0.3), center_mm=(2.0, -3.0))
DISK = uniform_disk(radius_mm=19.0, value=0.03, center_mm=(8.0, -14.0))
FAN = {
    "source_axis_mm": 150.0, "source_detector_mm": 240.0, "n_channels": 141, "channel_spacing_mm": 1.1,
}  # fmt: skip
BEAMS = {
    "parallel": ParallelBeam.half_turn(n_views=40, n_channels=121, channel_spacing_mm=0.8, start_rad=0.3),
    "parallel_vec": ParallelBeam.half_turn(
        n_views=40, n_channels=121, channel_spacing_mm=0.8, start_rad=0.3, detector_offset_mm=5.3
    ),
    "fanflat": FanBeam.full_turn(n_views=50, start_rad=0.3, **FAN),
    "fanflat_vec": FanBeam.full_turn(n_views=50, start_rad=0.3, detector_offset_mm=-6.1, **FAN),
}


def their_projection(geometry, projector):
    (n_y, n_x), (y, x), d = GRID.shape, GRID.center_mm, GRID.spacing_mm[0]
    volume = astra.create_vol_geom(
        n_y, n_x, x - n_x * d / 2, x + n_x * d / 2, y - n_y * d / 2, y + n_y * d / 2
    )
    made = astra.create_projector(projector, geometry, volume)
    number, sinogram = astra.create_sino(np.ascontiguousarray(DISK.image(GRID)[::-1]), made)
    astra.data2d.delete(number)
    astra.projector.delete(made)
    return sinogram


@pytest.mark.parametrize("kind", BEAMS)
def test_astra_sees_the_rays_of_the_beam(kind):
    beam = BEAMS[kind]
    geometry = beam_to_astra(beam)
    assert geometry["type"] == kind
    projector = "line_fanflat" if "fan" in kind else "line"
    theirs, ours = their_projection(geometry, projector), DISK.sinogram(beam)
    assert np.sqrt(np.mean((theirs - ours) ** 2)) < 0.01 * ours.max()
    moved = np.roll(ours, 1, axis=1)  # one channel off would be seen
    assert np.sqrt(np.mean((theirs - moved) ** 2)) > 0.02 * ours.max()


@pytest.mark.parametrize("kind", BEAMS)
def test_a_geometry_of_astra_comes_back_as_the_same_beam(kind):
    beam = BEAMS[kind]
    back = beam_from_astra(beam_to_astra(beam))
    assert back.shape == beam.shape
    assert type(back) is type(beam)
    np.testing.assert_allclose(back.angles_rad, beam.angles_rad, atol=1e-12)
    for name in ("channel_spacing_mm", "detector_offset_mm", "source_axis_mm", "source_detector_mm"):
        if hasattr(beam, name):
            assert getattr(back, name) == pytest.approx(getattr(beam, name), abs=1e-9)


@pytest.mark.parametrize("kind", ["parallel", "fanflat"])
def test_their_own_vectors_give_the_same_beam(kind):
    plain = beam_to_astra(BEAMS[kind])
    ours, theirs = beam_from_astra(plain), beam_from_astra(astra.geom_2vec(plain))
    np.testing.assert_allclose(theirs.angles_rad, ours.angles_rad, atol=1e-12)
    np.testing.assert_allclose(theirs.channels_mm, ours.channels_mm, atol=1e-9)


def test_the_vectors_of_a_cone_are_theirs():
    angles = 0.3 + np.arange(7) * 0.8
    geometry = astra.create_proj_geom("cone", 1.1, 1.3, 5, 8, angles, 150.0, 90.0)
    beam = beam_from_astra(geometry)
    assert isinstance(beam, ConeBeam)
    theirs = astra.geom_2vec(geometry)
    np.testing.assert_allclose(beam_to_astra(beam)["Vectors"], theirs["Vectors"], atol=1e-9)
    ours, back = beam.vectors().rays(), beam_from_astra(theirs).rays()
    for one, two in zip(ours, back, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-9)
