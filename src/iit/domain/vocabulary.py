"""The kinds of fact a record may hold, and how each is written as a code.

Every source (NMRS, FHIR, HL7, …) is mapped onto these kinds, so nothing behind the importers knows where a fact came
from. A code is MEDS-style text: `VIRAL_LOAD` for a number, `WHO_STAGE//1205` for a coded answer, where the answer is
the NMRS (CIEL) concept id. Dates told by a fact (an appointment, a birthdate) are numbers: days since 1970-01-01.
"""

from enum import IntEnum
from typing import Final


class Kind(IntEnum):
    """A kind of fact. The numbers are stored in packed records: never renumber, only append."""

    # Pharmacy (a contact)
    PICKUP = 1  # ARV pick-up; value: days supplied as recorded (NaN if none); the fact alone proves the contact
    PICKUP_QUANTITY_DAYS = 2  # value: days implied by quantity dispensed / daily frequency
    REGIMEN = 3  # answer: regimen concept
    REGIMEN_LINE = 4  # answer: 164506/164513/165702 adult 1/2/3, 164507/164514/165703 child 1/2/3
    ARV_DRUG = 5  # answer: drug concept; one fact a drug line
    PICKUP_REASON = 6  # answer: 165662 refill, 165665 substitution, 165772 switch
    MISSED_DOSES = 7  # answer: 165833 <3, 165834 4-8, 165835 >9 a month
    DSD_MODEL = 8  # answer: differentiated service delivery model concept
    # Clinic
    VISIT = 10  # any clinical contact that is not a pick-up
    APPOINTMENT = 11  # value: day of the next appointment
    ADHERENCE = 12  # answer: 165287 good, 165288 fair, 165289 poor
    WEIGHT_KG = 13
    HEIGHT_CM = 14
    SYSTOLIC_MMHG = 15
    DIASTOLIC_MMHG = 16
    WHO_STAGE = 17  # answer: 1204..1207 = stage 1..4
    FUNCTIONAL_STATUS = 18  # answer: 162750 working, 160026 ambulatory, 162752 bedridden
    TB_STATUS = 19  # answer: 1660 none, 142177 suspected, 1661 diagnosed, 1662 on treatment, 166042 on INH
    TPT_START = 20  # value: day TB preventive treatment began
    TPT_STOP = 21  # value: day it ended
    PREGNANCY = 22  # answer: 165047 not pregnant, 165048 pregnant, 165049 breastfeeding
    EXPECTED_DELIVERY = 23  # value: expected day of delivery
    EAC_SESSION = 24  # enhanced adherence counselling session; value: number in its series (NaN if none)
    NO_SHOW = 25  # an appointment was not kept; value: its day
    # Laboratory
    VIRAL_LOAD = 30  # copies/mL
    CD4 = 31  # cells/uL
    # Enrolment
    ART_START = 40  # value: day ART began
    HIV_DIAGNOSIS = 41  # value: day of diagnosis
    ENROLMENT = 42  # value: day enrolled at this facility
    CARE_ENTRY = 43  # answer: care entry point concept
    PRIOR_ART = 44  # answer: prior ART / transfer-in status concept
    TRANSFER_IN = 45  # value: day transferred in
    MARITAL_STATUS = 46  # answer
    EDUCATION = 47  # answer
    OCCUPATION = 48  # answer
    # Tracing and ends
    TRACKED = 50  # one attempt to contact the patient
    DEFAULT_REASON = 51  # answer: reason for defaulting
    TERMINATION = 52  # answer: 5240 LTFU, 159492 transferred out, 165889 death, 165916 stopped
    DEATH = 53  # the patient died that day
    RETURNED = 54  # value: day returned to care, as told on the tracking form
    # Person (the source tells only today's state: dated by the day the row was made)
    BIRTH = 60  # occurred on the birthdate
    SEX = 61  # value: 1 male, 2 female
    STATE = 62  # value: place of the state in NIGERIAN_STATES, from 1
    CITY = 63  # value: 24-bit hash of the normalised town or LGA, good for comparing only
    PHONE = 64  # value: 1 a phone number exists, 0 none


CODED: Final = frozenset({
    Kind.REGIMEN, Kind.REGIMEN_LINE, Kind.ARV_DRUG, Kind.PICKUP_REASON, Kind.MISSED_DOSES, Kind.DSD_MODEL,
    Kind.ADHERENCE, Kind.WHO_STAGE, Kind.FUNCTIONAL_STATUS, Kind.TB_STATUS, Kind.PREGNANCY, Kind.CARE_ENTRY,
    Kind.PRIOR_ART, Kind.MARITAL_STATUS, Kind.EDUCATION, Kind.OCCUPATION, Kind.DEFAULT_REASON, Kind.TERMINATION,
})  # fmt: skip
"""Kinds whose value is an answer's concept id and stands in the code after `//`."""

TERMINATION_LTFU: Final = 5240
TERMINATION_TRANSFERRED_OUT: Final = 159492
TERMINATION_DIED: Final = 165889
TERMINATION_STOPPED: Final = 165916

NIGERIAN_STATES: Final = (
    "Abia", "Adamawa", "Akwa Ibom", "Anambra", "Bauchi", "Bayelsa", "Benue", "Borno", "Cross River", "Delta", "Ebonyi",
    "Edo", "Ekiti", "Enugu", "FCT", "Gombe", "Imo", "Jigawa", "Kaduna", "Kano", "Katsina", "Kebbi", "Kogi", "Kwara",
    "Lagos", "Nasarawa", "Niger", "Ogun", "Ondo", "Osun", "Oyo", "Plateau", "Rivers", "Sokoto", "Taraba", "Yobe",
    "Zamfara",
)  # fmt: skip


def code_of(kind: Kind, value: float) -> str:
    """Return the code text of a fact, for example `REGIMEN//165681` or `WEIGHT_KG`."""
    return f"{kind.name}//{int(value)}" if kind in CODED else kind.name


def kind_of(code: str) -> Kind:
    """Return the kind of a code.

    Raises:
        KeyError: the code is of no known kind.
    """
    return Kind[code.split("//", 1)[0]]


def answer_of(code: str) -> int | None:
    """Return the answer's concept id in a code, or None where the code has none."""
    _, _, answer = code.partition("//")
    return int(answer) if answer else None
