"""Figures of benchmarks in `benchmarks/README.md`, each in a section that its command writes anew."""

from pathlib import Path
from typing import Final

README: Final = Path(__file__).parent / "README.md"


def write_section(name: str, markdown: str, *, path: Path = README) -> None:
    """Replace the text between a section's markers, or append the section where there is none yet.

    Args:
        name: of the section, as in `<!-- name: begin -->`.
        markdown: what to say there.
        path: of the document; it is made where it is missing.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    section = f"{begin}\n{markdown.strip()}\n{end}\n"
    text = path.read_text(encoding="utf-8") if path.exists() else "# Benchmarks\n"
    before, found, rest = text.partition(begin)
    after = rest.partition(end)[2].removeprefix("\n")
    path.write_text(before + section + after if found else f"{text.rstrip()}\n\n{section}", encoding="utf-8")
