"""Strict validation of a message against the standard's own structures, on request, with hl7apy."""

import importlib
import importlib.util

from iit.domain.errors import InvalidInput, Unavailable


def validate(raw: bytes, codec: str) -> None:
    """Hold a message to its version's structure: segments, cardinalities, types and lengths.

    Raises:
        InvalidInput: it does not conform. The reason names the kind of fault; hl7apy's own words may hold values.
        Unavailable: hl7apy is not installed here.
    """
    if importlib.util.find_spec("hl7apy") is None:
        raise Unavailable("strict validation needs the extra `hl7`", place="validate", retry_after_seconds=3600)
    parser = importlib.import_module("hl7apy.parser")
    strict = importlib.import_module("hl7apy.consts").VALIDATION_LEVEL.STRICT
    try:
        parser.parse_message(raw.decode(codec), validation_level=strict).validate()
    except Exception as cause:
        kind = type(cause).__name__
        raise InvalidInput(f"the message does not conform to its version ({kind})", place="message") from cause
