"""Line-lists of made-up patients with the columns of RADET."""

from typing import Final

HEADER: Final = (
    "S/No.", "State", "Facility Name", "DatimId", "Hospital Number", "Unique Id", "Sex", "Date of Birth (yyyy-mm-dd)",
    "ART Start Date (yyyy-mm-dd)", "Last Pickup Date (yyyy-mm-dd)", "Months of ARV Refill", "Current Regimen Line",
    "Current ART Regimen", "Pregnancy Status", "Current Viral Load (c/ml)",
    "Date of Current Viral Load (yyyy-mm-dd)", "Current ART Status", "Date of Current ART Status",
)  # fmt: skip
LINE: Final = (
    "1", "Lagos", "Invented Hospital", "SYN000001", "HN-17", "ART-17", "Female", "1991-05-14", "2022-03-07",
    "2024-01-10", "3", "Adult.1st.Line", "TDF(300mg)+3TC(300mg)+DTG(50mg)", "Not Pregnant", "<20", "2023-12-01",
    "Active", "2024-01-10",
)  # fmt: skip


def a_line(**changes: str) -> dict[str, str]:
    """Return a line, changed by words of titles: `Last_Pickup="2024-02-09"`."""
    line = dict(zip(HEADER, LINE, strict=True))
    for words, value in changes.items():
        (title,) = [one for one in HEADER if one.lower().startswith(words.lower().replace("_", " "))]
        line[title] = value
    return line


def a_list(*lines: dict[str, str], delimiter: str = ",") -> bytes:
    """Return the file of some lines."""
    rows = [HEADER, *(tuple(line.values()) for line in lines or (a_line(),))]
    return "".join(delimiter.join(row) + "\r\n" for row in rows).encode()
