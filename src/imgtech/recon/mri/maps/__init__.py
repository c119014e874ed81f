"""Maps of physical parameters from series of images, each with its standard uncertainty."""

from imgtech.recon.mri.maps.decay import DecayMap, t2_map, t2_star_map
from imgtech.recon.mri.maps.inversion import T1Map, t1_map

__all__ = ["DecayMap", "T1Map", "t1_map", "t2_map", "t2_star_map"]
