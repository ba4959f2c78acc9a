"""What came in one body: the entries of a bundle, or a single resource, each with its place; and who is who in it."""

import json
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from iit.domain.errors import InvalidInput, ServiceError
from iit.ingest.fhir.resources import (
    MAPPED,
    REFERRED_TO,
    Reference,
    Request,
    Resource,
    decode,
    decode_bundle,
    type_of,
)

MAX_ENTRIES: Final = 20_000
TRANSACTION: Final = "transaction"
BATCH: Final = "batch"
KINDS: Final = frozenset({TRANSACTION, BATCH, "collection", "searchset", "document", "message", "history"})
"""Types of bundle that are read; all but a transaction are taken entry by entry."""

_METHODS: Final = frozenset({"POST", "PUT"})
_URL: Final = re.compile(r"([A-Z][A-Za-z]{1,63})(?:/([A-Za-z0-9.-]{1,64}))?(?:\?(.{1,1000}))?")
_ABSOLUTE: Final = re.compile(r"(https?://[^?#\s]{1,500})/([A-Z][A-Za-z]{1,63})/([A-Za-z0-9.-]{1,64})(?:/_history/.*)?")
_RELATIVE: Final = re.compile(r"([A-Z][A-Za-z]{1,63})/([A-Za-z0-9.-]{1,64})(?:/_history/.*)?")
_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")


class Entry(NamedTuple):
    """One resource as it came.

    Attributes:
        place: where it is, as a FHIRPath expression: `Bundle.entry[3].resource`, or the type of a single resource.
        kind: its type; "" where that cannot be told.
        raw: its JSON.
        full_url: where it is known, or "".
        request: what is to be done with it.
        resource: None where its type is not read, or it cannot be.
        error: why it cannot be.
    """

    place: str
    kind: str
    raw: bytes
    full_url: str
    request: Request
    resource: Resource | None
    error: ServiceError | None

    def __repr__(self) -> str:
        return f"Entry({self.kind})"


class Contents(NamedTuple):
    """What came.

    Attributes:
        type: of the bundle; "" of a single resource.
        timestamp: of the bundle, or None.
        entries: in order.
    """

    type: str
    timestamp: str | None
    entries: list[Entry]

    def __repr__(self) -> str:
        return f"Contents({len(self.entries)} entries)"


class Target(NamedTuple):
    """Where a reference points: a server's base, the type and the id there; or a `urn:` as it is."""

    base: str
    kind: str
    id: str

    def __repr__(self) -> str:
        return "Target()"


def read_contents(data: bytes, request: Request | None = None) -> Contents:
    """Return the entries of a body; what is wrong with one is told there.

    Args:
        data: the body.
        request: what is to be done with the single resource that it must be then; None takes bundles too.

    Raises:
        InvalidInput: the body is no resource, or a bundle of a type that is not read.
    """
    if data[:3] == b"\xef\xbb\xbf":
        data = data[3:]
    try:
        str(data, "utf-8")  # the decoder does not look into what it skips
    except UnicodeDecodeError:
        raise InvalidInput("the text is not valid JSON in UTF-8") from None
    kind = type_of(data, "")
    if kind != "Bundle" or request is not None:
        return Contents("", None, [_entry(kind, data, "", request or Request())])
    bundle = decode_bundle(data)
    if bundle.type not in KINDS:
        raise InvalidInput("must be a transaction, batch, collection, searchset or history", place="Bundle.type")
    if len(bundle.entry) > MAX_ENTRIES:
        raise InvalidInput(f"holds more than {MAX_ENTRIES} entries", place="Bundle.entry")
    entries = []
    for number, one in enumerate(bundle.entry):
        place = f"Bundle.entry[{number}].resource"
        entries.append(_entry(place, bytes(one.resource), one.full_url or "", one.request or Request()))
    return Contents(bundle.type, bundle.timestamp, entries)


def contents_of(resources: Sequence[tuple[str, bytes]], base: str = "") -> Contents:
    """Return single resources with their places, from the server of a base if one is told, as a batch."""
    entries = []
    for place, raw in resources:
        entry = _entry(place, raw, "", Request())
        if base and entry.resource is not None and entry.resource.id:
            entry = entry._replace(full_url=f"{base}/{entry.kind}/{entry.resource.id}")
        entries.append(entry)
    return Contents(BATCH, None, entries)


