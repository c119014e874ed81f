"""The other programs of bias.py: each takes the same projections and gives an image in 1/mm.

Images come back as imgtech orders them: y and x grow with the index.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as _version
from typing import Any

import numpy as np

from imgtech.geometry import ConeBeam, FanBeam, ImageGrid, ParallelBeam
from imgtech.io.beams import beam_to_astra

Reconstruct = Callable[[np.ndarray, str], np.ndarray]
_ROWS = 9  # of a cone that stands for a fan


class Refused(Exception):
    """The program says no to this geometry."""


@dataclass(frozen=True)
class Peer:
    """A program: how to set it up for a beam, and whether it has a Hann window."""

    package: str
    maker: Callable[[Any, ImageGrid], Reconstruct]
    windows: bool = True

    @property
    def version(self) -> str:
        """Installed version, or nothing."""
        try:
            return _version(self.package)
        except PackageNotFoundError:
            return ""

    @property
    def installed(self) -> bool:
        """Whether the package is there."""
        return bool(self.version)


def _astra(beam: Any, grid: ImageGrid) -> Reconstruct:
    astra = importlib.import_module("astra")
    half = grid.fov_mm[0] / 2
    volume = astra.create_vol_geom(*grid.shape, -half, half, -half, half)
    rays = beam_to_astra(beam)
    made = astra.create_projector("line_fanflat" if isinstance(beam, FanBeam) else "linear", rays, volume)

    def call(data: np.ndarray, window: str) -> np.ndarray:
        sinogram, image = astra.data2d.create("-sino", rays, data), astra.data2d.create("-vol", volume)
        config = astra.astra_dict("FBP") | {
            "ProjectorId": made,
            "ProjectionDataId": sinogram,
            "ReconstructionDataId": image,
            "FilterType": window,
        }
        try:
            algorithm = astra.algorithm.create(config)
            astra.algorithm.run(algorithm)
        except Exception as error:
            raise Refused(" ".join(str(error).split())) from error
        return astra.data2d.get(image)[::-1].copy()

    return call


def _skimage(beam: ParallelBeam, grid: ImageGrid) -> Reconstruct:
    """Axis at channel and pixel n // 2: the middle, as n is odd."""
    transform = importlib.import_module("skimage.transform")
    n, step = grid.shape[0], grid.spacing_mm[0]
    angles = np.rad2deg(beam.angles_rad)

    def call(data: np.ndarray, window: str) -> np.ndarray:
        name = "ramp" if window == "ram-lak" else window
        image = transform.iradon(
            np.ascontiguousarray(data.T), angles, filter_name=name, circle=True, output_size=n
        )
        return image[::-1] / step

    return call


def _odl(beam: Any, grid: ImageGrid) -> Reconstruct:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        odl = importlib.import_module("odl")
        tomo = importlib.import_module("odl.applications.tomo")
    half = grid.fov_mm[0] / 2
    space = odl.uniform_discr([-half, -half], [half, half], grid.shape[::-1], dtype="float32")
    reach = beam.n_channels * beam.channel_spacing_mm / 2
    middle = beam.detector_offset_mm
    detector = odl.uniform_partition(middle - reach, middle + reach, beam.n_channels)
    step = beam.angles_rad[1] - beam.angles_rad[0]
    first = beam.angles_rad[0] - step / 2
    views = odl.uniform_partition(first, first + step * beam.n_views, beam.n_views)

    def call(data: np.ndarray, window: str) -> np.ndarray:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                operator, weight = rays()
                inverse = tomo.fbp_op(
                    operator, filter_type={"ram-lak": "Ram-Lak", "hann": "Hann"}[window], padding=True
                )
                y = operator.range.element(data)
                return inverse(y * weight if weight is not None else y).asarray().T.copy()
        except Exception as error:
            raise Refused(" ".join(str(error).split()) or type(error).__name__) from error

    def rays() -> tuple[Any, Any]:
        if isinstance(beam, ParallelBeam):
            geometry = tomo.Parallel2dGeometry(views, detector)
        else:
            curve = beam.source_detector_mm if beam.detector == "curved" else None
            geometry = tomo.FanBeamGeometry(
                views,
                detector,
                src_radius=beam.source_axis_mm,
                det_radius=beam.source_detector_mm - beam.source_axis_mm,
                det_curvature_radius=curve,
            )
        operator = tomo.RayTransform(space, geometry, impl="astra_cpu")
        short = isinstance(beam, FanBeam) and np.ptp(beam.angles_rad) < 1.9 * np.pi
        return operator, tomo.parker_weighting(operator) if short else None

    return call


