"""Sums of waves between images and scattered samples, neutral to the modality."""

from imgtech.recon.gridding.nufft import Nufft
from imgtech.recon.gridding.toeplitz import ToeplitzNormal

__all__ = ["Nufft", "ToeplitzNormal"]
