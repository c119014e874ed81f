"""The dot test finds operators that are not matched."""

import numpy as np
import pytest

from imgtech.recon import LinearOperator, dot_test


class Phase(LinearOperator):
    """Multiplication by i, with an adjoint that may be wrong."""

    input_shape = output_shape = (5, 3)

    def __init__(self, back):
        self.back = back

    def forward(self, x):
        return 1j * np.asarray(x)

    def adjoint(self, y):
        return self.back * np.asarray(y)


def test_a_matched_complex_pair_passes(rng):
    assert dot_test(Phase(-1j), rng, np.complex128) < 1e-15


def test_a_forgotten_conjugate_is_found(rng):
    assert dot_test(Phase(1j), rng, np.complex128) > 0.5


def test_a_scale_of_one_per_thousand_is_found(rng):
    assert dot_test(Phase(-1.001j), rng, np.complex64) == pytest.approx(1e-3, rel=0.01)


def test_a_wrong_shape_is_refused(rng):
    class Flat(Phase):
        def adjoint(self, y):
            return np.ravel(y)

    with pytest.raises(ValueError, match="operator must map"):
        dot_test(Flat(1.0), rng)
