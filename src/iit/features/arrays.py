"""Names for the arrays that kernels take, for the reader and the type checker; compiling ignores them."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.signedinteger[Any]]
Flags: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.floating[Any]]
Tables: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float64]]
Room: TypeAlias = tuple[NDArray[Any], ...]
Arrays: TypeAlias = tuple[NDArray[Any], ...]
