"""Send times for whole audiences: the service's own predictor, a chunk of customers at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from features.door.csv_files import read_header
from features.errors import ArtifactError, SourceError
from features.schema import SLOTS_PER_WEEK
from models.receptivity.send_time import load_send_time
from serving.arguments import check_channels, check_offset, read_moment, read_quiet_hours
from serving.explanations import join_reasons
from serving.message_memory import MessageMemory
from serving.outlooks import OUTLOOK_FILE, Outlooks, as_columns
from serving.profiles import ABOUT_FILE, PROFILES_FILE, Profiles
from serving.send_times import CustomerSendTimes, SendTimePredictor, SendTimeQuery

CHUNK = 10_000
_SLOT_COLUMNS = [
    "customer", "channel", "slot_start", "slot", "probability", "low", "high", "lift", "measure",
]  # fmt: skip


def schedule_audience(predictor: SendTimePredictor, query: SendTimeQuery) -> Iterator[pd.DataFrame]:
    """Yield the schedule of `query.customers` as tables, in their order.

    Parameters
    ----------
    predictor : SendTimePredictor
        The one that answers requests, so that batch and service agree to the last digit.
    query : SendTimeQuery
        With `has_all_slots`, each customer gets 168 rows over every channel of the query, with
        the probability of every slot of the local week; else a row for each chosen slot, and one
        with the reason where there is none.

    Yields
    ------
    DataFrame
        customer, channel, slot_start (RFC 3339 with offset), slot, probability with its 90 %
        bounds, lift, measure, evidence, because, time_zone, time_zone_source, is_known, and when
        the customer will order next; without slot_start, bounds and lift for all slots.
    """
    asked = replace(query, has_all_slots=False)
    for start in range(0, len(query.customers), CHUNK):
        part = replace(asked, customers=query.customers[start : start + CHUNK])
        answers = predictor.answer(part)
        if query.has_all_slots:
            yield _list_week(predictor, answers, query.channels)
        else:
            yield _list_slots(answers)


def _list_slots(answers: Sequence[CustomerSendTimes]) -> pd.DataFrame:
    """Return a row for each chosen slot, and one with the reason for who has none."""
    rows: list[dict[str, object]] = []
    places: list[int] = []
    for place, answer in enumerate(answers):
        own: dict[str, object] = {"customer": answer.customer_id, "measure": answer.measure}
        chosen = [
            {
                **own,
                "channel": slot.channel,
                "slot_start": slot.start,
                "slot": slot.slot,
                "probability": slot.probability,
                "low": slot.low,
                "high": slot.high,
                "lift": slot.lift,
            }
            for slot in answer.slots
        ]
        rows += chosen or [own]
        places += [place] * max(len(chosen), 1)
    because = [
        _join_evidence(answer)
        if answer.slots
        else join_reasons([exclusion.words for exclusion in answer.exclusions])
        for answer in answers
    ]
    return _add_about(pd.DataFrame(rows, columns=_SLOT_COLUMNS), answers, because, places)


def _list_week(
    predictor: SendTimePredictor, answers: Sequence[CustomerSendTimes], channels: Sequence[str]
) -> pd.DataFrame:
    """Return the whole week of each customer over each channel that was asked for."""
    names = [answer.customer_id for answer in answers]
    rows = predictor.profiles.find_rows(names)
    shape = (len(names), len(channels), SLOTS_PER_WEEK)
    scores = [predictor.scorer.score(rows, channel) for channel in channels]
    place, at, slot = (index.ravel() for index in np.indices(shape))
    week = pd.DataFrame(
        {
            "customer": np.array(names, dtype=object)[place],
            "channel": np.array(channels, dtype=object)[at],
            "slot": slot,
            "probability": np.stack([one.probability for one in scores], axis=1).ravel(),
            "measure": np.array([one.measure for one in scores], dtype=object)[at],
        }
    )
    return _add_about(week, answers, [_join_evidence(answer) for answer in answers], place)


def _add_about(
    rows: pd.DataFrame,
    answers: Sequence[CustomerSendTimes],
    because: Sequence[str],
    places: Sequence[int] | np.ndarray,
) -> pd.DataFrame:
    """Add what is known of each row's customer; `places` are those of their answers."""
    about = pd.DataFrame(
        {
            "evidence": [answer.evidence.label for answer in answers],
            "because": because,
            "time_zone": [answer.time_zone for answer in answers],
            "time_zone_source": [answer.time_zone_source for answer in answers],
            "is_known": [answer.is_known for answer in answers],
        }
    )
    about = about.join(as_columns([answer.outlook for answer in answers]))
    return rows.join(about.take(places).reset_index(drop=True))


def _join_evidence(answer: CustomerSendTimes) -> str:
    return join_reasons([answer.evidence.words, *(answer.reasons or ())])


def load_predictor(files: Mapping[str, bytes]) -> SendTimePredictor:
    """Return the predictor of a `promotion` artifact's files.

    Raises
    ------
    ArtifactError
        If a file is missing or is not what it should be.
    """
    try:
        profiles = Profiles(files[PROFILES_FILE], files[ABOUT_FILE])
    except KeyError as error:
        raise ArtifactError(f"{error.args[0]}: not there; promote again") from None
    outlooks = Outlooks(files[OUTLOOK_FILE], profiles.rows) if OUTLOOK_FILE in files else None
    memory = MessageMemory.from_files(files, profiles.histories)
    return SendTimePredictor(load_send_time(files), profiles, memory, outlooks)


def read_audience(path: Path) -> list[str]:
    """Return the customers of a CSV file, in their order.

    Raises
    ------
    SourceError
        If the file cannot be read, is empty, has no column `customer_id`, or repeats a customer.
    """
    try:
        _, mark = read_header(path, "utf-8", None)
        table = pd.read_csv(path, sep=mark, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: cannot be read as CSV: {error}") from None
    names = [name for name in ("customer_id", "customer") if name in table]
    if not names:
        raise SourceError(
            f"{path}: expected a column customer_id, got {', '.join(map(str, table.columns))}; "
            "rename the one that holds the customers to customer_id"
        )
    customers = [str(value) for value in table[names[0]]]
    counts = Counter(customers)
    repeated = [customer for customer, count in counts.items() if count > 1 or not customer]
    if repeated or not customers:
        raise SourceError(
            f"{path}, column '{names[0]}': expected every customer once and none empty, got "
            f"{len(repeated)} that are not; remove them"
        )
    return customers


def build_query(
    customers: Sequence[str],
    *,
    start: str,
    days: int,
    channels: tuple[str, ...],
    quiet_hours: str,
    top_k: int,
    has_all_slots: bool,
) -> SendTimeQuery:
    """Read what a command line gives: a start with an offset, and quiet hours as '21:00-08:00'.

    Raises
    ------
    InvalidRequest, UnknownName
        If the start has no offset, the quiet hours are not two times, or a channel is unknown.
    """
    moment = read_moment("start", start)
    check_offset("start", moment)
    check_channels(channels)
    return SendTimeQuery(
        customers=customers,
        start=moment,
        end=moment + timedelta(days=days),
        channels=channels,
        quiet_hours=read_quiet_hours(quiet_hours),
        top_k=top_k,
        has_all_slots=has_all_slots,
        has_reasons=True,
    )
