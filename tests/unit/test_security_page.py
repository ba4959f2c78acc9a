"""Each item of `docs/security.md` stands once and names tests that exist, or a decision."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r"^\| ((?:V\d+\.\d+\.\d+|API\d+)) \|(.*)\|(.*)\|$", (ROOT / "docs/security.md").read_text(), re.M)
NAMED = sorted({name for _, _, proof in ROWS for name in re.findall(r"`(tests/[^`]+)`", proof)})


def test_each_item_stands_once() -> None:
    assert [item for item, n in Counter(item for item, _, _ in ROWS).items() if n > 1] == []
    assert {f"API{n}" for n in range(1, 11)} <= {item for item, _, _ in ROWS}


@pytest.mark.parametrize(("item", "how", "proof"), ROWS, ids=[item for item, _, _ in ROWS])
def test_an_item_names_a_proof_or_a_decision(item: str, how: str, proof: str) -> None:
    assert proof.strip().startswith("decision: ") or (how.strip() and re.search(r"`tests/[^`]+::test_\w+`", proof))


@pytest.mark.parametrize("name", NAMED)
def test_every_test_that_is_named_exists(name: str) -> None:
    path, _, function = name.partition("::")
    tree = ast.parse((ROOT / path).read_text())
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
