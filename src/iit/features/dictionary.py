"""The feature dictionary as a page: generated from the registry, so that it cannot rot."""

from iit.features.answers import TABLES
from iit.features.registry import FEATURE_SET_VERSION, FEATURES


def as_markdown() -> str:
    """Return the dictionary of features as Markdown."""
    lines = [
        "# Features",
        "",
        f"Feature set {FEATURE_SET_VERSION}: {len(FEATURES)} features, in the order of the vector. "
        "Generated from `iit.features.registry`; every value is as known at the end of the prediction day.",
        "",
        "| # | name | family | unit | meaning | source | unknown | a name |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for place, one in enumerate(FEATURES):
        lines.append(
            f"| {place} | `{one.name}` | {one.family} | {one.unit} | {one.meaning} | {one.source} | {one.missing} "
            f"| {'yes' if one.categorical else ''} |"
        )
    lines += ["", "## Coded answers", "", "An answer outside its table is 0, other.", ""]
    for one in FEATURES:
        if one.coded is not None:
            answers = "; ".join(f"{place} {text}" for place, (_, text) in enumerate(TABLES[one.coded], start=1))
            lines.append(f"- `{one.name}`: {answers}")
    return "\n".join(lines) + "\n"
