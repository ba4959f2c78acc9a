"""FHIR bodies spoilt at random: values of the wrong kind, parts lost, doubled or swapped, bytes that are no JSON."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

from tests.fhir_resources import a_bundle, a_dispense, a_patient, an_answer, an_id, an_observation

_ODD: tuple[Any, ...] = (
    None, "", 0, -1, 1e308, -1e-308, 2**70, True, [], {}, [[]], "\x00", "\ud800", "x" * 3000, "9999-12-31T23:59:59Z",
    "0001-01-01", "2024-02-30", "2024-13-01T00:00:00+99:99", "1900", "#", "Patient/", "urn:uuid:", "https://x/Patient/1",
    'W/"1"', "identifier=a|b", "identifier=", "entered-in-error", "http://loinc.org", "856", "165708", "<20", "1e5",
    {"reference": "#x"}, {"value": 10**400}, {"coding": [{"system": "http://loinc.org", "code": "20447-9"}]},
)  # fmt: skip
_BYTES = (
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b":",
    b"\\",
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\\ud800",
    b"1e999",
    b"NaN",
)


def seeds() -> list[dict[str, Any]]:
    """Return whole bodies to spoil."""
    appointment = {
        "resourceType": "Appointment", "id": an_id("a"), "status": "noshow", "created": "2024-01-10",
        "start": "2024-03-11T09:00:00+01:00", "participant": [{"actor": {"reference": f"Patient/{an_id('one')}"}}],
    }  # fmt: skip
    encounter = {
        "resourceType": "Encounter", "id": an_id("e"), "status": "finished", "class": {"code": "AMB"},
        "type": [{"text": "Care Card"}], "subject": {"reference": f"Patient/{an_id('one')}"},
        "period": {"start": "2024-01-10"},
    }  # fmt: skip
    episode = {
        "resourceType": "EpisodeOfCare", "id": an_id("p"), "status": "active", "type": [{"text": "HIV"}],
        "patient": {"reference": f"Patient/{an_id('one')}"}, "period": {"start": "2024-01-10"},
    }  # fmt: skip
    inside = a_dispense(
        medicationCodeableConcept=None, medicationReference={"reference": "#m"},
        contained=[{"resourceType": "Medication", "id": "m", "code": {"text": "TDF/3TC/DTG"}}],
        quantity={"value": 90},
        dosageInstruction=[{"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}],
    )  # fmt: skip
    link = [{"other": {"reference": f"Patient/{an_id('two')}"}, "type": "replaces"}]
    whole = [a_patient(link=link), a_dispense(), inside, an_observation(), an_answer(5356, valueString="WHO stage 3"),
             appointment, encounter, episode]  # fmt: skip
    bundles = [a_bundle(*whole, kind=kind) for kind in ("transaction", "batch")]
    return [*bundles, *whole]


def mutations(seed: int, number: int) -> Iterator[bytes]:
    """Yield so many spoilt bodies, the same for the same seed."""
    chance = random.Random(seed)
    whole = seeds()
    for _ in range(number):
        body = copy.deepcopy(chance.choice(whole))
        for _ in range(chance.randint(0, 5)):
            _spoil(body, chance, whole)
        raw = bytearray(json.dumps(body).encode())
        for _ in range(chance.choice((0, 0, 0, 1, 3))):
            _tear(raw, chance)
        yield bytes(raw)


def _spoil(body: dict[str, Any], chance: random.Random, whole: list[dict[str, Any]]) -> None:
    """Change one place of a body."""
    places = list(_places(body))
    if not places:
        return
    holder, key = chance.choice(places)
    act = chance.randrange(5)
    if act == 0:
        del holder[key]
    elif act == 1:
        other, from_key = chance.choice(list(_places(chance.choice(whole))))
        holder[key] = copy.deepcopy(other[from_key])
    elif act == 2:
        holder[key] = [copy.deepcopy(holder[key])] * chance.randint(0, 4)
    elif act == 3 and isinstance(holder, dict):
        holder[chance.choice(("contained", "link", "component", "identifier", "resourceType", "request"))] = holder[key]
    else:
        holder[key] = copy.deepcopy(chance.choice(_ODD))  # some can be changed, and must not be by the next


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in list(children):
        yield value, key
        yield from _places(child)


def _tear(raw: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(raw) + 1)
    end = min(len(raw), at + chance.randint(1, 30))
    act = chance.randrange(4)
    if act == 0:
        del raw[at:end]
    elif act == 1:
        raw[at:at] = chance.choice(_BYTES)
    elif act == 2:
        raw[at:at] = raw[at:end] * chance.randint(1, 200)
    else:
        raw[at:at] = b"[" * chance.choice((5, 5000))
