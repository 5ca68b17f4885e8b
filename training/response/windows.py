"""Windows of touches with what was known of their customers when each window began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from features.errors import NotEnoughData
from features.messages.fatigue import build_fatigue
from features.messages.message_histories import build_message_histories
from features.messages.touch_checks import check_touches
from features.messages.touch_rows import build_touch_rows
from features.schema import TOUCHES
from models.receptivity.histories import Histories
from models.receptivity.send_time import EmpiricalBayes
from models.response.context import ResponseContext
from models.response.customer_context import build_context
from models.response.message_counts import MessageCounts
from models.response.sent_touches import SentTouches
from training.promotion.slices import SliceReader
from training.response.options import ResponseOptions


@dataclass(frozen=True)
class LearnableChannels:
    """Channels whose hours touches can teach, and what was found wrong with touches.

    Attributes
    ----------
    channels : tuple of str
    notes : tuple of str
        From `check_touches`; where there are no touches at all, that.
    """

    channels: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class TouchWindow:
    """Touches of one window, before shares of activity are known.

    Attributes
    ----------
    rows : DataFrame
        From `build_touch_rows`, mature ones of learnable channels.
    histories : Histories
        Of their customers as of the start of the window; who was not known then has none.
    messages : MessageCounts
    """

    rows: pd.DataFrame
    histories: Histories
    messages: MessageCounts

    def with_activity(self, receptivity: EmpiricalBayes) -> SentTouches:
        """Return the touches with how their customers' activity spreads over the week."""
        context = build_context(self.histories, receptivity, self.messages)
        return SentTouches.from_rows(self.rows, context)


class TouchReader:
    """Builds windows of touches of one project, each once.

    Parameters
    ----------
    reader : SliceReader
        Whose engine, profiles and project are used.
    options : ResponseOptions
    """

    def __init__(self, reader: SliceReader, options: ResponseOptions) -> None:
        self.reader = reader
        self.options = options
        self._windows: dict[tuple[datetime, datetime, datetime], TouchWindow | None] = {}

    def find_channels(self, as_of: datetime) -> LearnableChannels:
        """Return the channels whose hours the touches before a cut-off can teach."""
        workspace = self.reader.project.workspace
        if not workspace.table(TOUCHES.name).exists():
            return LearnableChannels(
                (), ("there is no table of touches: send times rest on receptivity alone",)
            )
        options = self.options
        checks = check_touches(
            self.reader.engine,
            workspace,
            as_of,
            time_zone=self.reader.project.settings.time_zone,
            min_touches=options.min_touches,
            min_answered=options.min_answered,
            min_effective_hours=options.min_effective_hours,
        )
        learnable = checks.channels.loc[checks.channels["has_hours"], "channel"]
        return LearnableChannels(tuple(str(name) for name in learnable), checks.notes)

    def read_window(
        self, start: datetime, end: datetime, known: datetime, channels: Sequence[str]
    ) -> TouchWindow | None:
        """Return the touches sent from `start` on and before `end`, labelled by what was `known`.

        None where there is no touch whose answer is known, or nobody was known before `start`.
        """
        key = (start, end, known)
        if key not in self._windows:
            self._windows[key] = self._build(start, end, known, tuple(channels))
        return self._windows[key]

    def read_context(
        self,
        histories: Histories,
        as_of: datetime,
        receptivity: EmpiricalBayes,
        channels: Sequence[str],
        *,
        discount: float | np.ndarray = np.nan,
    ) -> ResponseContext:
        """Return what response models read of customers who are to be sent to after a cut-off.

        Parameters
        ----------
        histories : Histories
            The customers as of the same cut-off; for many of them, some at a time.
        as_of : datetime
        receptivity, discount
            See `build_context`.
        channels : sequence of str
            `ResponseModel.channels`.
        """
        fatigue = build_fatigue(self.reader.engine, self.reader.project.workspace, as_of)
        messages = self._read_messages(histories, as_of, channels)
        return build_context(histories, receptivity, messages, fatigue=fatigue, discount=discount)

    def _read_messages(
        self, histories: Histories, as_of: datetime, channels: Sequence[str]
    ) -> MessageCounts:
        counts = build_message_histories(
            self.reader.engine,
            self.reader.project.workspace,
            as_of,
            time_zone=self.reader.project.settings.time_zone,
            window_hours=self.options.window_hours,
            half_life_days=self.options.half_life_days,
        )
        return MessageCounts.from_table(counts, histories.customer_id, channels)

    def _build(
        self, start: datetime, end: datetime, known: datetime, channels: tuple[str, ...]
    ) -> TouchWindow | None:
        engine, project, options = self.reader.engine, self.reader.project, self.options
        zone, window_hours = project.settings.time_zone, options.window_hours
        rows = build_touch_rows(
            engine,
            project.workspace,
            start,
            end,
            time_zone=zone,
            window_hours=window_hours,
            known_until=known,
        )
        rows = rows[rows["is_mature"] & rows["channel"].isin(channels)]
        rows = _limit(rows, options.max_touches)
        try:
            profiles = self.reader.read_profiles(start)
        except NotEnoughData:
            return None
        if len(rows) == 0:
            return None
        customers = pd.Index(np.sort(rows["customer_id"].unique().astype(object)))
        found = profiles.set_index("customer_id").reindex(customers).rename_axis("customer_id")
        # Who was not known yet has been silent for no time, not for ever.
        table = found.assign(tenure_days=found["tenure_days"].fillna(0.0)).reset_index()
        histories = Histories.from_table(table)
        return TouchWindow(rows, histories, self._read_messages(histories, start, channels))


def _limit(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """Keep every so many customers, with all their touches, until there are few enough."""
    step = -(-len(rows) // most)
    if step <= 1:
        return rows.reset_index(drop=True)
    codes = pd.factorize(rows["customer_id"], sort=True)[0]
    kept: pd.DataFrame = rows[codes % step == 0]
    return kept.reset_index(drop=True)
