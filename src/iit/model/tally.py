"""The compiled passes of `iit.model.ranking`: one walk along rows in order gives the figures of every group at once.

A row may be in several groups (everyone, her sex, her state, ...). `weights` tell how often a row counts, in the order
of the rows given; `order` names the rows in the order of the walk, in which all other arrays stand.
"""

import numpy as np
from numpy.typing import NDArray

from iit.features.compiled import compiled, inlined

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Groups = NDArray[np.uint16]
Places = NDArray[np.uint32]
Weights = NDArray[np.uint8]
"""Bytes, for they are read in the order of risk, all over memory: half a million of them stay in the cache."""


def tally_order(
    order: Places, risk: Floats, label: Floats, groups: Groups, weights: Weights, bins: int, out: Floats
) -> None:
    """Write each group's figures to `out` (g, 7), from one walk from the highest risk to the lowest.

    They are weight, weight of positives, sum of risks, sum of squared errors, AUROC, AUPRC, ECE; the last three are NaN
    where rows or a label lack.

    Args:
        order: see above; risks rise.
        risk: (n,).
        label: (n,) 0 or 1.
        groups: (n, f) places of groups.
        weights: whole numbers.
        bins: of ECE, as `np.array_split` makes them.
        out: overwritten.
    """
    n, n_groups = len(order), len(out)
    total = np.zeros(n_groups)
    for i in range(n):
        w = float(weights[order[i]])
        if w > 0:
            for f in range(groups.shape[1]):
                total[groups[i, f]] += w
    tie_risk, tie, tie_hits = np.full(n_groups, np.nan), np.zeros(n_groups), np.zeros(n_groups)
    above, above_hits = np.zeros(n_groups), np.zeros(n_groups)
    pairs, precision, expected, squared = np.zeros(n_groups), np.zeros(n_groups), np.zeros(n_groups), np.zeros(n_groups)
    at_bin, room, gap, error = np.full(n_groups, bins), np.zeros(n_groups), np.zeros(n_groups), np.zeros(n_groups)
    for step in range(n):
        i = n - 1 - step
        w = float(weights[order[i]])
        if w == 0:
            continue
        at, hits = risk[i], w * label[i]
        off = at - label[i]
        for f in range(groups.shape[1]):
            g = groups[i, f]
            if at != tie_risk[g]:
                close_tie(g, tie, tie_hits, above, above_hits, pairs, precision)
                tie_risk[g] = at
            tie[g] += w
            tie_hits[g] += hits
            expected[g] += w * at
            squared[g] += w * off * off
            left = w
            while left > 0:
                if room[g] == 0:
                    error[g] += abs(gap[g])
                    gap[g] = 0.0
                    at_bin[g] -= 1
                    room[g] = total[g] // bins + (1 if at_bin[g] < total[g] % bins else 0)
                part = min(left, room[g])
                gap[g] += part * off
                room[g] -= part
                left -= part
    for g in range(n_groups):
        close_tie(g, tie, tie_hits, above, above_hits, pairs, precision)
        hits = above_hits[g]
        out[g, 0], out[g, 1], out[g, 2], out[g, 3] = total[g], hits, expected[g], squared[g]
        out[g, 4] = pairs[g] / (hits * (total[g] - hits))
        out[g, 5] = precision[g] / hits
        out[g, 6] = (error[g] + abs(gap[g])) / total[g]


def close_tie(
    g: int, tie: Floats, tie_hits: Floats, above: Floats, above_hits: Floats, pairs: Floats, precision: Floats
) -> None:
    """Count a group's rows of equal risk against those above, and put them there."""
    hits = tie_hits[g]
    pairs[g] += (tie[g] - hits) * (above_hits[g] + hits / 2)
    above[g] += tie[g]
    above_hits[g] += hits
    if hits > 0:
        precision[g] += hits * above_hits[g] / above[g]
    tie[g], tie_hits[g] = 0.0, 0.0


def tally_tops(
    order: Places, starts: Ints, label: Floats, groups: Groups, weights: Weights, shares: Floats,
    chosen: Floats, hits: Floats, lists: Floats,
) -> None:  # fmt: skip
    """Add what comes of it when each facility follows up a share of its list, rounded up, highest risk first.

    Args:
        order: rows by facility, then by falling risk.
        starts: (k + 1,) where each facility's rows begin, and the end.
        label: (n,) 0 or 1.
        groups: (n, f) places of groups.
        weights: whole numbers.
        shares: (s,) from 0 to 1.
        chosen: (g, s) is added each group's weight in the tops of the lists.
        hits: (g, s) is added the weight of positives among them.
        lists: (k, 2 + 2s) is given each facility's weight, positives, and chosen and hits by share.
    """
    n_shares = len(shares)
    room = np.empty(n_shares)
    for k in range(len(starts) - 1):
        rows, positives = 0.0, 0.0
        for i in range(starts[k], starts[k + 1]):
            w = float(weights[order[i]])
            rows += w
            positives += w * label[i]
        lists[k, 0], lists[k, 1] = rows, positives
        for s in range(n_shares):
            room[s] = np.ceil(shares[s] * rows)
        for i in range(starts[k], starts[k + 1]):
            if room.max() <= 0:
                break
            w = float(weights[order[i]])
            if w == 0:
                continue
            for s in range(n_shares):
                part = min(w, room[s])
                if part <= 0:
                    continue
                room[s] -= part
                lists[k, 2 + 2 * s] += part
                lists[k, 3 + 2 * s] += part * label[i]
                for f in range(groups.shape[1]):
                    g = groups[i, f]
                    chosen[g, s] += part
                    hits[g, s] += part * label[i]


def fit_line(
    order: Places, odds: Floats, label: Floats, weights: Weights, start: tuple[float, float, float], near: float
) -> tuple[float, float]:
    """Return (intercept with the slope fixed at 1, slope) of weighed labels on log-odds, by Newton steps from `start`.

    A step's error is about its square: it stops after one shorter than `near`.
    """
    intercept, slope, level = start
    for _ in range(8):
        g0, b0 = 0.0, 1e-12
        for i in range(len(order)):
            w = float(weights[order[i]])
            if w > 0:
                risk = 1 / (1 + np.exp(-(odds[i] + intercept)))
                g0 += w * (label[i] - risk)
                b0 += w * risk * (1 - risk)
        step = g0 / b0
        intercept += step
        if abs(step) < near:
            break
    for _ in range(8):
        g0, g1, b0, b1, b2 = 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(len(order)):
            w = float(weights[order[i]])
            if w > 0:
                risk = 1 / (1 + np.exp(-(slope * odds[i] + level)))
                error, bend = w * (label[i] - risk), w * risk * (1 - risk)
                g0 += error
                g1 += error * odds[i]
                b0 += bend
                b1 += bend * odds[i]
                b2 += bend * odds[i] ** 2
        scale = max(b0 * b2 - b1 * b1, 1e-12)
        step, rise = (b0 * g1 - b1 * g0) / scale, (b2 * g0 - b1 * g1) / scale
        slope += step
        level += rise
        if max(abs(step), abs(rise)) < near:
            break
    return intercept, slope


inlined(close_tie)
in_order = compiled(tally_order)
tops = compiled(tally_tops)
line = compiled(fit_line)
