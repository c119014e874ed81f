"""Sums behind the metrics that NumPy would make through large temporaries or threads of its own."""

import math

from imgtech._core.jit import kernel


@kernel
def lag_sums(image, out):
    """Sums of products of an image with itself, shifted down by 0 to wy rows and by up to wx columns.

    ``out`` is ``(wy + 1, 2 wx + 1)``: ``out[k, wx + m]`` is the sum of ``image[y, x] * image[y + k, x + m]``.
    The window must be smaller than the image.
    """
    n_rows, n_columns = image.shape
    reach = out.shape[1] // 2
    out[:] = 0.0
    for y in range(n_rows):
        for k in range(min(out.shape[0], n_rows - y)):
            # shifts along a row alone are the same either way
            for m in range(0 if k == 0 else -reach, reach + 1):
                first = max(-m, 0)
                length = n_columns - abs(m)
                here = image[y, first : first + length]
                there = image[y + k, first + m : first + m + length]
                total = 0.0
                for x in range(length):
                    total += here[x] * there[x]
                out[k, reach + m] += total
    for m in range(1, reach + 1):
        out[0, reach - m] = out[0, reach + m]


@kernel
def weighted_moments(weights, values, out):
    """Sum of weights, of squared weights, weighted mean, and weighted sum of squares around it."""
    total = squares = first = 0.0
    for i in range(weights.size):
        total += weights[i]
        squares += weights[i] * weights[i]
        first += weights[i] * values[i]
    mean = first / total
    second = 0.0
    for i in range(weights.size):
        second += weights[i] * (values[i] - mean) ** 2
    out[0] = total
    out[1] = squares
    out[2] = mean
    out[3] = second


@kernel
def orthonormal_columns(smallest, basis, triangle, found):
    """Make columns orthonormal one after the other, each cleared twice of those before it.

    ``basis`` is ``(columns, rows)``: one column a row, replaced in place; ``triangle`` (columns, columns)
    gets the factors R with ``old = R.T @ new``. Stops at the first column of which less than ``smallest``
    of its length is left; ``found[0]`` is the number of columns before it.
    """
    n_columns, n_rows = basis.shape
    found[0] = n_columns
    for j in range(n_columns):
        column = basis[j]
        whole = 0.0
        for i in range(n_rows):
            whole += column[i] * column[i]
        for _ in range(2):
            for k in range(j):
                other = basis[k]
                share = 0.0
                for i in range(n_rows):
                    share += other[i] * column[i]
                triangle[k, j] += share
                for i in range(n_rows):
                    column[i] -= share * other[i]
        left = 0.0
        for i in range(n_rows):
            left += column[i] * column[i]
        length = math.sqrt(left)
        if length <= smallest * math.sqrt(whole):
            found[0] = j
            break
        triangle[j, j] = length
        for i in range(n_rows):
            column[i] /= length
