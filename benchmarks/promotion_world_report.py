"""The section of the report on the simulated world, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SETTINGS = {"18 sends": (18, 25.0), "2 sends": (2, 2.0)}
"""Messages a customer, and orders beside them on average."""


def describe(result: Mapping[str, Any]) -> str:
    """Write the section of the report, in Markdown."""
    lines = [
        "Simulated, made up: people with routines, inboxes and confounded campaigns whose truth is "
        "known; no equation is shared with the models.",
        f"{result['customers']:,} customers, seeds {result['seeds']}; mean and (standard "
        "deviation) over seeds. Gain is over the truly best hour for all; share is of the "
        "oracle's gain.",
        "",
    ]
    for setting, policies in result["policies"].items():
        lines += _write_policies(setting, policies)
    lines += _write_worlds(result["worlds"])
    if result["proof"]:
        lines += _write_proof(result["proof"])
    return "\n".join(lines) + "\n"


def _write_policies(setting: str, policies: Mapping[str, Mapping[str, float]]) -> list[str]:
    n_sends, events = SETTINGS[setting]
    lines = [
        f"**{n_sends} messages and some {events:g} orders a customer**",
        "",
        "| policy | gain, weekday free | share | gain, weekday given | share |",
        "|---|---|---|---|---|",
    ]
    for name, row in sorted(policies.items(), key=lambda item: item[1]["value"]):
        cells = [f"{row['gain']:+.1%} ({row['gain_sd']:.1%})"]
        if "share" in row:
            cells += [f"{row['share']:.0%} ({row['share_sd']:.0%})"]
            cells += [f"{row['held_gain']:+.1%}", f"{row['held_share']:.0%}"]
        else:
            cells += ["", "", ""]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def _write_worlds(worlds: Sequence[Mapping[str, Any]]) -> list[str]:
    high = np.mean([world["world"]["oracle_gain"] for world in worlds])
    low = np.mean([world["oracle_gain_low"] for world in worlds])
    lines = [
        f"The oracle's gain of {high:.1%} is that of a choice on the truth that it is valued on; "
        f"where half of the truth chooses and the other values it is {low:.1%}: what it gains lies "
        "between. Calibration error against the truth, over permitted slots in 20 bins:",
        "",
        "| setting | model | error | predicted | true |",
        "|---|---|---|---|---|",
    ]
    for setting in SETTINGS:
        own = [world["calibration"] for world in worlds if world["setting"] == setting]
        for name in own[0]:
            error, predicted, true = (
                np.mean([found[name][figure] for found in own])
                for figure in ("error", "predicted", "true")
            )
            lines.append(f"| {setting} | {name} | {error:.4f} | {predicted:.4f} | {true:.4f} |")
    return [*lines, ""]


def _write_proof(proof: Mapping[str, Any]) -> list[str]:
    lines = [
        f"**Proof**: {proof['trials']} fresh logs of {proof['sends']:,} sends to the same "
        f"{proof['customers']:,} people, 10 % of them by lot; policies fixed before.",
        "",
        "| policy | estimator | true value | covered | half width | bias | error |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in proof["coverage"]:
        lines.append(
            f"| {row['policy']} | {row['estimator']} | {proof['truth'][row['policy']]:.4f} "
            f"| {row['covered']:.0%} | {row['half_width']:.4f} | {row['bias']:+.4f} "
            f"| {row['error']:.4f} |"
        )
    lines += ["", "| policy | against | true gain | verdicts |", "|---|---|---|---|"]
    for row in proof["decisions"]:
        words = ", ".join(f"{name}: {count}" for name, count in row["verdicts"].items())
        lines.append(f"| {row['target']} | {row['baseline']} | {row['true_gain']:+.4f} | {words} |")
    return [*lines, ""]
