"""Files of the ISMRM raw data format, acquisition by acquisition."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from imgtech.io.raw import _ismrmrd_format as form


def header(
    *,
    encoded: tuple[int, int],
    fov: tuple[float, float] = (60.0, 66.0),
    recon_x: tuple[int, float] | None = None,
    center: int | None = None,
    kind: str = "cartesian",
    calibration: str | None = None,
    described: dict[str, float] | None = None,
    depth: int = 1,
) -> str:
    """An XML header, written by hand."""
    nx, fov_x = recon_x or (encoded[1], fov[1])
    limits = ""
    if center is not None:
        limits = (
            f"<kspace_encoding_step_1><minimum>0</minimum><maximum>{encoded[0] - 1}</maximum>"
            f"<center>{center}</center></kspace_encoding_step_1>"
        )
    pairs = "".join(
        f"<userParameter{'Long' if isinstance(v, int) else 'Double'}><name>{k}</name><value>{v}</value>"
        f"</userParameter{'Long' if isinstance(v, int) else 'Double'}>"
        for k, v in (described or {}).items()
    )
    told = f"<trajectoryDescription><identifier>EPI</identifier>{pairs}</trajectoryDescription>"
    parallel = (
        "<parallelImaging><accelerationFactor><kspace_encoding_step_1>2</kspace_encoding_step_1>"
        "<kspace_encoding_step_2>1</kspace_encoding_step_2></accelerationFactor>"
        f"<calibrationMode>{calibration}</calibrationMode></parallelImaging>"
    )

    def space(name: str, n: tuple[int, int], size: tuple[float, float]) -> str:
        return (
            f"<{name}><matrixSize><x>{n[1]}</x><y>{n[0]}</y><z>{depth}</z></matrixSize>"
            f"<fieldOfView_mm><x>{size[1]}</x><y>{size[0]}</y><z>5</z></fieldOfView_mm></{name}>"
        )

    one = (
        "<encoding>"
        + space("encodedSpace", encoded, fov)
        + space("reconSpace", (encoded[0], nx), (fov[0], fov_x))
        + f"<encodingLimits>{limits}</encodingLimits><trajectory>{kind}</trajectory>"
        + (told if described else "")
        + (parallel if calibration else "")
        + "</encoding>"
    )
    return (
        f'<?xml version="1.0"?><ismrmrdHeader xmlns="{form.NAMESPACE}"><experimentalConditions>'
        f"<H1resonanceFrequency_Hz>63870000</H1resonanceFrequency_Hz></experimentalConditions>{one}"
        "</ismrmrdHeader>"
    )


def acquisition(
    samples: np.ndarray,
    labels: dict[str, int],
    *flags: int,
    center_sample: int | None = None,
    discard_pre: int = 0,
    discard_post: int = 0,
    encoding: int = 0,
    sample_time_us: float = 5.0,
    positions: np.ndarray | None = None,
    cut: bool = False,
) -> tuple:
    """One acquisition of ``(coil, sample)``."""
    head = np.zeros((), form.acquisition_head())
    head["flags"] = sum(2 ** (flag - 1) for flag in flags)
    head["active_channels"], head["number_of_samples"] = samples.shape
    head["center_sample"] = samples.shape[1] // 2 if center_sample is None else center_sample
    head["discard_pre"], head["discard_post"] = discard_pre, discard_post
    head["encoding_space_ref"], head["sample_time_us"] = encoding, sample_time_us
    for name, value in labels.items():
        head["idx"][form.COUNTERS[name]] = value
    places = np.zeros(0, np.float32)
    if positions is not None:
        head["trajectory_dimensions"] = positions.shape[1]
        places = positions.astype(np.float32).ravel()
    values = samples.astype(np.complex64).ravel().view(np.float32)
    return head, places, values[:-4] if cut else values


def write_file(path: Path, text: str, rows: list[tuple]) -> Path:
    """A file with this header and these acquisitions."""
    import h5py

    with h5py.File(path, "w") as file:
        group = file.create_group("dataset")
        kind = h5py.special_dtype(vlen=bytes)
        group.create_dataset("xml", data=np.array([text.encode()], object), dtype=kind)
        group.create_dataset("data", data=np.array(rows, form.acquisition()))
    return path
