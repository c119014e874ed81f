"""Scan geometries of other programs: ASTRA's dictionaries, RTK's XML files, TIGRE's parameters."""

from imgtech.io.beams.astra import beam_from_astra, beam_to_astra
from imgtech.io.beams.rtk import read_rtk_geometry, write_rtk_geometry
from imgtech.io.beams.tigre import beam_from_tigre, beam_to_tigre

__all__ = [
    "beam_from_astra",
    "beam_from_tigre",
    "beam_to_astra",
    "beam_to_tigre",
    "read_rtk_geometry",
    "write_rtk_geometry",
]
