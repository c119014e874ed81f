"""Raw CT data to Hounsfield units: what stands between detector counts and a number one can trust."""

from imgtech.recon.ct.corrections.axis import find_axis
from imgtech.recon.ct.corrections.bad_pixels import fill_bad_pixels, find_bad_pixels
from imgtech.recon.ct.corrections.dose import lower_dose
from imgtech.recon.ct.corrections.flat import flat_field, to_line_integrals
from imgtech.recon.ct.corrections.hardening import (
    HardeningFit,
    fit_uniform_object,
    fit_water_polynomial,
    linearize,
)
from imgtech.recon.ct.corrections.hounsfield import (
    HounsfieldScale,
    apply_hounsfield_scale,
    measure_hounsfield_scale,
)
from imgtech.recon.ct.corrections.metal import MetalReduction, reduce_metal
from imgtech.recon.ct.corrections.scatter import subtract_kernel_scatter, subtract_uniform_scatter
from imgtech.recon.ct.corrections.stripes import (
    fill_defective_channels,
    remove_stripes_smoothing,
    remove_stripes_sorting,
    remove_stripes_wavelet,
)
from imgtech.recon.ct.corrections.two_materials import Spectrum, correct_bone, correct_water

__all__ = [
    "HardeningFit",
    "HounsfieldScale",
    "MetalReduction",
    "Spectrum",
    "apply_hounsfield_scale",
    "correct_bone",
    "correct_water",
    "fill_bad_pixels",
    "fill_defective_channels",
    "find_axis",
    "find_bad_pixels",
    "fit_uniform_object",
    "fit_water_polynomial",
    "flat_field",
    "linearize",
    "lower_dose",
    "measure_hounsfield_scale",
    "reduce_metal",
    "remove_stripes_smoothing",
    "remove_stripes_sorting",
    "remove_stripes_wavelet",
    "subtract_kernel_scatter",
    "subtract_uniform_scatter",
    "to_line_integrals",
]
