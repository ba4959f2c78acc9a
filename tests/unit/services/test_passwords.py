"""Passwords that may be chosen, and those that may not."""

import pytest

from iit.domain.errors import InvalidInput
from iit.services.passwords import LONGEST, SHORTEST, check_password


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("correct horse battery", id="words"),
        pytest.param("k7#Qw!z9Lm2x", id="the shortest that may be"),
        pytest.param("nur kleine buchstaben", id="small letters only"),
        pytest.param("ńýmphś über ạlles 犬", id="letters of any script"),
        pytest.param("  spaces at the ends  ", id="spaces"),
        pytest.param("tango violin " * (LONGEST // 13), id="very long"),
    ],
)
def test_a_long_password_of_any_characters_may_be_chosen(password: str) -> None:
    check_password(password, "ada")


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("k7#Qw!z9Lm2", id="one character too short"),
        pytest.param("x7" * (LONGEST // 2) + "x", id="one character too long"),
        pytest.param("password1234", id="a common one"),
        pytest.param("P@ssw0rd!2024", id="a common one with look-alikes"),
        pytest.param("1234567890123456", id="digits in a row"),
        pytest.param("qwertyuiopasdf", id="keys in a row"),
        pytest.param("1qaz2wsx3edc4rfv", id="keys in columns"),
        pytest.param("aaaaaaaaaaaaaaaa", id="one character"),
        pytest.param("abcabcabcabcabc", id="three characters"),
        pytest.param("iit-hiv-clinic1", id="words of this service"),
        pytest.param("grace.hopper12", id="the name and two digits"),
        pytest.param("HopperGrace2024", id="parts of the name"),
    ],
)
def test_what_is_guessed_first_may_not_be_chosen_and_is_not_repeated(password: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_password(password, "grace.hopper")
    assert password not in str(refused.value)


def test_the_shortest_has_twelve_characters() -> None:
    assert SHORTEST == 12
