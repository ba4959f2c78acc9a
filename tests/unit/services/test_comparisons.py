"""What is compared with a secret takes as long whatever it is; `python -m benchmarks.timing` measures it."""

import hmac
import inspect
from types import ModuleType

import pytest
from argon2 import PasswordHasher, extract_parameters

from iit.api import local
from iit.services import keys, logins, single_sign_on
from iit.services.logins import Logins
from iit.web import rules


@pytest.mark.parametrize("module", [keys, logins, single_sign_on, rules, local], ids=lambda module: module.__name__)
def test_secrets_are_compared_in_constant_time(module: ModuleType) -> None:
    assert module.hmac.compare_digest is hmac.compare_digest  # type: ignore[attr-defined]
    assert "compare_digest(" in inspect.getsource(module)


def test_the_name_of_nobody_costs_as_much_as_a_wrong_password() -> None:
    checks = Logins(None, None, None)  # type: ignore[arg-type]
    assert extract_parameters(checks._dummy) == extract_parameters(PasswordHasher().hash("x"))
    assert not checks._fits(None, "whatever it is")
