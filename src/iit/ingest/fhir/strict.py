"""Validation by the resources' full definitions (R4B), on request: it takes many times as long as reading."""

import importlib
import re
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from iit.domain.errors import InvalidInput
from iit.ingest.fhir.bundle import Entry

_INDEX: Final = re.compile(r"\.(\d+)")


def validate(entry: Entry) -> None:
    """Refuse a resource that is not as R4 defines it.

    Raises:
        InvalidInput: names the first element that is not.
    """
    models = importlib.import_module("fhir.resources.R4B")  # at first use: it takes half a second to load
    try:
        model = models.get_fhir_model_class(entry.kind)
    except LookupError:
        raise InvalidInput("is no type of resource of R4", place=f"{entry.place}.resourceType") from None
    value: Any = msgspec.json.decode(entry.raw)
    try:
        model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        path = _INDEX.sub(r"[\1]", ".".join(str(one) for one in first["loc"] if str(one)[:1].isalnum()))
        reason = str(first["type"]).replace("_", " ").replace(".", " ")
        raise InvalidInput(f"is not as R4 defines it: {reason}", place=f"{entry.place}.{path}".rstrip(".")) from None
