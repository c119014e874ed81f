"""Raw CT data to Hounsfield units: what stands between detector counts and a number one can trust."""

from imgtech.recon.ct.corrections.bad_pixels import fill_bad_pixels, find_bad_pixels
from imgtech.recon.ct.corrections.flat import flat_field, to_line_integrals

__all__ = [
    "fill_bad_pixels",
    "find_bad_pixels",
    "flat_field",
    "to_line_integrals",
]
