"""Phantom protocols, one phantom a file."""

from imgtech.qc.protocols.acr_ct import acr_ct
from imgtech.qc.protocols.acr_mri_large import acr_mri_large
from imgtech.qc.protocols.acr_mri_medium import acr_mri_medium
from imgtech.qc.protocols.catphan import catphan
from imgtech.qc.protocols.ct_water import ct_water
from imgtech.qc.protocols.gamma_bars import gamma_bars
from imgtech.qc.protocols.gamma_flood import gamma_flood
from imgtech.qc.protocols.mr_epi_stability import mr_epi_stability
from imgtech.qc.protocols.mr_magnet import mr_magnet
from imgtech.qc.protocols.mr_snr_nema import mr_snr_nema
from imgtech.qc.protocols.pet_nema_iq import gamma_jaszczak, pet_nema_iq
from imgtech.qc.protocols.planar_xray import planar_xray
from imgtech.qc.protocols.site import site
from imgtech.qc.protocols.us_in_air import us_in_air
from imgtech.qc.protocols.us_multipurpose import us_multipurpose

__all__ = [
    "acr_ct",
    "acr_mri_large",
    "acr_mri_medium",
    "catphan",
    "ct_water",
    "gamma_bars",
    "gamma_flood",
    "gamma_jaszczak",
    "mr_epi_stability",
    "mr_magnet",
    "mr_snr_nema",
    "pet_nema_iq",
    "planar_xray",
    "site",
    "us_in_air",
    "us_multipurpose",
]
