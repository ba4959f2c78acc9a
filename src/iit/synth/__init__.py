"""A credible synthetic cohort of Nigerian patients on ART, as NMRS export documents, with the true risks beside it.

For demos, tests and load. Results on it are never the quality of a model on people.
"""

from iit.synth.cohort import DEFAULT_UNTIL, cohort_documents, write_cohort
from iit.synth.parameters import SHIFTS, Shift, named_shift
from iit.synth.summary import CohortSummary

__all__ = ["DEFAULT_UNTIL", "SHIFTS", "CohortSummary", "Shift", "cohort_documents", "named_shift", "write_cohort"]
