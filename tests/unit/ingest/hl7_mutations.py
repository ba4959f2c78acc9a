"""Messages spoilt at random, as broken senders and hostile ones would."""

import random
from collections.abc import Iterator

from tests.hl7_messages import SAMPLES, a_message, a_person

_SIGNS = b'|^~\\&\r\n\x0b\x1c\0\xff\xfeM"X.0123456789'
_SPLICES = (
    b"\\X4\\",
    b"\\.br\\",
    b"MSH|^~\\&|",
    b"BHS|",
    b"||||||||",
    b"~" * 50,
    b"\\" * 9,
    b"\xef\xbb\xbf",
    b'""',
    b"99991231",
)


def seeds() -> list[bytes]:
    """Return whole messages to spoil: our own, and the samples where they are."""
    own = [
        a_message("EVN||20240301", a_person(), "PV1|1|O||||||||||||||||||||||||||||||||||20", kind="ADT^A03"),
        a_message(a_person(), "MRG|OLD^^^SYN^MR", kind="ADT^A40"),
        a_message(a_person(), "OBR|1|P|F|856^^CIEL|||20240201", "OBX|1|SN|856^^CIEL||<^20|cp/mL|||||F", kind="ORU^R01"),
        a_message(a_person(), "ORC|RE|P|F", "RXD|1|1^TLD^L|20240201|90|||R1|||||1", "TQ1|1|||||90^d", kind="RDS^O13"),
        a_message("SCH|P9|A9|||||||||^^^20240415", a_person(), kind="SIU^S12"),
    ]
    return own + [path.read_bytes() for path in sorted(SAMPLES.rglob("*.hl7"))]


def mutations(seed: int, number: int) -> Iterator[bytes]:
    """Yield so many spoilt messages, the same for the same seed."""
    chance = random.Random(seed)
    whole = seeds()
    for _ in range(number):
        spoilt = bytearray(chance.choice(whole))
        for _ in range(chance.randint(1, 8)):
            _spoil(spoilt, chance, whole)
        yield bytes(spoilt)


def _spoil(spoilt: bytearray, chance: random.Random, whole: list[bytes]) -> None:
    at = chance.randrange(len(spoilt) + 1)
    end = min(len(spoilt), at + chance.randint(1, 40))
    act = chance.randrange(7)
    if act == 0 and spoilt:
        spoilt[at % len(spoilt)] = chance.choice(_SIGNS)
    elif act == 1:
        del spoilt[at:end]
    elif act == 2:
        spoilt[at:at] = chance.choice(_SPLICES)
    elif act == 3:
        spoilt[at:at] = spoilt[at:end] * chance.randint(1, 30)
    elif act == 4:
        del spoilt[at:]
    elif act == 5:
        other = chance.choice(whole)
        start = chance.randrange(len(other))
        spoilt[at:end] = other[start : start + chance.randint(1, 200)]
    else:
        spoilt[at:at] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 6)))
