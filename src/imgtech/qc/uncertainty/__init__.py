"""Uncertainty: propagation in closed form, by Monte Carlo, and of correlated data by blocks."""

from imgtech.qc.uncertainty.correlated import block_bootstrap, correlated_mean
from imgtech.qc.uncertainty.monte_carlo import MonteCarlo, monte_carlo
from imgtech.qc.uncertainty.propagation import Estimate, propagate

__all__ = ["Estimate", "MonteCarlo", "block_bootstrap", "correlated_mean", "monte_carlo", "propagate"]
