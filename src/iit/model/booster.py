"""LightGBM, loaded with what it needs at first use. Training takes it from here; serving does without."""

import pickle
from types import ModuleType

from iit.extras import extra_module
from iit.model.openmp import provide_openmp


def lightgbm() -> ModuleType:
    """Return the library.

    Raises:
        Unavailable: it, or the OpenMP library it needs, is not installed.
    """
    provide_openmp()
    return extra_module("lightgbm", extra="train")


def exported(model_text: str) -> bytes:
    """Return the pickle that the operators' guide opens with `joblib.load`: a Booster with these trees."""
    return pickle.dumps(lightgbm().Booster(model_str=model_text))