def bundle_of(entries: Sequence[Entry], kind: str, timestamp: str | None) -> bytes:
    """Return a bundle of some entries, as they came."""
    told = []
    for one in entries:
        parts = [b'"resource":' + one.raw]
        if one.full_url:
            parts.append(b'"fullUrl":' + json.dumps(one.full_url).encode())
        named = {"method": one.request.method, "url": one.request.url, "ifNoneExist": one.request.if_none_exist,
                 "ifMatch": one.request.if_match}  # fmt: skip
        if any(named.values()):
            parts.append(b'"request":' + json.dumps({key: text for key, text in named.items() if text}).encode())
        told.append(b"{" + b",".join(parts) + b"}")
    head = {"resourceType": "Bundle", "type": kind} | ({} if timestamp is None else {"timestamp": timestamp})
    return json.dumps(head).encode()[:-1] + b',"entry":[' + b",".join(told) + b"]}"


def target_of(reference: str) -> Target | None:
    """Return where a reference points; None where it is written in another way."""
    if reference.startswith("urn:"):
        return Target("", "", reference)
    absolute = _ABSOLUTE.fullmatch(reference)
    if absolute is not None:
        return Target(*absolute.groups())
    relative = _RELATIVE.fullmatch(reference)
    return None if relative is None else Target("", *relative.groups())


def base_of(full_url: str) -> str:
    """Return the base of the server that a full URL names, or ""."""
    found = _ABSOLUTE.fullmatch(full_url)
    return "" if found is None else found[1]


class Directory:
    """The resources of a body by everything that refers to them.

    Attributes:
        used: what was found since this was last emptied.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.used: list[Entry] = []
        self._found: dict[str, Entry] = {}
        for one in entries:
            if one.resource is None:
                continue
            if one.full_url:
                self._found.setdefault(one.full_url, one)
            if one.resource.id:
                self._found.setdefault(f"{one.kind}/{one.resource.id}", one)

    def find(self, reference: Reference | None) -> Entry | None:
        """Return what a reference points to within the body."""
        written = "" if reference is None else reference.reference or ""
        found = self._found.get(written) or self._near(written)
        if found is not None:
            self.used.append(found)
        return found

    def _near(self, written: str) -> Entry | None:
        """Return the resource of a type and id, if it is not known to be of another server than the one referred to."""
        target = target_of(written)
        if target is None or not target.kind:
            return None
        near = self._found.get(f"{target.kind}/{target.id}")
        base = "" if near is None else base_of(near.full_url)
        return near if not target.base or not base or target.base == base else None


def _entry(place: str, raw: bytes, full_url: str, request: Request) -> Entry:
    kind, resource = "", None
    try:
        _refuse_method(request, place)
        if not raw:
            raise InvalidInput("the resource is missing", place=place)
        kind = type_of(raw, place)
        _refuse_url(request, kind, place)
        if kind in MAPPED or kind in REFERRED_TO:
            resource = _with_id(decode(kind, raw, place), request, place)
    except ServiceError as error:
        return Entry(place, kind, raw, full_url, request, None, error)
    return Entry(place, kind, raw, full_url, request, resource, None)


def _refuse_method(request: Request, place: str) -> None:
    if request.method is not None and request.method not in _METHODS:
        where = place.removesuffix(".resource") + ".request.method"
        raise InvalidInput(
            "only POST and PUT are done in a bundle; what is wrong is sent as entered-in-error", place=where
        )


def _refuse_url(request: Request, kind: str, place: str) -> None:
    if request.url is None:
        return
    found = _URL.fullmatch(request.url)
    if found is None or found[1] != kind:
        raise InvalidInput("does not name the resource's type", place=place.removesuffix(".resource") + ".request.url")


def _with_id(resource: Resource, request: Request, place: str) -> Resource:
    """Return the resource under the id that the request's URL names.

    Raises:
        InvalidInput: the id is no FHIR id, or both name different ones.
    """
    if resource.id is not None and not _ID.fullmatch(resource.id):
        raise InvalidInput("is no id of FHIR", place=f"{place}.id")
    found = _URL.fullmatch(request.url or "")
    if request.method != "PUT" or found is None:
        return resource
    named = found[2]
    if named is None and found[3] is None:
        raise InvalidInput("names no resource", place=place.removesuffix(".resource") + ".request.url")
    if named is not None and resource.id not in (None, named):
        raise InvalidInput("is not the id of the request's URL", place=f"{place}.id")
    resource.id = named or resource.id
    return resource
