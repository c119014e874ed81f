"""Readers of raw scanner data."""

from imgtech.io.raw.bruker import BrukerScan, read_2dseq, read_bruker
from imgtech.io.raw.jcampdx import read_jcampdx

__all__ = ["BrukerScan", "read_2dseq", "read_bruker", "read_jcampdx"]
