"""What the report says of a promotion training: when, to whom, with which offer, and how sure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from training.chapters import Chapter, Section, write_number, write_paired_gain, write_percent
from training.gates import PROMOTION_BASELINES
from training.offers.chapter import write_offer_sections
from training.palette import name_of
from training.plots import make_promotion_figures
from training.promotion.proof_chapter import summarise_verdicts, write_worth
from training.promotion.published_chapter import (
    find_value_model,
    is_published,
    write_published,
)
from training.promotion.send_times_chapter import write_send_time_sections
from training.response.chapter import write_response_sections
from training.value.chapter import write_value_sections

Tables = Mapping[str, pd.DataFrame]
_ACTIVITY = (
    "Send times that rest on activity tell when customers are active by themselves. They do not "
    "tell what a message sent then causes: whether it is answered at all, whether it only moves an "
    "order that would have come anyway, and whether a customer would rather be left alone. Only "
    "sends at hours drawn by chance, with customers who get none beside them, can tell that."
)
_INTERVALS = (
    "The intervals resample customers, whole, within the weeks that were there: they hold for "
    "other customers like these in weeks like these. They do not hold what another season, "
    "assortment or sender would change, and each is for itself: of many shown side by side, some "
    "miss the truth."
)
_PROOF = (
    "The proof values the hour of messages that were sent: their number, day, channel and audience "
    "are held as they were. It says nothing of more messages, nor of hours that were never tried."
)
_VALUE = (
    "Orders to come are foreseen as customers were treated so far; the next order's day is no "
    "effect of writing to them."
)
_OFFERS = (
    "What offers change is counted within the days after a decision: an order that is only moved "
    "forward counts as won, and what an offer teaches customers to wait for is not seen."
)


def write_promotion_chapter(tables: Tables) -> Chapter:
    """Write the chapter on promotion timing from the evidence of a training.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Evidence: scores, folds, reliability, gains, importance, best, notes; what there is of
        `half_life`, `published`, `week`, `response_*`, `policy_*`, `touch_*`, `value_*` and
        `offer_*` is told as well.
    """
    figures = make_promotion_figures(tables)
    best = str(tables["best"]["model"].iloc[0])
    sections = (
        *write_published(tables, best),
        *write_worth(tables, figures),
        *write_send_time_sections(tables, figures, best),
        *write_response_sections(tables, figures),
        *write_value_sections(tables, figures, find_value_model(tables)),
        *write_offer_sections(tables, figures),
        _write_limits(tables),
    )
    return Chapter(
        kind="promotion",
        title="Promotion timing",
        question=(
            "At which hour of the week is each customer most likely to be active, will they "
            "answer, when will they order, and which offer changes that?"
        ),
        headline=_write_headline(tables, best),
        sections=sections,
    )


def _write_headline(tables: Tables, best: str) -> str:
    scores: dict[str, Any] = {row["model"]: row for row in tables["scores"].to_dict("records")}
    baseline = min(PROMOTION_BASELINES, key=lambda name: scores[name]["log_loss"])
    gains = tables["gains"]
    is_pair = (gains["model"] == best) & (gains["baseline"] == baseline)
    gain = gains[is_pair].to_dict("records")[0]
    own, other = scores[best], scores[baseline]
    words = write_paired_gain(gain, "log-loss")
    proven = tables.get("policy_gains")
    verdicts = "" if proven is None or proven.empty else f" {summarise_verdicts(proven)}"
    return (
        f"The chosen model, {name_of(best)}, against the best baseline, {name_of(baseline)}: "
        f"{words}, on the same {write_number(gain['customers'], 0)} customers. "
        f"{write_percent(own['block_hit'])} of what customers did fell into the three hours of the "
        f"day that it named first for them ({write_percent(other['block_hit'])} for the baseline)."
        f"{verdicts}"
    )


def _write_limits(tables: Tables) -> Section:
    """Write the notes of the training and what its evidence does not tell."""
    told = {
        _ACTIVITY: not is_published(tables, "response"),
        _PROOF: "policy_gains" in tables,
        _VALUE: "value_scores" in tables,
        _OFFERS: "offer_choices" in tables,
        _INTERVALS: True,
    }
    notes = (str(note) for note in tables["notes"]["note"])
    limits = (words for words, is_told in told.items() if is_told)
    return Section("Notes and limits", (*notes, *limits))
