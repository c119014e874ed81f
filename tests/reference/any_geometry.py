"""Delay-and-sum of any probe, transmit and grid as one writes it down, everything in float64."""

from __future__ import annotations

import numpy as np


def plane(angle, elevation=0.0):
    """Way of a plane wave, by the projection on its direction."""
    along = (np.cos(angle) * np.cos(elevation), np.sin(elevation), np.sin(angle) * np.cos(elevation))
    return lambda z, y, x: z * along[0] + y * along[1] + x * along[2]


def diverging(source, reference):
    """Way of a wave from a virtual source behind the probe."""
    (sz, sy, sx), (cz, cy, cx) = source, reference
    lead = np.sqrt((cz - sz) ** 2 + (cy - sy) ** 2 + (cx - sx) ** 2)
    return lambda z, y, x: np.sqrt((z - sz) ** 2 + (y - sy) ** 2 + (x - sx) ** 2) - lead


def focused(focus, reference, f_number):
    """Way of a wave through a focus; the angle from the axis by the law of cosines."""
    focus, reference = np.array(focus), np.array(reference)
    lead = np.sqrt(((focus - reference) ** 2).sum())
    beyond = focus + (focus - reference)
    half = np.arctan(1 / (2 * f_number))

    def path(z, y, x):
        r = np.sqrt((z - focus[0]) ** 2 + (y - focus[1]) ** 2 + (x - focus[2]) ** 2)
        far2 = (z - beyond[0]) ** 2 + (y - beyond[1]) ** 2 + (x - beyond[2]) ** 2
        with np.errstate(invalid="ignore", divide="ignore"):
            cosine = np.nan_to_num((r**2 + lead**2 - far2) / (2 * r * lead))
        angle = np.arccos(np.clip(cosine, -1, 1))
        between = np.cos(np.pi * (angle - half) / (np.pi - 2 * half))
        g = np.where(angle <= half, 1.0, np.where(angle >= np.pi - half, -1.0, between))
        return lead + r * g

    return path


def single(source):
    """Way from one source that fires at time zero."""
    return lambda z, y, x: np.sqrt((z - source[0]) ** 2 + (y - source[1]) ** 2 + (x - source[2]) ** 2)


def nearest(trace, position):
    n = len(trace)
    held = np.clip(position, 0, n - 1)
    index = np.minimum(np.floor(held + 0.5).astype(int), n - 1)
    return trace[index]


def linear(trace, position):
    index = np.clip(np.floor(position).astype(int), 0, len(trace) - 2)
    f = (position - index).reshape(position.shape + (1,) * (trace.ndim - 1))
    return (1 - f) * trace[index] + f * trace[index + 1]


def convolution(reach, kernel, normalize):
    """Interpolation by a kernel of a given reach, zeros outside the record."""

    def read(trace, position):
        position = np.clip(position, 0, len(trace) - 1)
        base = np.floor(position).astype(int)
        total, norm = 0.0, 0.0
        for k in range(1 - reach, reach + 1):
            index = base + k
            w = kernel(position - index)
            known = (index >= 0) & (index < len(trace))
            shape = w.shape + (1,) * (trace.ndim - 1)
            value = np.where(known.reshape(shape), trace[np.clip(index, 0, len(trace) - 1)], 0.0)
            total = total + w.reshape(shape) * value
            norm = norm + w.reshape(shape)
        return total / norm if normalize else total

    return read


def _keys(u):
    u = np.abs(u)
    near = 1.5 * u**3 - 2.5 * u**2 + 1
    far = -0.5 * u**3 + 2.5 * u**2 - 4 * u + 2
    return np.where(u <= 1, near, np.where(u < 2, far, 0.0))


def _lanczos(u):
    return np.where(np.abs(u) < 3, np.sinc(u) * np.sinc(u / 3), 0.0)


READERS = {
    "nearest": nearest,
    "linear": linear,
    "cubic": convolution(2, _keys, False),
    "lanczos": convolution(3, _lanczos, True),
}


def direct_sum(
    data,
    positions,
    normals,
    paths,
    waves,
    points,
    *,
    f_number,
    weight,
    sound_speed_m_s,
    center_hz=None,
    read=linear,
    element=lambda cosine: 1.0,
    receive=None,
    transmit=None,
):
    """Images ``(transmit, *points.shape[:-1][, frame])`` of ``paths``, one function a transmit.

    ``weight(u)`` is the window, ``element(cosine)`` the directivity, both of one element.
    """
    data = np.asarray(data, dtype=np.complex128 if np.iscomplexobj(data) else np.float64)
    z, y, x = np.moveaxis(points, -1, 0)
    n = data.shape[2]
    images = np.zeros((len(paths), *z.shape, *data.shape[3:]), dtype=data.dtype)
    for k, path in enumerate(paths):
        for e, (place, normal) in enumerate(zip(positions, normals, strict=True)):
            r = np.sqrt((z - place[0]) ** 2 + (y - place[1]) ** 2 + (x - place[2]) ** 2)
            time_s = (path(z, y, x) + r) * 1e-3 / sound_speed_m_s + waves.pulse_delay_s
            position = (time_s - np.ravel(waves.start_s)[k]) * waves.sampling_hz
            recorded = (position >= 0) & (position <= n - 1)
            cosine = (
                (z - place[0]) * normal[0] + (y - place[1]) * normal[1] + (x - place[2]) * normal[2]
            ) / r
            cosine = np.clip(cosine, -1, 1)
            w = recorded.astype(float) * element(cosine)
            if f_number > 0:
                tangent = np.tan(np.arccos(cosine))
                u = np.where(cosine > 0, 2 * f_number * np.abs(tangent), np.inf)
                w = w * np.where(u <= 1, weight(np.minimum(u, 1.0)), 0.0)
            if receive is not None:
                w = w * receive[e]
            if transmit is not None:
                w = w * transmit[k]
            if center_hz is not None:
                w = w * np.exp(2j * np.pi * center_hz * time_s)
            w = w.reshape(w.shape + (1,) * (data.ndim - 3))
            images[k] += w * read(data[k, e], position)
    return images
