"""What the report says of the proven value of send times, in the promotion chapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from training.chapters import Picture, Section, join_words, make_grid, write_number
from training.palette import name_of
from training.promotion.plots import find_fallback
from training.promotion.published_chapter import is_published
from training.proof.chapter import write_proof_sections
from training.proof.verdict import BETTER, WORSE

Tables = Mapping[str, pd.DataFrame]
_MOST_WEIGHT = 1.5
"""Mean weight of a proof above which the logged propensities cannot be those of the blocks."""
_TITLE = "What these send times are worth, before anything is sent"
_FALLBACK_TITLE = "What send times that rest on activity are worth"
_FALLBACK = (
    "As the response model's send times are not proven, customers are written to when they are "
    "active. The same sends tell what that is worth."
)
_ALTERNATIVE = (
    "The response model's send times are published without a proof. The same sends tell what it "
    "would be worth to write to customers when they are active instead."
)


def write_worth(tables: Tables, figures: Mapping[str, Figure]) -> list[Section]:
    """Write the sections on the proof; where nothing could be proven, why.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Evidence of a training: `policy_values`, `policy_gains`, `policy_notes`, `fallback_gains`,
        `touch_reliability` and `touch_scores`, as far as there are any.
    figures : mapping of name to Figure
        Of the same, with 'fallback_gains' among them where it has a figure.
    """
    sections = write_proof_sections(tables)
    notes = tables.get("policy_notes")
    if not sections and notes is not None and len(notes):
        return [Section(_TITLE, tuple(str(note) for note in notes["note"]))]
    if "policy_gains" in tables:
        # The verdicts in full stand in the table below.
        about = sections[0].sentences[1:]
        warning = _warn_of_weights(tables.get("policy_values"))
        summary = summarise_verdicts(tables["policy_gains"])
        sections[0] = replace(sections[0], sentences=(*warning, summary, *about))
    fallback = find_fallback(tables)
    if fallback is not None:
        is_fallback = not is_published(tables, "response")
        sections.insert(1, _write_fallback(fallback, figures, is_fallback=is_fallback))
    return sections


def summarise_verdicts(gains: pd.DataFrame) -> str:
    """Return the verdicts of a proof as a short sentence, without a number a baseline.

    Parameters
    ----------
    gains : DataFrame
        `policy_gains`.
    """
    target = name_of(str(gains["target"].iloc[0]))
    parts = [
        f"{verdict} than {join_words([f'the {name_of(str(name))}' for name in rows['baseline']])}"
        for verdict, rows in gains[gains["verdict"].isin((BETTER, WORSE))].groupby("verdict")
    ]
    n_open = int((~gains["verdict"].isin((BETTER, WORSE))).sum())
    others = f"{n_open} other {'policy' if n_open == 1 else 'policies'}"
    if not parts:
        return (
            f"Before launch, there is not enough evidence that send times by {target} are better "
            f"or worse than any of {others}{_write_more_sends(gains)}."
        )
    claimed = f"Before launch, send times by {target} are proven {join_words(parts)}"
    return f"{claimed}; for {others} there is not enough evidence." if n_open else f"{claimed}."


def _write_more_sends(gains: pd.DataFrame) -> str:
    """Say how many sends the nearest claim takes; '' where no number would do."""
    fewest = gains["more_sends"].where(gains["more_sends"] > 0).min()
    if pd.isna(fewest):
        return ""
    return f"; a first claim may take about {write_number(fewest, 0)} more sends"


def _write_fallback(
    gains: pd.DataFrame, figures: Mapping[str, Figure], *, is_fallback: bool
) -> Section:
    grid = make_grid(
        f"What may be claimed of {name_of(str(gains['target'].iloc[0]))}, in reward a send",
        gains.assign(name=gains["baseline"].map(name_of)),
        [
            ("name", "over", None), ("words", "verdict", None), ("gain", "gain", 4),
            ("low", "95 % from", 4), ("high", "to", 4), ("ess", "effective sends", 0),
        ],
    )  # fmt: skip
    pictures = (
        (
            Picture(
                figures["fallback_gains"],
                "What send times by activity gain over other policies",
                "A chart of paired gains with intervals and verdicts; the numbers are below.",
            ),
        )
        if "fallback_gains" in figures
        else ()
    )
    sentences = (_FALLBACK if is_fallback else _ALTERNATIVE, summarise_verdicts(gains))
    return Section(_FALLBACK_TITLE, sentences, pictures, (grid,))


def _warn_of_weights(values: pd.DataFrame | None) -> tuple[str, ...]:
    """Say where weights average far above 1, which those of true propensities do not."""
    if values is None or values.empty:
        return ()
    greatest = float(values["covered"].max())
    if not greatest > _MOST_WEIGHT:
        return ()
    return (
        f"Believe none of this yet: the weights average up to {write_number(greatest, 1)}, where "
        "those of true propensities average 1. The logged propensities are not the chances of the "
        "three hours that a message was sent in; check what the log writes down.",
    )
