"""Fan-beam rays beside those of the ASTRA toolbox."""

import numpy as np
import pytest

from imgtech.geometry import FanBeam, ImageGrid
from imgtech.phantoms import shepp_logan
from imgtech.recon.ct import fbp

astra = pytest.importorskip("astra", reason="needs astra-toolbox", exc_type=ImportError)
pytestmark = pytest.mark.peers

BEAM = FanBeam.full_turn(
    source_axis_mm=300.0,
    source_detector_mm=420.0,
    n_views=360,
    n_channels=241,
    channel_spacing_mm=0.8,
    start_rad=0.3,
)
GRID = ImageGrid(shape=(400, 391), spacing_mm=(0.3, 0.3), center_mm=(2.0, -3.0))


def their_projection(image):
    """ASTRA's flat fan with the image upside down: its rows run towards -y."""
    (n_y, n_x), (y, x), d = GRID.shape, GRID.center_mm, GRID.spacing_mm[0]
    volume = astra.create_vol_geom(
        n_y, n_x, x - n_x * d / 2, x + n_x * d / 2, y - n_y * d / 2, y + n_y * d / 2
    )
    rays = astra.create_proj_geom("fanflat", 0.8, BEAM.n_channels, BEAM.angles_rad, 300.0, 120.0)
    made = astra.create_projector("strip_fanflat", rays, volume)
    try:
        return astra.OpTomo(made).FP(np.ascontiguousarray(image[::-1])).reshape(BEAM.shape)
    finally:
        astra.projector.delete(made)


def test_astra_projects_a_fine_image_onto_the_channels_of_the_closed_form():
    head = shepp_logan(radius_mm=48.0, center_mm=(5.0, -8.0))
    theirs, ours = their_projection(head.image(GRID)), head.sinogram(BEAM)
    assert np.sqrt(np.mean((theirs - ours) ** 2)) < 0.004 * ours.max()
    assert theirs.sum() == pytest.approx(ours.sum(), rel=1e-3)


def test_fbp_of_their_projection_is_the_image():
    head = shepp_logan(radius_mm=48.0)
    image = head.image(GRID)
    found = fbp(their_projection(image), BEAM, GRID, window="hann")
    expected = fbp(head.sinogram(BEAM), BEAM, GRID, window="hann")
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.005 * image.max()
