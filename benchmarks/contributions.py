"""Our scoring and explaining beside LightGBM's, in one run: `python -m benchmarks.contributions`.

One model of 300 trees of 31 leaves over 98 float32 features, a fifth of the values unknown. Every row is asked about
once, on one core; LightGBM about fewer where it is slow. Rounds take turns, so that a busy machine slows both sides;
the best round of each counts.
"""

import os
import platform
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import write_section
from iit.features.registry import FEATURE_NAMES
from iit.model.booster import lightgbm
from iit.model.contributions import contributions, raw_scores
from iit.model.trees import Trees

_TREES, _LEAVES = 300, 31
_ROUNDS: Final = 5
_LEARNED, _ASKED = 20_000, 1_000  # rows; those asked about are new in each round
_BATCH = "a batch of 1,000"
_SINGLE = "one at a time"

Act = Callable[[NDArray[np.float32]], Any]


def main() -> None:
    """Measure, print and write the section."""
    booster, rng = _grown()
    trees = Trees.from_model_text(booster.model_to_string())
    sides: dict[tuple[str, str], tuple[Act, Act]] = {}
    for told, spread in ((_SINGLE, _one_by_one), (_BATCH, _together)):
        sides["Raw score", told] = (
            spread(lambda rows: raw_scores(trees, rows)),
            spread(lambda rows: booster.predict(rows, raw_score=True, num_threads=1)),
        )
        sides["Contributions", told] = (
            spread(lambda rows: contributions(trees, rows)),
            spread(lambda rows: booster.predict(rows, pred_contrib=True, num_threads=1)),
        )
    lines = ["| per row | asked | ours, µs | LightGBM, µs | ratio |", "|---|---|---|---|---|"]
    for (what, asked), acts in sides.items():
        ours, theirs = _best(acts, rng, few=what == "Contributions")
        lines.append(f"| {what} | {asked} | {ours:.0f} | {theirs:.0f} | {theirs / ours:.1f} |")
    rows = _rows(rng, 300)
    apart = np.abs(contributions(trees, rows) - booster.predict(rows, pred_contrib=True, num_threads=1)).max()
    raw_apart = np.abs(raw_scores(trees, rows) - booster.predict(rows, raw_score=True, num_threads=1)).max()
    text = "\n".join(
        [
            "## Contributions and raw scores",
            "",
            f"{__doc__.partition(chr(10))[2].strip()}",
            "",
            *lines,
            "",
            f"Largest difference: contributions {apart:.1e}, raw scores {raw_apart:.1e}. "
            f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
            f"LightGBM {lightgbm().__version__}, NumPy {np.__version__}.",
        ]
    )
    print(text)
    write_section("contributions", text)


def _grown() -> tuple[Any, np.random.Generator]:
    rng = np.random.default_rng(1)
    rows = _rows(rng, _LEARNED)
    known = np.nan_to_num(rows)
    log_odds = known[:, :12].sum(axis=1) + known[:, 3] * known[:, 20] + 2 * np.isnan(rows[:, 5])
    label = log_odds + 2 * rng.normal(size=len(rows)) > 1
    library = lightgbm()
    parameters = {"objective": "binary", "num_leaves": _LEAVES, "learning_rate": 0.05, "verbosity": -1, "seed": 1}
    data = library.Dataset(rows, label, feature_name=list(FEATURE_NAMES))
    return library.train(parameters, data, num_boost_round=_TREES), rng


def _rows(rng: np.random.Generator, n: int) -> NDArray[np.float32]:
    rows = rng.normal(size=(n, len(FEATURE_NAMES))).astype(np.float32)
    rows[:, ::7] = np.round(rows[:, ::7])
    rows[rng.random(rows.shape) < 0.2] = np.nan
    return rows


def _together(act: Act) -> Act:
    return act


def _one_by_one(act: Act) -> Act:
    def each(rows: NDArray[np.float32]) -> None:
        for i in range(len(rows)):
            act(rows[i : i + 1])

    return each


def _best(acts: tuple[Act, Act], rng: np.random.Generator, *, few: bool) -> tuple[float, float]:
    """Return microseconds a row of both sides: the best of their rounds."""
    for act in acts:
        act(_rows(rng, 3))  # compiles
    best = [np.inf, np.inf]
    for _ in range(_ROUNDS):
        rows = _rows(rng, _ASKED)
        for side, act in enumerate(acts):
            asked = rows[: 200 if few and side else _ASKED]
            began = time.perf_counter()
            act(asked)
            best[side] = min(best[side], (time.perf_counter() - began) / len(asked) * 1e6)
    return best[0], best[1]


if __name__ == "__main__":
    main()
