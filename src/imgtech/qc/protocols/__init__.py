"""Phantom protocols, one phantom a file."""

from imgtech.qc.protocols.acr_mri_large import acr_mri_large
from imgtech.qc.protocols.catphan import catphan

__all__ = ["acr_mri_large", "catphan"]
