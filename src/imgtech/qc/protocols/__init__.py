"""Phantom protocols, one phantom a file."""

from imgtech.qc.protocols.acr_mri_large import acr_mri_large

__all__ = ["acr_mri_large"]
