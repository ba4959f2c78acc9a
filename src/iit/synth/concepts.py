"""NMRS concepts and forms that the synthetic documents use: ids, preferred names and data types.

Ids and names of questions come from the NMRS concept dump; answers are CIEL concepts.
"""

from typing import Final, NamedTuple

NUMERIC: Final = 1
CODED: Final = 2
NOTHING: Final = 4
DATE: Final = 6


class Concept(NamedTuple):
    """A question: its preferred name and its data type."""

    name: str
    datatype: int


class Form(NamedTuple):
    """A form: its id, its encounter type and its name."""

    form_id: int
    encounter_type: int
    name: str


ENROLMENT: Final = Form(23, 14, "HIV Enrollment Form")
CARE_CARD: Final = Form(14, 12, "Care Card")
PHARMACY: Final = Form(27, 13, "Pharmacy Order Form")
LABORATORY: Final = Form(21, 11, "Laboratory Order and Result form")
TRACKING: Final = Form(13, 15, "Client Tracking and Termination Form")

NOT_PREGNANT: Final = 165047
PREGNANT: Final = 165048
BREASTFEEDING: Final = 165049
FEW_MISSED: Final = 165833  # 165834 some, 165835 many
GOOD_ADHERENCE: Final = 165287  # 165288 fair, 165289 poor
BY_PHONE: Final = 1650
BY_HOME_VISIT: Final = 160551

CONCEPTS: Final[dict[int, Concept]] = {
    856: Concept("HIV VIRAL LOAD", NUMERIC),
    1054: Concept("Civil status", CODED),
    1443: Concept("Medication dispensed", NUMERIC),
    1542: Concept("Occupation", CODED),
    1659: Concept("Tuberculosis disease status", CODED),
    1712: Concept("Highest Educational Level", CODED),
    5085: Concept("Systolic blood pressure", NUMERIC),
    5086: Concept("Diastolic blood pressure", NUMERIC),
    5089: Concept("Weight (kg)", NUMERIC),
    5090: Concept("Height (cm)", NUMERIC),
    5096: Concept("RETURN VISIT DATE", DATE),
    5356: Concept("CURRENT WHO HIV STAGE", CODED),
    5497: Concept("CD4 COUNT", NUMERIC),
    5596: Concept("Estimated date of confinement", DATE),
    159368: Concept("Medication duration", NUMERIC),
    159599: Concept("Antiretroviral treatment start date", DATE),
    159951: Concept("Specimen collection date", DATE),
    160534: Concept("Date transfered in", DATE),
    160540: Concept("Method of enrollment", CODED),
    160554: Concept("Date of HIV diagnosis", DATE),
    162240: Concept("Human immunodeficiency virus treatment regimen", CODED),
    164181: Concept("Visit type", CODED),
    164506: Concept("Adult 1st line ARV regimen", CODED),
    164507: Concept("Child 1st line ARV regimen", CODED),
    164513: Concept("Adult 2nd line ARV regimen", CODED),
    164514: Concept("Child 2nd line ARV regimen", CODED),
    164852: Concept("Date isoniazid prophylaxis was started", DATE),
    164989: Concept("Ordered date", DATE),
    165039: Concept("Functional Status", CODED),
    165050: Concept("Pregnancy/Breastfeeding Status", CODED),
    165242: Concept("Prior ART", CODED),
    165290: Concept("ARV Drugs Adherence", CODED),
    165414: Concept("Date Reported", DATE),
    165460: Concept("Reason for Tracking", CODED),
    165461: Concept("Date of Last Actual Contact", DATE),
    165463: Concept("Date Patient Contacted", DATE),
    165465: Concept("Mode of Communication", CODED),
    165467: Concept("Reason for Defaulting", CODED),
    165469: Concept("Date of Termination", DATE),
    165470: Concept("Reason for Termination", CODED),
    165586: Concept("Previous ARV exposure", CODED),  # on form 13 it means "care in this facility terminated"
    165708: Concept("Current Regimen Line", CODED),
    165720: Concept("Treatment age group", CODED),
    165723: Concept("Drug Frequency", CODED),
    165724: Concept("ARV Medication", CODED),
    165726: Concept("Drugs for OI Prophylaxis", NOTHING),
    165727: Concept("OI drugs", CODED),
    165774: Concept("Pick Up Reason", CODED),
    165775: Concept("Date Returned to Care", DATE),
    165778: Concept("Date of Missed Scheduled Appointment", DATE),
    165836: Concept("Number of missed doses per month", CODED),
    165902: Concept("Contact Attempt", NOTHING),
    166096: Concept("Date isoniazid prophylaxis was stopped", DATE),
}

ANSWERS: Final[dict[int, str]] = {
    1056: "Separated", 1057: "Never married", 1058: "Divorced", 1059: "Widowed", 5555: "Married",
    1065: "Yes", 1066: "No",
    1107: "None", 1713: "Primary school education", 1714: "Secondary school education",
    160292: "Tertiary education complete",
    1204: "WHO STAGE 1 ADULT", 1205: "WHO STAGE 2 ADULT", 1206: "WHO STAGE 3 ADULT", 1207: "WHO STAGE 4 ADULT",
    1528: "Child", 165709: "Adult",
    1539: "Self-employed", 1540: "Employed", 123801: "Unemployed", 159465: "Student",
    1650: "Phone", 160551: "Home visit",
    1660: "No signs or symptoms of disease", 142177: "Disease suspected", 1662: "On treatment for disease",
    166042: "Currently on INH prophylaxis",
    1737: "LACK OF MONEY FOR TRANSPORT", 162192: "Forgot", 160586: "Felt better", 165896: "Work", 165031: "Sick",
    165898: "Still had drugs", 165897: "Lost appointment card", 5622: "Other",
    5240: "Lost to follow up", 159492: "Transferred out", 165889: "Death", 165916: "Discontinued care",
    160026: "Ambulatory", 162750: "Able to walk without assistance", 162752: "Bedridden",
    160530: "Return Visit Type", 164180: "New Visit Type",
    160538: "Prevention of maternal to child transmission program",
    160539: "Voluntary counseling and testing center", 160541: "Tuberculosis treatment program",
    160542: "Outpatient department", 160563: "Transfer in",
    160858: "Twice daily", 160862: "Once daily",
    164505: "TDF-3TC-EFV", 165681: "TDF-3TC-DTG", 165691: "ABC-3TC-DTG", 162561: "AZT-3TC-LPV/r",
    164512: "TDF-3TC-ATV/r",
    164506: "Adult 1st line ARV regimen", 164507: "Child 1st line ARV regimen",
    164513: "Adult 2nd line ARV regimen", 164514: "Child 2nd line ARV regimen",
    165047: "Not Pregnant", 165048: "Pregnant", 165049: "Breastfeeding",
    165257: "Cotrimoxazole", 1679: "Isoniazid",
    165287: "G (Good) > 95% < 3 doses", 165288: "F (Fair) 85-94% 4-8 doses", 165289: "P (Poor) <85% >9 doses",
    165462: "Missed Appointment",
    165631: "Dolutegravir", 75523: "Efavirenz", 794: "Lopinavir / ritonavir", 159809: "Atazanavir / ritonavir",
    165662: "Refill", 165665: "Substitution", 165772: "Switch",
    165833: "Less than 3 doses", 165834: "4-8 doses", 165835: "Greater than 9 doses",
}  # fmt: skip
