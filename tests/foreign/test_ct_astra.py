"""FBP and projector beside the CPU algorithms of the ASTRA toolbox."""

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.phantoms import shepp_logan
from imgtech.recon.ct import Projector, backproject, fbp

astra = pytest.importorskip("astra", reason="needs astra-toolbox", exc_type=ImportError)
pytestmark = pytest.mark.peers

BEAM = ParallelBeam.half_turn(
    n_views=180, n_channels=190, channel_spacing_mm=0.8, start_rad=0.1, detector_offset_mm=0.0
)
GRID = ImageGrid(shape=(120, 131), spacing_mm=(0.9, 0.9), center_mm=(2.0, -3.0))


@pytest.fixture
def projector():
    """ASTRA's geometry of BEAM and GRID: its rows run towards -y."""
    (n_y, n_x), (y, x) = GRID.shape, GRID.center_mm
    half_x, half_y = n_x * 0.9 / 2, n_y * 0.9 / 2
    volume = astra.create_vol_geom(n_y, n_x, x - half_x, x + half_x, y - half_y, y + half_y)
    rays = astra.create_proj_geom("parallel", 0.8, BEAM.n_channels, BEAM.angles_rad)
    made = astra.create_projector("linear", rays, volume)
    yield astra.OpTomo(made)
    astra.projector.delete(made)


def test_fbp_is_as_close_to_the_truth_as_astra(projector):
    head = shepp_logan(radius_mm=48.0)
    sinogram, truth = head.sinogram(BEAM), head.image(GRID)
    theirs = projector.reconstruct("FBP", sinogram, extraOptions={"FilterType": "ram-lak"})[::-1]
    ours = fbp(sinogram, BEAM, GRID)

    def rmse(image):
        return np.sqrt(np.mean((image - truth) ** 2))

    assert rmse(ours) <= rmse(theirs)
    assert np.abs(ours - theirs).mean() < 0.02 * truth.max()


def test_backproject_agrees_with_astra(projector):
    smooth = shepp_logan(radius_mm=48.0).sinogram(BEAM)
    theirs = projector.BP(smooth)[::-1]
    ours = backproject(smooth, BEAM, GRID) * 0.9**2 / 0.8
    assert np.sqrt(np.mean((ours - theirs) ** 2)) < 0.005 * theirs.max()


def test_projector_agrees_with_astra(projector):
    image = shepp_logan(radius_mm=48.0).image(GRID)
    theirs = projector.FP(np.ascontiguousarray(image[::-1]))
    ours = Projector(BEAM, GRID).forward(image)
    assert np.sqrt(np.mean((ours - theirs) ** 2)) < 0.005 * theirs.max()
    assert ours.sum() == pytest.approx(theirs.sum(), rel=1e-3)
