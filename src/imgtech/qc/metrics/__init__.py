"""Image-quality metrics on arrays with spacings, one family a file."""

from imgtech.qc.metrics.artefacts import line_artefact, ring_artefact, streak_artefact
from imgtech.qc.metrics.bars import bar_mtf
from imgtech.qc.metrics.channels import (
    difference_of_gaussian_channels,
    gabor_channels,
    laguerre_gauss_channels,
)
from imgtech.qc.metrics.contrast import contrast, sdnr
from imgtech.qc.metrics.ct import cnr, ct_noise, edge_centre_uniformity
from imgtech.qc.metrics.detectability import DiskTask, EyeFilter, GaussianTask, detectability_index
from imgtech.qc.metrics.disk_mtf import disk_mtf
from imgtech.qc.metrics.distortion import Distortion, distortion_map
from imgtech.qc.metrics.edge import Edge, fit_edge
from imgtech.qc.metrics.edge_mtf import slanted_edge_mtf
from imgtech.qc.metrics.flood import flood_uniformity
from imgtech.qc.metrics.geometry import diameter
from imgtech.qc.metrics.ghost_ratio import ghost_ratio, nyquist_ghost
from imgtech.qc.metrics.ghosting import percent_signal_ghosting
from imgtech.qc.metrics.holes import hole_dip
from imgtech.qc.metrics.hotelling import channelised_hotelling, low_contrast_limit
from imgtech.qc.metrics.independent import independent_pixels
from imgtech.qc.metrics.length import edge_length
from imgtech.qc.metrics.line_pairs import bar_contrast, bar_modulation, coltman_mtf, droege_morin_mtf
from imgtech.qc.metrics.mtf import MTF
from imgtech.qc.metrics.noise_power import noise_power_spectrum
from imgtech.qc.metrics.noise_power_nd import (
    VolumeNPS,
    line_noise_power,
    noise_power_along,
    volume_noise_power,
)
from imgtech.qc.metrics.nps import NPS
from imgtech.qc.metrics.point import Point, fit_point
from imgtech.qc.metrics.point_mtf import bead_mtf, wire_mtf
from imgtech.qc.metrics.points import Points, angle, distance, find_points
from imgtech.qc.metrics.quanta import dqe, neq
from imgtech.qc.metrics.rim import Rim, disk_rim
from imgtech.qc.metrics.roc import auc, detectability_of_auc, roc_curve
from imgtech.qc.metrics.similarity import nrmse, psnr, rmse, ssim, structural_difference
from imgtech.qc.metrics.slice_profile import (
    SliceProfile,
    bead_slice_profile,
    opposed_ramps,
    ramp_slice_profile,
)
from imgtech.qc.metrics.slice_thickness import RampSignal, ramp_signal, slice_thickness
from imgtech.qc.metrics.snr import normalised_snr, snr_smoothing, snr_two_images
from imgtech.qc.metrics.snr_air import snr_single_image
from imgtech.qc.metrics.spectral_curve import SpectralCurve
from imgtech.qc.metrics.spread import SpreadFunction, spread_function
from imgtech.qc.metrics.stability import Stability, temporal_stability
from imgtech.qc.metrics.uniformity import percent_integral_uniformity
from imgtech.qc.metrics.wedges import plate_signal, slice_position, slice_width
from imgtech.qc.metrics.widths import profile_width
from imgtech.qc.metrics.xray_uniformity import flat_field_uniformity

__all__ = [
    "MTF",
    "NPS",
    "DiskTask",
    "Distortion",
    "Edge",
    "EyeFilter",
    "GaussianTask",
    "Point",
    "Points",
    "RampSignal",
    "Rim",
    "SliceProfile",
    "SpectralCurve",
    "SpreadFunction",
    "Stability",
    "VolumeNPS",
    "angle",
    "auc",
    "bar_contrast",
    "bar_modulation",
    "bar_mtf",
    "bead_mtf",
    "bead_slice_profile",
    "channelised_hotelling",
    "cnr",
    "coltman_mtf",
    "contrast",
    "ct_noise",
    "detectability_index",
    "detectability_of_auc",
    "diameter",
    "difference_of_gaussian_channels",
    "disk_mtf",
    "disk_rim",
    "distance",
    "distortion_map",
    "dqe",
    "droege_morin_mtf",
    "edge_centre_uniformity",
    "edge_length",
    "find_points",
    "fit_edge",
    "fit_point",
    "flat_field_uniformity",
    "flood_uniformity",
    "gabor_channels",
    "ghost_ratio",
    "hole_dip",
    "independent_pixels",
    "laguerre_gauss_channels",
    "line_artefact",
    "line_noise_power",
    "low_contrast_limit",
    "neq",
    "noise_power_along",
    "noise_power_spectrum",
    "normalised_snr",
    "nrmse",
    "nyquist_ghost",
    "opposed_ramps",
    "percent_integral_uniformity",
    "percent_signal_ghosting",
    "plate_signal",
    "profile_width",
    "psnr",
    "ramp_signal",
    "ramp_slice_profile",
    "ring_artefact",
    "rmse",
    "roc_curve",
    "sdnr",
    "slanted_edge_mtf",
    "slice_position",
    "slice_thickness",
    "slice_width",
    "snr_single_image",
    "snr_smoothing",
    "snr_two_images",
    "spread_function",
    "ssim",
    "streak_artefact",
    "structural_difference",
    "temporal_stability",
    "volume_noise_power",
    "wire_mtf",
]
