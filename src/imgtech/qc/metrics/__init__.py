"""Image-quality metrics on arrays with spacings, one family a file."""

from imgtech.qc.metrics.bars import bar_mtf
from imgtech.qc.metrics.contrast import contrast, sdnr
from imgtech.qc.metrics.ct import cnr, ct_noise, edge_centre_uniformity
from imgtech.qc.metrics.distortion import Distortion, distortion_map
from imgtech.qc.metrics.edge import Edge, fit_edge
from imgtech.qc.metrics.flood import flood_uniformity
from imgtech.qc.metrics.geometry import diameter
from imgtech.qc.metrics.ghosting import percent_signal_ghosting
from imgtech.qc.metrics.independent import independent_pixels
from imgtech.qc.metrics.length import edge_length
from imgtech.qc.metrics.mtf import MTF, slanted_edge_mtf
from imgtech.qc.metrics.noise_power import noise_power_spectrum
from imgtech.qc.metrics.nps import NPS
from imgtech.qc.metrics.points import Points, angle, distance, find_points
from imgtech.qc.metrics.rim import Rim, disk_rim
from imgtech.qc.metrics.slice_thickness import RampSignal, ramp_signal, slice_thickness
from imgtech.qc.metrics.snr import normalised_snr, snr_smoothing, snr_two_images
from imgtech.qc.metrics.snr_air import snr_single_image
from imgtech.qc.metrics.stability import Stability, temporal_stability
from imgtech.qc.metrics.uniformity import percent_integral_uniformity
from imgtech.qc.metrics.wedges import plate_signal, slice_position, slice_width

__all__ = [
    "MTF",
    "NPS",
    "Distortion",
    "Edge",
    "Points",
    "RampSignal",
    "Rim",
    "Stability",
    "angle",
    "bar_mtf",
    "cnr",
    "contrast",
    "ct_noise",
    "diameter",
    "disk_rim",
    "distance",
    "distortion_map",
    "edge_centre_uniformity",
    "edge_length",
    "find_points",
    "fit_edge",
    "flood_uniformity",
    "independent_pixels",
    "noise_power_spectrum",
    "normalised_snr",
    "percent_integral_uniformity",
    "percent_signal_ghosting",
    "plate_signal",
    "ramp_signal",
    "sdnr",
    "slanted_edge_mtf",
    "slice_position",
    "slice_thickness",
    "slice_width",
    "snr_single_image",
    "snr_smoothing",
    "snr_two_images",
    "temporal_stability",
]
