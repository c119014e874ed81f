"""Image quality: measurements with uncertainty, phantom protocols, reports.

Metrics work on arrays with spacings; protocols take a folder or a series to a report.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
