"""Records read over the REST and FHIR2 interfaces of an OpenMRS, where its database cannot be reached."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from iit.domain.errors import InvalidInput, NotFound
from iit.ingest.nmrs.document import Document
from iit.ingest.openmrs.answers import Answers, document_of
from iit.ingest.openmrs.database import told_by
from iit.ingest.openmrs.rest import Rest
from iit.ingest.openmrs.told import Batch, Told

_FHIR: Final = "ws/fhir2/R4"
_V1: Final = "ws/rest/v1"
_PAGE: Final = 100
_AUDIT: Final = "auditInfo:(dateCreated,dateChanged)"
_ANSWER: Final = f"uuid,voided,obsDatetime,value,concept:(uuid,display,datatype:(display)),{_AUDIT}"
_PATIENT: Final = (
    "custom:(uuid,voided,identifiers:(voided,identifierType:(display)),person:(gender,birthdate,dead,deathDate,"
    f"preferredAddress:(cityVillage,stateProvince),attributes:(voided,attributeType:(display)),{_AUDIT}))"
)
_ENCOUNTER: Final = (
    f"custom:(uuid,voided,encounterDatetime,form:(display),encounterType:(display),visit:(voided),{_AUDIT},"
    f"obs:({_ANSWER},groupMembers:({_ANSWER},groupMembers:({_ANSWER}))))"
)
_PROGRAM: Final = f"custom:(uuid,voided,dateEnrolled,program:(display),{_AUDIT})"


@dataclass(frozen=True)
class OpenmrsWeb:
    """Reads an OpenMRS over HTTP. Names, identifiers, addresses and telephone numbers are not asked for.

    Who changed is asked of FHIR2 (`_lastUpdated` of patients, encounters and observations), which does not tell of
    voided rows: those are found when the patient changes otherwise, or by a full reading.

    Attributes:
        rest: the way there.
        facility: code of the facility.
        zone: the facility's time zone.
        clock: the present time.
        known: patients of the facility that are held here; a full reading looks whether they are still there.
    """

    rest: Rest
    facility: str
    zone: tzinfo
    clock: Callable[[], datetime]
    known: Callable[[], Sequence[str]] = field(repr=False)

    @property
    def name(self) -> str:
        """What the source is called."""
        return self.rest.address.base

    def present(self) -> datetime:
        """Return the present time by the site's clock. Raises as `Rest.get`, here and in all that follows."""
        return self.rest.present(self.zone)

    def changed(self, since: datetime | None) -> Sequence[str]:
        """Return the UUIDs of those who changed since then, or of all who are there or known here, in order."""
        if since is None:
            return sorted({*self._listed("Patient", {}), *self.known()})
        asked = {"_lastUpdated": f"ge{since.astimezone(self.zone).isoformat(timespec='seconds')}"}
        found = set(self._listed("Patient", asked))
        for resource in ("Encounter", "Observation"):
            found.update(self._listed(resource, asked))
        return sorted(found)

    def after(self, keys: Sequence[str], position: str) -> Sequence[str]:
        """Return those of the UUIDs that come after a position."""
        return [key for key in keys if key > position]

    def read(self, keys: Sequence[str]) -> Batch:
        """Return all that is told of these patients.

        Only who is marked as voided is: one whom the site does not find is rejected, for a wrong address finds nobody.
        """
        return Batch([self._told(uuid) for uuid in keys])

    def _told(self, uuid: str) -> Told:
        try:
            return told_by(self._document(uuid), self.zone)
        except NotFound:
            return Told(f"patient {uuid}", InvalidInput("the site does not find this patient any more"))

    def _document(self, uuid: str) -> Document:
        told = Answers(
            self.rest.get(f"{_V1}/patient/{uuid}", v=_PATIENT),
            list(self._pages(f"{_V1}/encounter", patient=uuid, v=_ENCOUNTER)),
            list(self._pages(f"{_V1}/programenrollment", patient=uuid, v=_PROGRAM)),
        )
        return document_of(told, facility=self.facility, read_at=self.clock().astimezone(self.zone))

    def _pages(self, path: str, **asked: str) -> Iterator[Any]:
        start = 0
        while True:
            page = self.rest.get(path, **asked, limit=_PAGE, startIndex=start)
            results = page.get("results") or []
            yield from results
            start += len(results)
            if not results or not any(link.get("rel") == "next" for link in page.get("links") or ()):
                return

    def _listed(self, resource: str, asked: dict[str, str]) -> Iterator[str]:
        """Yield the patients whom resources are about; pages are asked for at our address, whatever links name."""
        path, query = f"{_FHIR}/{resource}", {**asked, "_count": str(_PAGE)}
        while True:
            page = self.rest.get(path, **query)
            for entry in page.get("entry") or ():
                yield from _patient(entry.get("resource") or {})
            following = next((link["url"] for link in page.get("link") or () if link.get("relation") == "next"), None)
            if following is None:
                return
            query = dict(parse_qsl(urlsplit(following).query))
            path = _FHIR if "_getpages" in query else path


def _patient(resource: dict[str, Any]) -> Iterator[str]:
    if resource.get("resourceType") == "Patient":
        yield str(resource["id"])
        return
    kind, _, uuid = str((resource.get("subject") or {}).get("reference") or "").rpartition("/")
    if uuid and kind.endswith("Patient"):
        yield uuid


def needed_facility(code: str | None) -> str:
    """Return the code of the facility, which the interface does not tell.

    Raises:
        InvalidInput: none is set.
    """
    if code is None:
        raise InvalidInput("must be set to read OpenMRS over HTTP", place="IIT_OPENMRS_FACILITY")
    return code
