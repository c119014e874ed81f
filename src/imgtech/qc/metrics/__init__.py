"""Image-quality metrics on arrays with spacings, one family a file."""

from imgtech.qc.metrics.edge import Edge, fit_edge
from imgtech.qc.metrics.ghosting import percent_signal_ghosting
from imgtech.qc.metrics.mtf import MTF, slanted_edge_mtf
from imgtech.qc.metrics.snr import normalised_snr, snr_smoothing, snr_two_images
from imgtech.qc.metrics.snr_air import snr_single_image
from imgtech.qc.metrics.uniformity import percent_integral_uniformity

__all__ = [
    "MTF",
    "Edge",
    "fit_edge",
    "normalised_snr",
    "percent_integral_uniformity",
    "percent_signal_ghosting",
    "slanted_edge_mtf",
    "snr_single_image",
    "snr_smoothing",
    "snr_two_images",
]
