"""Iterative solvers on any linear operator, real or complex, and the gradient they regularise with."""

from imgtech.recon.solvers.gradient import Gradient
from imgtech.recon.solvers.hermitian import solve_hermitian
from imgtech.recon.solvers.least_squares import conjugate_gradient
from imgtech.recon.solvers.norm import operator_norm
from imgtech.recon.solvers.primal_dual import pdhg
from imgtech.recon.solvers.proximal import fista
from imgtech.recon.solvers.solution import Solution

__all__ = [
    "Gradient",
    "Solution",
    "conjugate_gradient",
    "fista",
    "operator_norm",
    "pdhg",
    "solve_hermitian",
]
