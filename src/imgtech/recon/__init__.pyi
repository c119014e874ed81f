from . import ct as ct
from . import gridding as gridding
from . import mri as mri
from . import solvers as solvers
from . import ultrasound as ultrasound
from .linop import LinearOperator as LinearOperator
from .linop import dot_test as dot_test
