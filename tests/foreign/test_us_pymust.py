"""Delay-and-sum beside PyMUST's sparse matrix, for waves steered to both sides."""

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, LinearArray, PlaneWaves
from imgtech.phantoms import GaussianPulse, wires
from imgtech.recon.ultrasound import delay_and_sum, rf_to_iq

pymust = pytest.importorskip("pymust", reason="needs pymust", exc_type=ImportError)
pytestmark = pytest.mark.peers

PROBE = LinearArray(n_elements=96, pitch_mm=0.25, element_width_mm=0.22)
GRID = ImageGrid(shape=(61, 40), spacing_mm=(0.1, 0.15), center_mm=(17.0, 0.7))
SPEED_M_S, CENTER_HZ, F_NUMBER = 1490.0, 4.8e6, 1.3


@pytest.mark.parametrize("angle_deg", [-7.0, 0.0, 11.0])
def test_image_agrees_with_pymust(angle_deg):
    waves = PlaneWaves.from_degrees([angle_deg], sampling_hz=24e6, start_s=8e-6)
    rf = wires(depths_mm=[15.2, 18.7], lateral_mm=[-0.8, 2.4]).echoes(
        PROBE,
        waves,
        pulse=GaussianPulse(center_hz=CENTER_HZ),
        n_samples=600,
        sound_speed_m_s=SPEED_M_S,
        dtype=np.float64,
    )
    iq = rf_to_iq(rf, waves, center_hz=CENTER_HZ)
    ours = delay_and_sum(
        iq,
        PROBE,
        waves,
        GRID,
        f_number=F_NUMBER,
        sound_speed_m_s=SPEED_M_S,
        center_hz=CENTER_HZ,
    )

    # MUST's clock starts when the first element fires; imgtech's when the wave passes the origin
    delays_s = 1e-3 * PROBE.elements_mm * np.sin(waves.angles_rad[0]) / SPEED_M_S
    param = pymust.utils.Param()
    param.fs, param.fc, param.c, param.fnumber = 24e6, CENTER_HZ, SPEED_M_S, F_NUMBER
    param.pitch, param.width, param.Nelements = 0.25e-3, 0.22e-3, 96
    param.t0 = np.array([8e-6 - delays_s.min()])
    param.TXdelay = (delays_s - delays_s.min())[None]
    z, x = np.meshgrid(*(1e-3 * axis for axis in GRID.coordinates_mm), indexing="ij")
    on_their_clock = iq[0] * np.exp(2j * np.pi * CENTER_HZ * delays_s.min())
    matrix = pymust.dasmtx(on_their_clock.T, x, z, param, "linear")
    theirs = (matrix @ on_their_clock.ravel()).reshape(GRID.shape[::-1]).T
    # PyMUST takes the nearest of a row of virtual sources for the way out: no plane wave exactly
    assert np.linalg.norm(ours - theirs) < 0.02 * np.linalg.norm(theirs)
