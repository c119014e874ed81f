"""Honest timing: check the answer, warm up, alternate, compare medians."""
