"""Coded answers as small numbers for the model and as words for people.

A table lists the NMRS (CIEL) concept ids of a question with plain words; a feature's value is the answer's place in
its table, from 1. An answer outside its table is 0, "other".
"""

from math import nan
from typing import Final, cast

import numpy as np

from iit.domain.vocabulary import Kind
from iit.features.arrays import Floats, Ints, Tables

N_KINDS: Final = 72  # more than the largest `Kind`

TABLES: Final[dict[Kind, tuple[tuple[int, str], ...]]] = {
    Kind.DEFAULT_REASON: (
        (165031, "too sick"),
        (1737, "no money for transport"),
        (159492, "transferred"),
        (162192, "forgot"),
        (160586, "felt better"),
        (165896, "work"),
        (165897, "lost the card"),
        (165898, "still had drugs"),
        (5841, "herbal treatment"),
        (5622, "another reason"),
    ),
    Kind.REGIMEN: (
        (165681, "TDF-3TC-DTG"),
        (164505, "TDF-3TC-EFV"),
        (165682, "TDF-FTC-DTG"),
        (165691, "ABC-3TC-DTG"),
        (162561, "AZT-3TC-LPV/r"),
        (164512, "TDF-3TC-ATV/r"),
        (165692, "a DTG regimen"),
        (165697, "a DTG regimen"),
        (165688, "a DTG regimen"),
        (166187, "a DTG regimen"),
    ),
    Kind.PICKUP_REASON: ((165662, "refill"), (165665, "substitution"), (165772, "switch")),
    Kind.MARITAL_STATUS: (
        (5555, "married"),
        (1057, "never married"),
        (1058, "divorced"),
        (1056, "separated"),
        (1059, "widowed"),
        (1060, "living with a partner"),
    ),
    Kind.EDUCATION: (
        (1107, "none"),
        (1713, "primary school"),
        (1714, "secondary school"),
        (160292, "higher education"),
        (159785, "college or university"),
    ),
    Kind.OCCUPATION: (
        (123801, "unemployed"),
        (1539, "trader"),
        (159465, "student"),
        (159461, "retired"),
        (1538, "farmer"),
        (1540, "employee"),
        (159466, "driver"),
    ),
    Kind.CARE_ENTRY: (
        (160542, "outpatient clinic"),
        (160539, "voluntary testing"),
        (160538, "antenatal care"),
        (160541, "tuberculosis clinic"),
        (160536, "adult ward"),
        (160537, "children's ward"),
        (160563, "transfer from another facility"),
    ),
    Kind.TB_STATUS: (
        (1660, "no sign of tuberculosis"),
        (142177, "suspected tuberculosis"),
        (1661, "diagnosed tuberculosis"),
        (1662, "tuberculosis treatment"),
        (166042, "tuberculosis prevention"),
    ),
    Kind.FUNCTIONAL_STATUS: ((162750, "able to work"), (160026, "ambulatory"), (162752, "bedridden")),
    Kind.ADHERENCE: ((165287, "good adherence"), (165288, "fair adherence"), (165289, "poor adherence")),
    Kind.MISSED_DOSES: ((165833, "under 3"), (165834, "4 to 8"), (165835, "over 9")),
    Kind.PREGNANCY: ((165047, "not pregnant"), (165048, "pregnant"), (165049, "breastfeeding")),
    Kind.REGIMEN_LINE: (
        (164506, "first line"),
        (164513, "second line"),
        (165702, "third line"),
        (164507, "first line"),
        (164514, "second line"),
        (165703, "third line"),
    ),
}

DTG_REGIMENS: Final = (165681, 165682, 165691, 165692, 165697, 165688, 166187)

_BY_KIND = [TABLES.get(cast("Kind", kind), ()) for kind in range(N_KINDS)]
_STARTS = np.cumsum([0, *(len(table) for table in _BY_KIND)]).astype(np.int64)
_ANSWERS = np.array([answer for table in _BY_KIND for answer, _ in table], np.float64)


def tables() -> Tables:
    """Return the tables as the kernels read them.

    Returns:
        (73,) int64: a kind's answers stand from [kind] to [kind + 1], the end excluded; and the answers, float64.
    """
    return _STARTS, _ANSWERS


def place_of(kind: int, last: Ints, v_value: Floats, tables: Tables) -> float:
    """Return the place of the latest answer of a kind in its table, from 1; 0 for another answer, NaN for none."""
    fact = last[kind]
    if fact < 0:
        return nan
    starts, answers = tables
    for i in range(starts[kind], starts[kind + 1]):
        if answers[i] == v_value[fact]:
            return float(i - starts[kind] + 1)
    return 0.0


def words(kind: Kind, place: int) -> str:
    """Return the plain words of an answer by its place; "other" for 0."""
    table = TABLES[kind]
    return table[place - 1][1] if 1 <= place <= len(table) else "other"
