"""Ultrasound: resolution, contrast, speckle, penetration, elements and distances, on envelopes."""

from imgtech.qc.metrics.ultrasound.contrast import lesion_cnr, lesion_contrast
from imgtech.qc.metrics.ultrasound.distance import distance_error
from imgtech.qc.metrics.ultrasound.elements import ElementLevels, column_levels, element_levels
from imgtech.qc.metrics.ultrasound.overlap import gcnr
from imgtech.qc.metrics.ultrasound.penetration import penetration_depth, penetration_depth_by_correlation
from imgtech.qc.metrics.ultrasound.points import PointTarget, point_target
from imgtech.qc.metrics.ultrasound.speckle import speckle_snr

__all__ = [
    "ElementLevels",
    "PointTarget",
    "column_levels",
    "distance_error",
    "element_levels",
    "gcnr",
    "lesion_cnr",
    "lesion_contrast",
    "penetration_depth",
    "penetration_depth_by_correlation",
    "point_target",
    "speckle_snr",
]
