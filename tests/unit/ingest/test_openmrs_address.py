"""Addresses of OpenMRS databases: strict, safe by default, and silent about passwords."""

from pathlib import Path

import pytest

from iit.domain.errors import InvalidInput
from iit.ingest.openmrs.address import Tls, read_address


@pytest.mark.parametrize(
    ("url", "host", "port", "database", "user", "word"),
    [
        ("mysql://reader:secret@emr.example:3307/openmrs", "emr.example", 3307, "openmrs", "reader", "secret"),
        ("mariadb://reader@emr/nmrs", "emr", 3306, "nmrs", "reader", ""),
        ("mysql+pymysql://a%40b:p%2Fw%3A@10.0.0.1/open%20mrs", "10.0.0.1", 3306, "open mrs", "a@b", "p/w:"),
        (" mysql://reader:x@[fd00::1]:3306/openmrs ", "fd00::1", 3306, "openmrs", "reader", "x"),
    ],
)
def test_an_address_is_taken_apart(url: str, host: str, port: int, database: str, user: str, word: str) -> None:
    told = read_address(url)
    assert (told.host, told.port, told.database, told.user, told.password) == (host, port, database, user, word)


@pytest.mark.parametrize(
    ("url", "tls"),
    [
        pytest.param("mysql://u@localhost/o", Tls.OFF, id="this machine"),
        pytest.param("mysql://u@127.0.0.1/o", Tls.OFF, id="this machine by number"),
        pytest.param("mysql://u@emr/o?socket=/run/mysqld.sock", Tls.OFF, id="a socket"),
        pytest.param("mysql://u@emr/o", Tls.VERIFY, id="another machine"),
        pytest.param("mysql://u@emr/o?tls=require", Tls.REQUIRE, id="encrypted only"),
        pytest.param("mysql://u@localhost/o?tls=verify", Tls.VERIFY, id="asked for"),
    ],
)
def test_other_machines_are_spoken_to_in_secret_unless_told_otherwise(url: str, tls: Tls) -> None:
    assert read_address(url).tls is tls


@pytest.mark.parametrize(
    "url",
    [
        "http://u:geheim@emr/openmrs",
        "mysql://u:geheim@emr",
        "mysql://:geheim@emr/openmrs",
        "mysql://u:geheim@emr:port/openmrs",
        "mysql://u:geheim@emr:99999/openmrs",
        "mysql://u:geheim@emr/a/b",
        "mysql://u:geheim@emr/openmrs?tls=geheim",
        "mysql://u:geheim@emr/openmrs?password=geheim",
        "mysql://u:geheim@emr/openmrs?ca=/geheim.pem",
        "mysql://u:geheim@[emr/openmrs",
        "geheim",
    ],
)
def test_a_wrong_address_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(InvalidInput) as told:
        read_address(url)
    assert "geheim" not in str(told.value)


def test_neither_name_nor_repr_shows_user_or_password() -> None:
    address = read_address("mysql://reader:geheim@[fd00::1]/openmrs")
    assert address.name == "mysql://[fd00::1]:3306/openmrs"
    assert "geheim" not in repr(address)
    assert "reader" not in repr(address)


@pytest.mark.parametrize(("tls", "checks"), [("require", False), ("verify", True)])
def test_a_certificate_is_checked_where_that_is_asked_for(tls: str, checks: bool) -> None:
    context = read_address(f"mysql://u@emr/o?tls={tls}").connection()["ssl"]
    assert (context.check_hostname, context.verify_mode.value > 0) == (checks, checks)


def test_a_broken_file_of_certificates_is_told(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    address = read_address(f"mysql://u@emr/o?ca={tmp_path / 'ca.pem'}")
    with pytest.raises(InvalidInput, match="certificates"):
        address.connection()
