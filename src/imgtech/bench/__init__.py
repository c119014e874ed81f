"""Honest timing: check the answer, warm up, alternate, compare medians."""

from imgtech.bench.harness import Comparison, compare, save_comparisons

__all__ = ["Comparison", "compare", "save_comparisons"]
