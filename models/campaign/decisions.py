"""The record of a campaign: one row per customer, with or without a message, and how it came about.

A campaign can only be judged later by what was written down before: the arm, the chance with which
the option was drawn, what it was drawn from, which model said so, and why some got nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from features.customer.dialect import to_utc
from features.errors import DuplicateKey, OutOfRange, TableError
from features.schema import CHANNELS, DECISIONS, HOLDOUT, Decisions
from models.campaign.arms import ARMS
from models.campaign.eligibility import SENTENCES
from models.campaign.exploration import Choice

REASON, WORDS, CANDIDATES = "reason", "words", "candidates"
"""Columns beside those of `decisions`: why there is no message, in a word and in a sentence, and
the likeliest options with their probabilities as JSON."""
NOT_WORTH_IT = "no-gain"
"""Reason where a message was possible, and none was worth its price or found room."""
_SENTENCES = {reason.value: words for reason, words in SENTENCES.items()} | {
    NOT_WORTH_IT: "no permitted message is worth its cost within the campaign's limits"
}
_DIGITS = 6


@dataclass(frozen=True)
class Campaign:
    """What all decisions of a campaign share.

    Attributes
    ----------
    campaign_id, model_version : str
    decided_at : datetime
        In UTC, or with a zone.
    """

    campaign_id: str
    model_version: str
    decided_at: datetime


@dataclass(frozen=True)
class Chosen:
    """What was decided for n customers, in their order.

    Attributes
    ----------
    customer_id, arm : array of str, shape (n,)
    promotion_id, channel : array of str or None, shape (n,)
        None where there is no message.
    send_at : array of datetime64, shape (n,)
        UTC; NaT where there is no message.
    propensity : array of float64, shape (n,)
        The chance, given the arm, with which this was decided; 1 where nothing was drawn.
    reason : array of str, shape (n,)
        Why there is no message: a word of `models.campaign.eligibility.Reason` or `NOT_WORTH_IT`;
        "" where there is one.
    candidates : array of str, shape (n,)
        From `write_candidates`; "[]" where nothing was drawn from.
    """

    customer_id: np.ndarray
    arm: np.ndarray
    promotion_id: np.ndarray
    channel: np.ndarray
    send_at: np.ndarray
    propensity: np.ndarray
    reason: np.ndarray
    candidates: np.ndarray


def build_decisions(campaign: Campaign, chosen: Chosen) -> pd.DataFrame:
    """Write the record of a campaign.

    Parameters
    ----------
    campaign : Campaign
    chosen : Chosen

    Returns
    -------
    DataFrame
        One row per customer: the columns of the canonical `decisions` in their order (without a
        message `message_id` is empty, and it is until one is sent), then `reason`, `words` and
        `candidates`. The id of a decision follows from the campaign, the customer and the moment:
        deciding again at the same moment gives the same ids.

    Raises
    ------
    TableError
        As `check_decisions`.
    """
    moment = pd.Timestamp(to_utc(campaign.decided_at)).as_unit("us")
    has_message = ~np.isnat(chosen.send_at)
    columns = {
        Decisions.DECISION_ID: _name_decisions(campaign, chosen.customer_id),
        Decisions.CUSTOMER_ID: _text(chosen.customer_id),
        Decisions.DECIDED_AT: np.full(len(has_message), moment.to_datetime64()),
        Decisions.CAMPAIGN_ID: _text([campaign.campaign_id] * len(has_message)),
        Decisions.PROMOTION_ID: _text(chosen.promotion_id),
        Decisions.CHANNEL: _text(chosen.channel),
        Decisions.SEND_AT: chosen.send_at.astype("datetime64[us]"),
        Decisions.ARM: _text(chosen.arm),
        Decisions.PROPENSITY: chosen.propensity.astype(np.float64),
        Decisions.MESSAGE_ID: _text([None] * len(has_message)),
        Decisions.MODEL_VERSION: _text([campaign.model_version] * len(has_message)),
        REASON: _text([str(reason) or None for reason in chosen.reason]),
        WORDS: _text([_SENTENCES.get(str(reason)) for reason in chosen.reason]),
        CANDIDATES: _text(chosen.candidates),
    }
    table = pd.DataFrame({name: columns[name] for name in (*_CANONICAL, REASON, WORDS, CANDIDATES)})
    check_decisions(table)
    return table


_CANONICAL = tuple(column.name for column in DECISIONS.columns)


def check_decisions(table: pd.DataFrame) -> None:
    """Raise unless a record can be judged by later.

    Parameters
    ----------
    table : DataFrame
        As `build_decisions` returns it.

    Raises
    ------
    DuplicateKey
        If a customer is there twice.
    OutOfRange
        If a propensity does not lie in (0, 1], an arm or a channel does not exist, a message is
        sent before it was decided on, or somebody in the holdout arm gets one.
    TableError
        If a row has a message and a reason for none, or neither, or a part of a message.
    """
    repeated = table[Decisions.CUSTOMER_ID].duplicated()
    if repeated.any():
        customer = table.loc[repeated, Decisions.CUSTOMER_ID].iloc[0]
        raise DuplicateKey(
            DECISIONS.name, "plan", Decisions.CUSTOMER_ID, expected="one decision per customer",
            got=f"'{customer}' twice", fix="Take repeated customers out of the audience.",
        )  # fmt: skip
    has_message = table[Decisions.SEND_AT].notna()
    propensity = table[Decisions.PROPENSITY]
    held_out = table[Decisions.ARM] == HOLDOUT
    is_early = has_message & (table[Decisions.SEND_AT] < table[Decisions.DECIDED_AT])
    is_channel = table[Decisions.CHANNEL].isin(CHANNELS)
    for column, is_wrong, expected in (
        (Decisions.PROPENSITY, ~((propensity > 0) & (propensity <= 1)), "above 0 and at most 1"),
        (Decisions.ARM, ~table[Decisions.ARM].isin(ARMS), f"one of {', '.join(ARMS)}"),
        (Decisions.ARM, held_out & has_message, "no message in the holdout arm"),
        (Decisions.CHANNEL, has_message & ~is_channel, f"one of {', '.join(CHANNELS)}"),
        (Decisions.SEND_AT, is_early, "a moment not before the decision"),
    ):
        _raise_first(OutOfRange, table, column, is_wrong, expected)
    for column in (Decisions.CHANNEL, Decisions.PROMOTION_ID):
        is_partial = ~has_message & table[column].notna()
        _raise_first(TableError, table, column, is_partial, "nothing where no message is sent")
    is_told = table[REASON].notna()
    _raise_first(
        TableError, table, REASON, is_told == has_message, "a reason where, and only where, no "
        "message is sent",
    )  # fmt: skip
    is_unknown = is_told & ~table[REASON].isin(_SENTENCES)
    _raise_first(OutOfRange, table, REASON, is_unknown, f"one of {', '.join(_SENTENCES)}")


def write_candidates(choice: Choice, labels: Sequence[str], *, best: int = 5) -> np.ndarray:
    """Write the likeliest options of each customer with their probabilities.

    Parameters
    ----------
    choice : Choice
    labels : sequence of str, length k
        What each option is, such as '2024-06-10T09:00Z email'.
    best : int
        Options per customer at most.

    Returns
    -------
    array of str, shape (n,)
        JSON: a list of [label, probability], the likeliest first, ties to the first option; then
        ["n others", their probability together], if there are any.
    """
    whole = choice.extra + choice.floor[:, None] * (choice.extra > 0)
    order = np.lexsort((choice.candidates, -whole), axis=1)[:, :best]
    options = np.take_along_axis(choice.candidates, order, axis=1).tolist()
    chances = np.take_along_axis(whole, order, axis=1).tolist()
    texts = np.empty(len(options), dtype=object)
    for row, (places, shares, count) in enumerate(
        zip(options, chances, choice.permitted.sum(axis=1).tolist(), strict=True)
    ):
        told = [
            [labels[place], round(share, _DIGITS)]
            for place, share in zip(places, shares, strict=True)
            if share > 0  # a candidate that never won stands at the floor, with the others
        ]
        if count > len(told):
            told.append([f"{count - len(told)} others", round(1.0 - sum(shares), _DIGITS)])
        texts[row] = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return texts


def _name_decisions(campaign: Campaign, customer_ids: np.ndarray) -> pd.Series:
    keyed = hashlib.blake2b(digest_size=16)
    for part in (campaign.campaign_id, to_utc(campaign.decided_at).isoformat()):
        keyed.update(f"{len(part)}:{part}".encode())
    names = []
    for customer in customer_ids:
        one = keyed.copy()
        one.update(str(customer).encode())
        names.append(one.hexdigest())
    return _text(names)


def _text(values: np.ndarray | Sequence[str | None]) -> pd.Series:
    return pd.Series(list(values), dtype="str")


def _raise_first(
    error: type[TableError], table: pd.DataFrame, column: str, is_wrong: pd.Series, expected: str
) -> None:
    if is_wrong.any():
        row = table[is_wrong].iloc[0]
        raise error(
            DECISIONS.name, "plan", column, expected=expected,
            got=f"'{row[column]}' for customer '{row[Decisions.CUSTOMER_ID]}'",
            fix="Plan the campaign again; if it stays, the plan has a fault.",
        )  # fmt: skip
