"""Sums of waves between images and scattered samples, neutral to the modality."""

from imgtech.recon.gridding.nufft import Nufft

__all__ = ["Nufft"]
