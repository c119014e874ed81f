"""Raw data to images; one sub-package a modality, none imports another.

What they share is here: :class:`LinearOperator` and the test that a pair is matched.
"""

from imgtech.recon.linop import LinearOperator, dot_test

__all__ = ["LinearOperator", "dot_test"]
