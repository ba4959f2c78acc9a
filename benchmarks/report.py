"""Written results: one section a benchmark, replaced when it runs again."""

import re
from pathlib import Path

README = Path(__file__).parent / "README.md"


def write_section(name: str, markdown: str) -> None:
    """Write a section of `benchmarks/README.md`, in place of the one of the same name."""
    text = README.read_text(encoding="utf-8") if README.exists() else "# Benchmarks\n"
    section = f"## {name}\n\n{markdown.strip()}\n"
    pattern = re.compile(rf"^## {re.escape(name)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    found = pattern.search(text)
    text = text[: found.start()] + section + "\n" + text[found.end() :] if found else f"{text.rstrip()}\n\n{section}"
    README.write_text(text.rstrip() + "\n", encoding="utf-8")
