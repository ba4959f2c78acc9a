"""`iit import --source meds`: folders of MEDS datasets."""

from pathlib import Path

from iit.bootstrap import Service
from iit.bootstrap.meds import meds_intake
from iit.cli.shared import operator
from iit.services.intake import IntakeSummary
from iit.services.statements import OnRejected


def take_datasets(service: Service, roots: list[Path], facility: str | None, on_rejected: OnRejected) -> IntakeSummary:
    """Take in datasets, in order; one summary tells what became of all their histories."""
    intake, summary = meds_intake(service), IntakeSummary()
    for root in roots:
        intake.take(root, who=operator(), facility=facility, summary=summary, on_rejected=on_rejected)
    return summary
