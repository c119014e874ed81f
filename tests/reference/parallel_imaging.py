"""Parallel imaging as plain loops over pixels and samples: slow, short, independent."""

from __future__ import annotations

import numpy as np


def dft_matrix(n):
    """Centred orthonormal transform from image to k-space."""
    index = np.arange(n) - n // 2
    return np.exp(-2j * np.pi * np.outer(index, index) / n) / np.sqrt(n)


def sense_encoding(maps, rows, columns):
    """The whole encoding matrix (coil and acquired sample, pixel), without any folding argument."""
    _, ny, nx = maps.shape
    transform = np.kron(dft_matrix(ny)[rows], dft_matrix(nx)[columns])
    return np.concatenate([transform * coil.ravel() for coil in maps])


def least_squares(encoding, samples, covariance, n_coils):
    """Weighted least squares image, and its covariance, for noise with the covariance of the coils."""
    inverse = np.kron(np.linalg.inv(covariance), np.eye(len(encoding) // n_coils))
    system = encoding.conj().T @ inverse @ encoding
    return np.linalg.solve(system, encoding.conj().T @ inverse @ samples), np.linalg.inv(system)


def espirit_pixel(calibration, shape, pixel, width, threshold):
    """First eigenvector and eigenvalue at one pixel, from every kernel's own Fourier sum."""
    n_coils, ny, nx = calibration.shape
    windows = [
        calibration[:, y : y + width, x : x + width].ravel()
        for y in range(ny - width + 1)
        for x in range(nx - width + 1)
    ]
    basis, sizes, _ = np.linalg.svd(np.array(windows).T, full_matrices=False)
    y, x = pixel[0] - shape[0] // 2, pixel[1] - shape[1] // 2
    wave = np.exp(2j * np.pi * np.arange(width) * y / shape[0])[:, None] * np.exp(
        2j * np.pi * np.arange(width) * x / shape[1]
    )
    kernels = [
        (vector.reshape(n_coils, width, width) * wave).sum(axis=(1, 2)) / width
        for vector, size in zip(basis.T, sizes, strict=True)
        if size >= threshold * sizes[0]
    ]
    values, vectors = np.linalg.eigh(sum(np.outer(k, k.conj()) for k in kernels))
    return vectors[:, -1], values[-1]


def grappa_loops(kspace, acquired, first, step, calibration, kernel_size, regularization):
    """Every missing sample on its own: collect the sources, sum them with the weights."""
    high, wide = kernel_size
    offsets = [(step * (j - (high - 1) // 2), i - wide // 2) for j in range(high) for i in range(wide)]
    out = np.where(acquired[:, None], kspace, 0)
    known = out.copy()
    _, ny, nx = kspace.shape
    _, cy, cx = calibration.shape

    def source(data, y, x):
        inside = [0 <= y + dy < data.shape[1] and 0 <= x + dx < data.shape[2] for dy, dx in offsets]
        return [
            coil[y + dy, x + dx] if ok else 0
            for coil in data
            for (dy, dx), ok in zip(offsets, inside, strict=True)
        ]

    for place in range(1, step):
        down, up = max(0, -offsets[0][0]), max(place, offsets[-1][0], step - 1)
        points = [(y, x) for y in range(down, cy - up) for x in range(wide // 2, cx - (wide - 1 - wide // 2))]
        left = np.array([source(calibration, y, x) for y, x in points])
        right = np.array([calibration[:, y + place, x] for y, x in points])
        gram = left.conj().T @ left
        gram = gram + regularization * np.trace(gram).real / len(gram) * np.eye(len(gram))
        weights = np.linalg.solve(gram, left.conj().T @ right)
        for y in range(first - step, ny, step):
            if 0 <= y + place < ny and not acquired[y + place]:
                for x in range(nx):
                    out[:, y + place, x] = source(masked(known, first, step), y, x) @ weights
    return out


def masked(kspace, first, step):
    """Only the lines of the regular pattern."""
    out = np.zeros_like(kspace)
    out[:, first::step] = kspace[:, first::step]
    return out


def grappa_loops_2d(kspace, acquired, first, steps, calibration, kernel_size, regularization):
    """As :func:`grappa_loops` for gaps along both axes: each missing sample looked up in a dictionary."""
    (high, wide), (ry, rx) = kernel_size, steps
    offsets = [
        (ry * (j - (high - 1) // 2), rx * (i - (wide - 1) // 2)) for j in range(high) for i in range(wide)
    ]
    places = [(y, x) for y in range(ry) for x in range(rx) if y or x]
    _, ny, nx = kspace.shape
    lattice = {(y, x) for y in range(first[0], ny, ry) for x in range(first[1], nx, rx)}

    def gather(data, known, y, x):
        shifted = [(y + dy, x + dx) for dy, dx in offsets]
        return np.array([[coil[p] if p in known else 0 for p in shifted] for coil in data]).ravel()

    cy, cx = calibration.shape[1:]
    everywhere = {(y, x) for y in range(cy) for x in range(cx)}
    bases = [
        (y, x)
        for y, x in sorted(everywhere)
        if all((y + dy, x + dx) in everywhere for dy, dx in [*offsets, *places])
    ]
    left = np.array([gather(calibration, everywhere, y, x) for y, x in bases])
    gram = left.conj().T @ left
    gram = gram + regularization * np.trace(gram).real / len(gram) * np.eye(len(gram))
    out = np.where(acquired, kspace, 0)
    known = out.copy()
    for py, px in places:
        right = np.array([calibration[:, y + py, x + px] for y, x in bases])
        weights = np.linalg.solve(gram, left.conj().T @ right)
        for y in range(first[0] - ry, ny, ry):
            for x in range(first[1] - rx, nx, rx):
                ty, tx = y + py, x + px
                if 0 <= ty < ny and 0 <= tx < nx and not acquired[ty, tx]:
                    out[:, ty, tx] = gather(known, lattice, y, x) @ weights
    return out
