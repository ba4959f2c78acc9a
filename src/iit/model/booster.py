"""LightGBM, with what it needs in place. Everything else imports it from here."""

from iit.model.openmp import provide_openmp

provide_openmp()

import lightgbm  # noqa: E402 - it can be loaded only now
from lightgbm.basic import LightGBMError  # noqa: E402

__all__ = ["LightGBMError", "lightgbm"]
