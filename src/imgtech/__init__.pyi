from . import bench as bench
from . import geometry as geometry
from . import io as io
from . import phantoms as phantoms
from . import qc as qc
from . import recon as recon
from . import report as report
from ._core.jit import threads as threads

__version__: str
