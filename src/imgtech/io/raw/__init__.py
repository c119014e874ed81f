"""Readers of raw scanner data."""

from imgtech.io.raw.bart import read_bart, read_cfl, write_cfl
from imgtech.io.raw.bruker import BrukerScan, read_2dseq, read_bruker
from imgtech.io.raw.channel_data import ChannelData
from imgtech.io.raw.ct_pd import read_ct_pd
from imgtech.io.raw.ct_pd_out import write_ct_pd
from imgtech.io.raw.ct_scan import CtScan
from imgtech.io.raw.htc import read_htc
from imgtech.io.raw.ismrmrd import read_ismrmrd
from imgtech.io.raw.ismrmrd_out import write_ismrmrd
from imgtech.io.raw.jcampdx import read_jcampdx
from imgtech.io.raw.mri_scan import MriScan
from imgtech.io.raw.ndt import read_ndt_fmc
from imgtech.io.raw.parallel import read_dxchange, read_sinogram
from imgtech.io.raw.picmus import read_picmus
from imgtech.io.raw.plain import read_raw, write_raw
from imgtech.io.raw.plus_lines import BeamLines, read_plus_lines
from imgtech.io.raw.pulseq import PulseqSequence, read_pulseq
from imgtech.io.raw.pybf import read_pybf
from imgtech.io.raw.pymust import read_pymust
from imgtech.io.raw.siemens import read_siemens
from imgtech.io.raw.tiff_scan import read_tiff_scan
from imgtech.io.raw.uff import read_uff
from imgtech.io.raw.zea import read_zea

__all__ = [
    "BeamLines",
    "BrukerScan",
    "ChannelData",
    "CtScan",
    "MriScan",
    "PulseqSequence",
    "read_2dseq",
    "read_bart",
    "read_bruker",
    "read_cfl",
    "read_ct_pd",
    "read_dxchange",
    "read_htc",
    "read_ismrmrd",
    "read_jcampdx",
    "read_ndt_fmc",
    "read_picmus",
    "read_plus_lines",
    "read_pulseq",
    "read_pybf",
    "read_pymust",
    "read_raw",
    "read_siemens",
    "read_sinogram",
    "read_tiff_scan",
    "read_uff",
    "read_zea",
    "write_cfl",
    "write_ct_pd",
    "write_ismrmrd",
    "write_raw",
]
