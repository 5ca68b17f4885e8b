"""The Markdown section of the offer benchmark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

_WORDS = {
    "cell_rule": "cell rule",
    "treated_response": "P(visit, given the e-mail)",
    "s": "S-learner",
    "bagged_s": "S-learner, bagged",
    "t": "T-learner",
    "x": "X-learner",
    "dr": "DR-learner",
    "s_and_x": "mean of bagged S and X",
}


def describe(result: Mapping[str, Any]) -> str:
    """Write what `run` returned as a Markdown section."""
    lines = [
        "## Which offer: uplift on Hillstrom's e-mail experiment",
        "",
        f"Each e-mail against none, outcome a visit; the mean of {len(result['seeds'])} stratified "
        "50/50 splits (scikit-learn's `train_test_split`, `random_state` "
        f"{result['seeds'][0]} to {result['seeds'][-1]}, stratified by arm and visit). The columns "
        "of the cell rule and the recommendation are chosen inside the first half of each split. "
        "Qini and AUUC are normalised as in scikit-uplift. All learners grow LightGBM trees alike "
        "(100 rounds, learning rate 0.05, 8 leaves, at least 200 customers a leaf). The gain is "
        "the mean Qini − that of the cell rule, with a 95 % paired bootstrap interval by customer.",
    ]
    for name, arm in result["arms"].items():
        lines += ["", f"### {name[0].upper()}{name[1:]}", "", *_write_arm(arm)]
    for bar in result["bars"]:
        verdict = "met" if bar["passed"] else "missed"
        lines += [
            "",
            f"Bar: {bar['bar']} at least {bar['bound']:.4f}: {bar['measured']:.4f}, {verdict}.",
        ]
    versions = ", ".join(f"{name} {found}" for name, found in result["versions"].items())
    return "\n".join([*lines, "", f"Versions: {versions}.", ""])


def _write_arm(arm: Mapping[str, Any]) -> list[str]:
    gains = {row["ranking"]: row for row in arm["gains"]}
    lines = [
        f"{arm['customers']:,} customers; the e-mail adds {100 * arm['effect']:.1f} points.",
        "",
        "| ranking | Qini (sd) | AUUC | uplift of the first 30 % | gain over the cell rule |",
        "|---|---|---|---|---|",
    ]
    for row in arm["scores"]:
        gain = gains[row["ranking"]]
        lines.append(
            f"| {_WORDS.get(row['ranking'], row['ranking'])} | {row['qini']:.4f} "
            f"({row['qini_sd']:.4f}) | {row['auuc']:.4f} | {row['uplift_at_30']:.4f} | "
            f"{gain['gain']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}] |"
        )
    lines += [
        "",
        "Our Qini, AUUC and uplift differ from what scikit-uplift computes of the same rankings by "
        f"at most {arm['largest_difference_to_sklift']:.0e}.",
    ]
    return [*lines, "", _write_choices(arm), "", _write_ties(arm, gains)]


def _write_choices(arm: Mapping[str, Any]) -> str:
    chosen = Counter(_WORDS.get(one["chosen"], one["chosen"]) for one in arm["choices"])
    cells = Counter(one["cells"] for one in arm["choices"])
    return (
        f"Recommended inside the first halves: {_count(chosen)}. "
        f"Cells of the rule: {_count(cells)}."
    )


def _write_ties(arm: Mapping[str, Any], gains: Mapping[str, Mapping[str, float]]) -> str:
    learners = _WORDS.keys() - {"cell_rule"}
    best = next(row for row in arm["scores"] if row["ranking"] in learners)
    gain = gains[best["ranking"]]
    interval = f"{gain['gain']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]"
    name = _WORDS[best["ranking"]]
    if gain["low"] <= 0.0 <= gain["high"]:
        return f"The best learner, {name}, and the cell rule tie: {interval} spans 0."
    verdict = "better" if gain["low"] > 0 else "worse"
    return f"The best learner, {name}, is {verdict} than the cell rule: {interval}."


def _count(counts: Counter[str]) -> str:
    total = counts.total()
    return ", ".join(f"{name} ({times} of {total})" for name, times in counts.most_common())
