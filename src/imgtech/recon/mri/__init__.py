"""MRI: images from k-space."""

from imgtech.recon.mri.cartesian import cartesian, root_sum_of_squares
from imgtech.recon.mri.combine import CompressedCoils, compress_coils, roemer_combine
from imgtech.recon.mri.espirit import espirit_maps, projection_residual
from imgtech.recon.mri.fft import image_to_kspace, kspace_to_image
from imgtech.recon.mri.grappa import grappa
from imgtech.recon.mri.gridding import gridding, radial_density
from imgtech.recon.mri.noise import noise_covariance, prewhiten
from imgtech.recon.mri.paravision import paravision_images
from imgtech.recon.mri.sense import SenseResult, sense
from imgtech.recon.mri.windows import kspace_window

__all__ = [
    "CompressedCoils",
    "SenseResult",
    "cartesian",
    "compress_coils",
    "espirit_maps",
    "grappa",
    "gridding",
    "image_to_kspace",
    "kspace_to_image",
    "kspace_window",
    "noise_covariance",
    "paravision_images",
    "prewhiten",
    "projection_residual",
    "radial_density",
    "roemer_combine",
    "root_sum_of_squares",
    "sense",
]
