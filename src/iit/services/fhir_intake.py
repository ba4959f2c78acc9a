"""Files of resources: bundles, and the lines of a bulk export, taken in as if they had been sent."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from iit.domain.access import Principal
from iit.domain.errors import ServiceError
from iit.ingest.fhir.bundle import Contents, Entry, contents_of, read_contents
from iit.ingest.fhir.resources import REFERRED_TO, type_of
from iit.ingest.sources import SourceDocument
from iit.services.fhir import Exchange, Fate
from iit.services.fhir_work import Done
from iit.services.intake import IntakeSummary, Rejection

_LINES: Final = 500  # single resources a transaction

OnRejected = Callable[[SourceDocument, Rejection], None]
Sources = Callable[[], Iterable[SourceDocument]]


@dataclass(repr=False)
class FhirIntake:
    """One import of files.

    Attributes:
        exchange: what takes resources in.
        who: imports.
        on_rejected: is handed each rejected resource.
    """

    exchange: Exchange
    who: Principal
    on_rejected: OnRejected | None = None
    summary: IntakeSummary = field(default_factory=IntakeSummary, init=False)
    _beside: list[Entry] = field(default_factory=list, init=False, repr=False)

    def take(self, sources: Sources) -> IntakeSummary:
        """Take in documents: bundles, or single resources as a bulk export has them a line.

        They are gone through twice, for a bulk export is sorted by type: first the people, with the facilities and
        medicines that others refer to, then everything else. Resources are counted, not documents.

        Args:
            sources: yields the same documents each time.

        Raises:
            Unavailable: the database went away; what is taken stays, and a repeat continues.
        """
        self._pass(sources(), wanted=lambda kind: kind == "Patient" or kind in REFERRED_TO)
        self._pass(sources(), wanted=lambda kind: kind != "Patient" and kind not in REFERRED_TO, is_last=True)
        return self.summary

    def _pass(
        self, documents: Iterable[SourceDocument], *, wanted: Callable[[str], bool], is_last: bool = False
    ) -> None:
        lines: list[SourceDocument] = []
        for document in documents:
            try:
                if document.error is not None:
                    raise document.error
                kind = type_of(document.data, "")
            except ServiceError as error:
                if is_last:
                    self.summary.n_read += 1
                    self._reject(document, error)
                continue
            if not wanted(kind):
                continue
            if kind == "Bundle":
                self._bundle(document)
                continue
            lines.append(document)
            if len(lines) == _LINES:
                self._lines(lines)
                lines = []
        self._lines(lines)

    def _bundle(self, document: SourceDocument) -> None:
        try:
            contents = read_contents(document.data)
        except ServiceError as error:
            self.summary.n_read += 1
            self._reject(document, error)
            return
        places = [f"{document.place} {entry.place}" for entry in contents.entries]
        self._take(contents, document.data, places)

    def _lines(self, documents: Sequence[SourceDocument]) -> None:
        if documents:
            contents = contents_of([("", document.data) for document in documents])
            self._take(contents, b"", [document.place for document in documents])
            self._beside += [one for one in contents.entries if one.kind in REFERRED_TO]

    def _take(self, contents: Contents, data: bytes, places: Sequence[str]) -> None:
        told, fates = self.exchange.take(contents, data, who=self.who, beside=self._beside)
        self.summary.n_read += len(told)
        is_refused = contents.type == "transaction" and any(isinstance(one, ServiceError) for one in fates)
        for one, fate, place in zip(told, fates, places, strict=True):
            self.summary.warnings.update(one.notes)
            if isinstance(fate, ServiceError):
                self._reject(SourceDocument(place, one.entry.raw), fate)
            elif is_refused:
                self._reject(SourceDocument(place, one.entry.raw), _NOT_ALONE)
            else:
                self._count(fate)

    def _count(self, fate: Fate) -> None:
        if isinstance(fate, Done) and fate.is_new:
            self.summary.n_added += 1
        elif isinstance(fate, Done) and fate.is_changed:
            self.summary.n_updated += 1
        else:
            self.summary.n_unchanged += 1

    def _reject(self, document: SourceDocument, error: ServiceError) -> None:
        rejection = self.summary.reject(document.place, error)
        if self.on_rejected is not None:
            self.on_rejected(document, rejection)


_NOT_ALONE: Final = ServiceError("another entry of its transaction is at fault: nothing of it is taken")
