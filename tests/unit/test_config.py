"""Settings: secrets from the environment or from files, and what is refused."""

from pathlib import Path

import pytest

from iit.config import load_settings
from iit.domain.errors import InvalidInput

GOOD = "0123456789abcdefghijklmnopqrstuv-good"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IIT_DATA_DIR", str(tmp_path))


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param("", id="empty"),
        pytest.param("x" * 31, id="short"),
        pytest.param("ab" * 30, id="a repetition"),
        pytest.param("please-changeme-0123456789-abcdefghij", id="an example"),
        pytest.param(f"{GOOD} short", id="the one before is short"),
    ],
)
def test_a_weak_secret_stops_the_start_and_is_not_told(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("IIT_SECRET_KEY", secret)
    with pytest.raises(InvalidInput, match="IIT_SECRET_KEY") as refused:
        load_settings()
    assert not secret or secret not in str(refused.value)


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(f"{GOOD}\n{GOOD[::-1]}\n")
    monkeypatch.setenv("IIT_SECRET_KEY_FILE", str(path))
    settings = load_settings()
    assert settings.secret_key is not None
    assert settings.secret_key.get_secret_value().split() == [GOOD, GOOD[::-1]]
    assert GOOD not in repr(settings)


def test_a_file_and_a_variable_contradict_each_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IIT_SECRET_KEY_FILE", str(tmp_path / "missing"))
    with pytest.raises(InvalidInput, match="IIT_SECRET_KEY_FILE: cannot be read"):
        load_settings()
    monkeypatch.setenv("IIT_SECRET_KEY", GOOD)
    with pytest.raises(InvalidInput, match="IIT_SECRET_KEY is set too"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IIT_TRUSTED_PROXIES", "10.0.0.0/8, proxy.example"),
        ("IIT_REDIS_URL", "http://redis:6379"),
        ("IIT_RATE_LIMIT_PER_MINUTE", "-1"),
    ],
)
def test_what_makes_no_sense_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInput, match=name):
        load_settings()
