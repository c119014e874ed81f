"""Honest timing: check the answer, warm up, alternate, compare medians."""

from imgtech.bench.builtin import builtin_comparisons
from imgtech.bench.harness import Comparison, compare, save_comparisons

__all__ = ["Comparison", "builtin_comparisons", "compare", "save_comparisons"]
