"""Maps of physical parameters from series of images, each with its standard uncertainty."""

from imgtech.recon.mri.maps.decay import DecayMap, t2_map, t2_star_map
from imgtech.recon.mri.maps.dixon import FAT_AMPLITUDES, FAT_SHIFTS_PPM, WaterFat, fat_phasors, water_fat
from imgtech.recon.mri.maps.inversion import T1Map, t1_map
from imgtech.recon.mri.maps.phase import FieldMap, b0_map, unwrap_phase

__all__ = [
    "FAT_AMPLITUDES",
    "FAT_SHIFTS_PPM",
    "DecayMap",
    "FieldMap",
    "T1Map",
    "WaterFat",
    "b0_map",
    "fat_phasors",
    "t1_map",
    "t2_map",
    "t2_star_map",
    "unwrap_phase",
    "water_fat",
]
