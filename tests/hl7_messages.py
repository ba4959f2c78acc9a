"""Messages for tests, all of invented people, and the samples that others wrote."""

from pathlib import Path

_BESIDE = [folder / "shared" / "samples" / "hl7" for folder in Path(__file__).resolve().parents]
SAMPLES = next((folder for folder in _BESIDE if folder.is_dir()), _BESIDE[-1])


RXD = "RXD|1|1^Tenofovir/Lamivudine/Dolutegravir^L|20250601|90|TAB||RX1"


def a_header(kind: str = "ADT^A08", control_id: str = "C1", **changes: str) -> str:
    """Return a header line; change `facility`, `at`, `version`, `signs`, `processing` or `charset`."""
    told = {"facility": "SYN000001", "at": "20240301101500", "version": "2.5.1", "signs": "^~\\&",
            "processing": "P", "charset": "", "app": "EMR"} | changes  # fmt: skip
    return (
        f"MSH|{told['signs']}|{told['app']}|{told['facility']}|IIT|HUB|{told['at']}||{kind}|{control_id}"
        f"|{told['processing']}|{told['version']}||||||{told['charset']}"
    ).rstrip("|")


def a_message(*segments: str, kind: str = "ADT^A08", control_id: str = "C1", **changes: str) -> bytes:
    """Return a message with these segments behind its header."""
    return "\r".join((a_header(kind, control_id, **changes), *segments)).encode() + b"\r"


def a_person(identifier: str = "MRN-1", **changes: str) -> str:
    """Return a PID segment."""
    told = {"born": "19910514", "sex": "F", "state": "Lagos", "city": "Ikeja", "phone": "CANARY-080"} | changes
    return (
        f"PID|1||{identifier}^^^SYN^MR||CANARYNAME^ADA||{told['born']}|{told['sex']}|||CANARY street^^"
        f"{told['city']}^{told['state']}||{told['phone']}"
    )


def a_dispense(control_id: str) -> bytes:
    """Return a message of 90 days dispensed on 2025-06-01."""
    return a_message(a_person("J-1"), "ORC|RE|P|F1", RXD, "TQ1|1|||||90^d", kind="RDS^O13", control_id=control_id,
                     at="20250601")  # fmt: skip


def lines(answer: bytes) -> list[list[str]]:
    """Return the fields of each segment of an acknowledgement."""
    return [line.split("|") for line in answer.decode().strip("\r").split("\r")]
