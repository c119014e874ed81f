"""Image-quality metrics on arrays with spacings, one family a file."""

from imgtech.qc.metrics.ghosting import percent_signal_ghosting
from imgtech.qc.metrics.snr import normalised_snr, snr_smoothing, snr_two_images
from imgtech.qc.metrics.snr_air import snr_single_image
from imgtech.qc.metrics.uniformity import percent_integral_uniformity

__all__ = [
    "normalised_snr",
    "percent_integral_uniformity",
    "percent_signal_ghosting",
    "snr_single_image",
    "snr_smoothing",
    "snr_two_images",
]
