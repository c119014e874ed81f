"""What the processor can do, as far as kernels ask."""

from __future__ import annotations

import os

import llvmlite.binding
from numba import config


def has_avx512() -> bool:
    """True if code is compiled for AVX-512 and the environment variable ``IMGTECH_AVX512`` is not 0."""
    if os.environ.get("IMGTECH_AVX512", "1") == "0":
        return False
    if config.CPU_FEATURES is not None:  # type: ignore[attr-defined]
        return "+avx512f" in config.CPU_FEATURES.split(",")  # type: ignore[attr-defined]
    try:
        return bool(llvmlite.binding.get_host_cpu_features().get("avx512f", False))
    except RuntimeError:  # LLVM does not know the features of this processor
        return False
