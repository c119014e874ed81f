"""Where things are: image grids, CT beams, k-space trajectories, ultrasound probes and waves."""

from imgtech.geometry.cone import ConeBeam
from imgtech.geometry.cone_vectors import ConeVectors
from imgtech.geometry.ct import ParallelBeam
from imgtech.geometry.epi import delayed_positions, trapezoid_positions
from imgtech.geometry.fan import FanBeam
from imgtech.geometry.grid import ImageGrid, sample_positions
from imgtech.geometry.mri import Trajectory
from imgtech.geometry.ultrasound import LinearArray, PlaneWaves

__all__ = [
    "ConeBeam",
    "ConeVectors",
    "FanBeam",
    "ImageGrid",
    "LinearArray",
    "ParallelBeam",
    "PlaneWaves",
    "Trajectory",
    "delayed_positions",
    "sample_positions",
    "trapezoid_positions",
]
