"""imgtech: raw scanner data to an image, a phantom image to a verdict with an uncertainty.

Sub-packages load when first used: :mod:`imgtech.geometry`, :mod:`imgtech.phantoms`,
:mod:`imgtech.io`, :mod:`imgtech.recon`, :mod:`imgtech.qc`, :mod:`imgtech.report`,
:mod:`imgtech.bench`.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

__version__ = "0.1.0"
