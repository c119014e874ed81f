"""MRI: images from k-space."""

from imgtech.recon.mri.cartesian import cartesian, root_sum_of_squares
from imgtech.recon.mri.fft import image_to_kspace, kspace_to_image
from imgtech.recon.mri.gridding import gridding, radial_density
from imgtech.recon.mri.paravision import paravision_images
from imgtech.recon.mri.windows import kspace_window

__all__ = [
    "cartesian",
    "gridding",
    "image_to_kspace",
    "kspace_to_image",
    "kspace_window",
    "paravision_images",
    "radial_density",
    "root_sum_of_squares",
]
