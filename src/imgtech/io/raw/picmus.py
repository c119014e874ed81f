"""Channel data of the plane-wave imaging challenge PICMUS (HDF5)."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from imgtech._core.validate import positive
from imgtech.geometry import LinearArray, PlaneWaves
from imgtech.io.raw._containers import hdf5_number, hdf5_values, open_hdf5
from imgtech.io.raw._elements import even_row
from imgtech.io.raw.channel_data import ChannelData

_GROUP = "US/US_DATASET0000"


def read_picmus(path: str | PathLike[str], *, center_hz: float = 5.208e6) -> ChannelData:
    """Read an RF file of PICMUS (``*_dataset_rf.hdf5``).

    The group ``US/US_DATASET0000`` holds ``data/real (angle, element, sample)``, ``angles`` in radians,
    ``probe_geometry (3, element)`` as x, y, z in m, ``sampling_frequency`` in Hz, ``initial_time`` in s,
    ``sound_speed`` in m/s, ``PRF`` in Hz and ``modulation_frequency``, which is 0 for RF. Time counts from
    the moment a wave passes the middle of the probe. The pulse delay and the width of the elements do not
    stand in the file: they are taken as 0 and as the pitch.

    Parameters
    ----------
    path : path_like
        The file.
    center_hz : float, optional
        Centre frequency of the probe, which an RF file does not hold; 5.208 MHz in the challenge.

    Returns
    -------
    ChannelData
        RF ``(transmit, element, sample)`` in the number format of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If h5py is not installed (extra ``raw``).
    ValueError
        If the file is damaged or no HDF5 file, a field is missing or has the wrong form, the elements are
        no even row, or the data are IQ.

    References
    ----------
    Liebgott et al. 2016, "Plane-wave imaging challenge in medical ultrasound", IEEE IUS,
    doi:10.1109/ULTSYM.2016.7728908.

    Examples
    --------
    >>> from imgtech.io.raw import read_picmus
    >>> raw = read_picmus("resolution_distorsion_simu_dataset_rf.hdf5")  # doctest: +SKIP
    """
    path = Path(path)
    name = path.name
    with open_hdf5(path) as file:
        carrier_hz = hdf5_number(name, file, f"{_GROUP}/modulation_frequency")
        if carrier_hz != 0:
            raise ValueError(
                f"{name}: data must be RF (modulation_frequency 0), got IQ at {carrier_hz:.6g} Hz"
            )
        place_mm = 1e3 * hdf5_values(name, file, f"{_GROUP}/probe_geometry")
        if place_mm.ndim != 2 or place_mm.shape[0] != 3 or place_mm.shape[1] < 2:
            raise ValueError(f"{name}: probe_geometry must be (3, element), got shape {place_mm.shape}")
        row = even_row(place_mm[::-1].T)
        if row is None:
            raise ValueError(f"{name}: probe_geometry must be an even row along x")
        return ChannelData(
            data=hdf5_values(name, file, f"{_GROUP}/data/real", keep=True),
            probe=LinearArray(n_elements=place_mm.shape[1], pitch_mm=row[0], center_mm=row[1]),
            waves=PlaneWaves(
                angles_rad=hdf5_values(name, file, f"{_GROUP}/angles").ravel(),
                sampling_hz=hdf5_number(name, file, f"{_GROUP}/sampling_frequency"),
                start_s=hdf5_number(name, file, f"{_GROUP}/initial_time"),
            ),
            center_hz=positive("center_hz", center_hz),
            sound_speed_m_s=hdf5_number(name, file, f"{_GROUP}/sound_speed"),
            prf_hz=hdf5_number(name, file, f"{_GROUP}/PRF") if f"{_GROUP}/PRF" in file else None,
        )
