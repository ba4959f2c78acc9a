"""Which passwords may be chosen: long ones, none that a guesser tries first, and no rule about kinds of characters."""

import re
from typing import Final

from iit.domain.errors import InvalidInput

SHORTEST: Final = 12
LONGEST: Final = 1000

_OWN: Final = 6  # characters that are neither a word of the lists below nor the user's name
_DIFFERENT: Final = 5
_LOOK_ALIKES: Final = str.maketrans("@4301$5!", "aaeoissi")
# What guessers try first, and what somebody who knows this service would try: words, then runs of keys.
_WORDS: Final = (
    "password", "passwort", "passw", "letmein", "welcome", "iloveyou", "administrator", "admin", "changeme", "secret",
    "default", "login", "user", "test", "demo", "football", "monkey", "dragon", "master", "princess", "sunshine",
    "jesus", "nigeria", "lagos", "abuja", "clinic", "hospital", "patient", "openmrs", "nmrs", "hiv", "iit", "art",
    "service",
)  # fmt: skip
_RUNS: Final = ("1234567890", "0987654321", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm",
                "1qaz2wsx3edc4rfv5tgb6yhn7ujm")  # fmt: skip
_SHORTEST_RUN: Final = 4


def check_password(password: str, user_name: str) -> None:
    """Refuse a password that is too short, or among the first that somebody would guess.

    Raises:
        InvalidInput: it may not be chosen; the reason does not repeat it.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidInput(f"needs {SHORTEST} to {LONGEST} characters", place="password")
    own = _without_runs(password.lower()).translate(_LOOK_ALIKES)
    for word in sorted({user_name, *re.split(r"[._-]", user_name), *_WORDS}, key=len, reverse=True):
        own = own.replace(word.translate(_LOOK_ALIKES), "") if len(word) > 2 else own
    if len(own) < _OWN or len(set(password)) < _DIFFERENT:
        raise InvalidInput("is among the first to be guessed: take some words that do not belong together",
                           place="password")  # fmt: skip


def _without_runs(text: str) -> str:
    """Return a text without neighbouring keys or letters, four and more in a row."""
    kept, position = [], 0
    while position < len(text):
        length = max(_run_at(text, position, keys) for keys in _RUNS)
        if length < _SHORTEST_RUN:
            kept.append(text[position])
        position += length if length >= _SHORTEST_RUN else 1
    return "".join(kept)


def _run_at(text: str, position: int, keys: str) -> int:
    length = 0
    while position + length < len(text) and text[position : position + length + 1] in keys:
        length += 1
    return length
