"""`iit import --source csv` and `ndr`: files of lists and of registers, a person a line or report."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from iit.bootstrap import Service
from iit.cli.shared import operator
from iit.domain.errors import InvalidInput
from iit.ingest import csv, ndr
from iit.ingest.bounded import Limits
from iit.ingest.csv import ListRules
from iit.ingest.csv.dates import Order
from iit.ingest.csv.table import ENCODINGS
from iit.ingest.nmrs.moments import moments_in
from iit.ingest.sources import SourceDocument
from iit.ingest.statement import Statement
from iit.services.intake import IntakeSummary
from iit.services.statements import OnRejected, Statements

_MIB: Final = 2**20
LIMITS: Final = {
    csv.SOURCE: Limits(document_bytes=256 * _MIB, whole=csv.SUFFIXES),
    ndr.SOURCE: Limits(document_bytes=32 * _MIB, whole=ndr.SUFFIXES),
}
STATEMENTS: Final = frozenset(LIMITS)


@dataclass(frozen=True)
class ListOptions:
    """What the command line tells of lists."""

    reported: str | None
    dates: Order | None
    encoding: str
    facility: str | None

    def refuse_unless(self, fits: bool) -> None:
        """Refuse the options where no list is read."""
        if not fits and self != ListOptions(None, None, ENCODINGS[0], None):
            raise InvalidInput("--reported, --dates, --encoding and --facility are for --source csv")

    def rules(self, service: Service) -> ListRules:
        """Return the rules that the options make.

        Raises:
            InvalidInput: an option is not written as it must be.
        """
        if self.encoding not in ENCODINGS:
            raise InvalidInput(f"must be {' or '.join(ENCODINGS)}", place="--encoding")
        try:
            reported = None if self.reported is None else date.fromisoformat(self.reported)
        except ValueError:
            raise InvalidInput("write days as YYYY-MM-DD", place="--reported") from None
        zone, today = service.settings.zone, service.today()
        return ListRules(zone, today, reported, self.dates, self.encoding, self.facility)


def take_statements(
    service: Service, source: str, documents: Iterable[SourceDocument], options: ListOptions, on_rejected: OnRejected
) -> IntakeSummary:
    """Take in the statements of files."""
    intake = Statements(service.database, service.inbox.identities, source, operator(), on_rejected)
    return intake.take(_READ[source](service, documents, options))


def _lists(service: Service, documents: Iterable[SourceDocument], options: ListOptions) -> Iterator[Statement]:
    rules = options.rules(service)
    for document in documents:
        yield from csv.read_list(document, rules)


def _reports(service: Service, documents: Iterable[SourceDocument], _: ListOptions) -> Iterator[Statement]:
    moments = moments_in(service.settings.zone)
    for document in documents:
        yield from ndr.read_ndr(document, moments=moments, received=service.now())


_READ: Final = {csv.SOURCE: _lists, ndr.SOURCE: _reports}
