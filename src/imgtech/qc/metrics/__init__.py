"""Image-quality metrics on arrays with spacings, one family a file."""

from imgtech.qc.metrics.snr import normalised_snr, snr_smoothing, snr_two_images
from imgtech.qc.metrics.snr_air import snr_single_image

__all__ = ["normalised_snr", "snr_single_image", "snr_smoothing", "snr_two_images"]