def _algotom(beam: ParallelBeam, grid: ImageGrid) -> Reconstruct:
    module = importlib.import_module("algotom.rec.reconstruction")
    place, step = _Place(grid), grid.spacing_mm[0]
    axis = (beam.n_channels - 1) / 2

    def call(data: np.ndarray, window: str) -> np.ndarray:
        image = module.fbp_reconstruction(
            data, axis, angles=beam.angles_rad, ratio=None, apply_log=False, gpu=False, ncore=2,
            filter_name=None if window == "ram-lak" else window,
        )  # fmt: skip
        return place(image) / step

    return call


def _mbirjax(beam: Any, grid: ImageGrid) -> Reconstruct:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mbirjax = importlib.import_module("mbirjax")
    n, step, place = grid.shape[0], grid.spacing_mm[0], _Place(grid)
    if isinstance(beam, ParallelBeam):
        rows, model = 1, mbirjax.ParallelBeamModel((beam.n_views, 1, beam.n_channels), beam.angles_rad)
        settings: dict[str, Any] = {"recon_shape": (n, n, 1), "delta_det_row": step}
    else:
        cone = beam if isinstance(beam, ConeBeam) else as_cone(beam)
        rows = cone.n_rows
        helix = np.ptp(np.asarray(cone.source_z_mm)) > 0
        model = mbirjax.ConeBeamModel(
            cone.shape, cone.angles_rad, source_detector_dist=cone.source_detector_mm,
            source_iso_dist=cone.source_axis_mm, use_curved_detector=cone.detector == "curved",
            helical_z_shifts=np.asarray(cone.source_z_mm) if helix else None,
        )  # fmt: skip
        slices = 1 if not helix else 3
        settings = {"recon_shape": (n, n, slices), "delta_det_row": cone.row_spacing_mm}
    model.set_params(
        delta_det_channel=beam.channel_spacing_mm, delta_voxel=step, no_warning=True, verbose=0,
        det_channel_offset=-beam.detector_offset_mm, **settings,
    )  # fmt: skip

    def call(data: np.ndarray, window: str) -> np.ndarray:
        if data.ndim == 2:
            data = data[:, None, :] if rows == 1 else stretched(data, as_cone(beam))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            volume = np.asarray(model.direct_recon(np.ascontiguousarray(data)))
        return place(volume[:, :, volume.shape[2] // 2])

    return call


def as_cone(beam: FanBeam) -> ConeBeam:
    """A cone of a few rows about the plane of a fan."""
    return ConeBeam(
        source_axis_mm=beam.source_axis_mm, source_detector_mm=beam.source_detector_mm,
        angles_rad=beam.angles_rad, n_channels=beam.n_channels, channel_spacing_mm=beam.channel_spacing_mm,
        n_rows=_ROWS, row_spacing_mm=beam.channel_spacing_mm, detector=beam.detector,
        detector_offset_mm=beam.detector_offset_mm,
    )  # fmt: skip


def stretched(sinogram: np.ndarray, cone: ConeBeam) -> np.ndarray:
    """Projections of an object that does not change along z."""
    u, v = cone.channels_mm, cone.rows_mm[:, None]
    plane = np.hypot(cone.source_detector_mm, u) if cone.detector == "flat" else cone.source_detector_mm
    return (sinogram[:, None, :] * np.hypot(plane, v) / plane).astype(np.float32)


def _rtk(beam: Any, grid: ImageGrid) -> Reconstruct:
    itk = importlib.import_module("itk")
    rtk = itk.RTK
    cone = beam if isinstance(beam, ConeBeam) else as_cone(beam)
    n, step = grid.shape[0], grid.spacing_mm[0]
    geometry = rtk.ThreeDCircularProjectionGeometry.New()
    for angle in np.rad2deg(cone.angles_rad):
        geometry.AddProjection(
            cone.source_axis_mm, cone.source_detector_mm, float(angle), cone.detector_offset_mm, 0.0
        )
    if cone.detector == "curved":
        geometry.SetRadiusCylindricalDetector(cone.source_detector_mm)
    image = itk.Image[itk.F, 3]
    weights = ["DisplacedDetectorImageFilter"] if cone.detector_offset_mm else []
    weights += ["ParkerShortScanImageFilter"] if np.ptp(cone.angles_rad) < 1.9 * np.pi else []

    def call(data: np.ndarray, window: str) -> np.ndarray:
        views = itk.image_from_array(stretched(data, cone) if data.ndim == 2 else data)
        views.SetSpacing([cone.channel_spacing_mm, cone.row_spacing_mm, 1.0])
        corner = [-(m - 1) / 2 for m in (cone.n_channels, cone.n_rows)]
        views.SetOrigin([corner[0] * cone.channel_spacing_mm, corner[1] * cone.row_spacing_mm, 0.0])
        for name in weights:
            weigh = getattr(rtk, name)[image].New()
            weigh.SetInput(views)
            weigh.SetGeometry(geometry)
            weigh.Update()
            views = weigh.GetOutput()
        empty = rtk.ConstantImageSource[image].New()
        empty.SetSize([n, 1, n])
        empty.SetSpacing([step] * 3)
        empty.SetOrigin([-(n - 1) / 2 * step, 0.0, -(n - 1) / 2 * step])
        made = rtk.FDKConeBeamReconstructionFilter[image].New()
        made.SetInput(0, empty.GetOutput())
        made.SetInput(1, views)
        made.SetGeometry(geometry)
        made.GetRampFilter().SetTruncationCorrection(0.0)
        made.GetRampFilter().SetHannCutFrequency(1.0 if window == "hann" else 0.0)
        try:
            made.Update()
        except RuntimeError as error:
            raise Refused(str(error).split("ITK ERROR: ")[-1].strip()) from error
        return np.array(itk.array_from_image(made.GetOutput()))[:, 0, :][::-1].copy()

    return call


class _Place:
    """Turns and mirrors images of a program without documented axes so that the disk lies where it is.

    Which way is found on the first image, which is the disk.
    """

    def __init__(self, grid: ImageGrid) -> None:
        from bias import DISK

        self.truth = DISK.image(grid)
        self.way: tuple[int, int] | None = None

    def __call__(self, image: np.ndarray) -> np.ndarray:
        def turned(quarters: int, step: int) -> np.ndarray:
            return np.rot90(image[::step], quarters)

        if self.way is None:
            scale = self.truth.sum() / image.sum()
            ways = [(quarters, step) for quarters in range(4) for step in (1, -1)]
            self.way = min(ways, key=lambda w: float(np.abs(turned(*w) * scale - self.truth).sum()))
        return turned(*self.way).copy()


PEERS = {
    "astra": Peer("astra-toolbox", _astra),
    "scikit-image": Peer("scikit-image", _skimage),
    "odl": Peer("odl", _odl),
    "algotom": Peer("algotom", _algotom),
    "mbirjax": Peer("mbirjax", _mbirjax, windows=False),
    "itk-rtk": Peer("itk-rtk", _rtk),
}
