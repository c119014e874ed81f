"""MRI: images from k-space."""

from imgtech.recon.mri.adaptive import adaptive_combine, adaptive_maps
from imgtech.recon.mri.cartesian import cartesian, root_sum_of_squares
from imgtech.recon.mri.cg_sense import cg_sense
from imgtech.recon.mri.combine import CompressedCoils, compress_coils, roemer_combine
from imgtech.recon.mri.compressed import l1_wavelet, total_variation
from imgtech.recon.mri.delays import GradientDelays, gradient_delays
from imgtech.recon.mri.density import pipe_menon_density, voronoi_density
from imgtech.recon.mri.dynamic import LowRankSparse, locally_low_rank, low_rank_plus_sparse
from imgtech.recon.mri.espirit import espirit_maps, projection_residual
from imgtech.recon.mri.espirit_sets import EspiritSets, espirit_map_sets
from imgtech.recon.mri.fft import image_to_kspace, kspace_to_image
from imgtech.recon.mri.geometric import GeometricCoils, compress_coils_geometric
from imgtech.recon.mri.ghost import GhostPhase, correct_ghost, ghost_phase, navigator_phase
from imgtech.recon.mri.grappa import GrappaNoise, grappa, grappa_noise
from imgtech.recon.mri.gridding import gridding, radial_density
from imgtech.recon.mri.noise import noise_covariance, prewhiten
from imgtech.recon.mri.off_resonance import OffResonanceNufft, conjugate_phase
from imgtech.recon.mri.paravision import paravision_images
from imgtech.recon.mri.partial_fourier import partial_fourier
from imgtech.recon.mri.partitions import partitions_to_slices
from imgtech.recon.mri.regrid import regrid_readout
from imgtech.recon.mri.sense import SenseResult, sense
from imgtech.recon.mri.snr import Replicas, pseudo_replicas, snr_units
from imgtech.recon.mri.spirit import SpiritResult, spirit
from imgtech.recon.mri.windows import kspace_window

__all__ = [
    "CompressedCoils",
    "EspiritSets",
    "GeometricCoils",
    "GhostPhase",
    "GradientDelays",
    "GrappaNoise",
    "LowRankSparse",
    "OffResonanceNufft",
    "Replicas",
    "SenseResult",
    "SpiritResult",
    "adaptive_combine",
    "adaptive_maps",
    "cartesian",
    "cg_sense",
    "compress_coils",
    "compress_coils_geometric",
    "conjugate_phase",
    "correct_ghost",
    "espirit_map_sets",
    "espirit_maps",
    "ghost_phase",
    "gradient_delays",
    "grappa",
    "grappa_noise",
    "gridding",
    "image_to_kspace",
    "kspace_to_image",
    "kspace_window",
    "l1_wavelet",
    "locally_low_rank",
    "low_rank_plus_sparse",
    "navigator_phase",
    "noise_covariance",
    "paravision_images",
    "partial_fourier",
    "partitions_to_slices",
    "pipe_menon_density",
    "prewhiten",
    "projection_residual",
    "pseudo_replicas",
    "radial_density",
    "regrid_readout",
    "roemer_combine",
    "root_sum_of_squares",
    "sense",
    "snr_units",
    "spirit",
    "total_variation",
    "voronoi_density",
]
