"""What the service answers with, free of any framework: the champions, and the way to ask them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from features.errors import NotTrained
from models.demand.scenario_files import Scenarios
from serving.champions import Champion, Champions, load_champions
from serving.customers.answers import LiveAnswer, LiveAnswers
from serving.customers.customers import Customers
from serving.customers.database import StoreUnavailable
from serving.forecasts import ForecastTable
from serving.planning import Planning
from serving.send_times import CustomerSendTimes, SendTimePredictor, SendTimeQuery


class SendTimes(msgspec.Struct, frozen=True):
    """Send times, and which model and profiles they come from."""

    model_version: str
    profiles_as_of: datetime
    window: dict[str, datetime]
    degraded: bool
    customers: list[CustomerSendTimes]


class Predictor:
    """Answers with the champions it holds.

    `champions` is replaced as a whole: a request reads it once, so all of its answer comes from
    one version.
    """

    def __init__(self, champions: Champions, customers: Customers | None = None) -> None:
        self.champions, self.customers = champions, customers

    @classmethod
    def load(cls, published: Path, required: Sequence[str] = ()) -> Predictor:
        """Load what is published; a kind that cannot be is left out, and its state says why."""
        return cls(load_champions(published, required))

    def send_times(
        self, query: SendTimeQuery, now: datetime | None = None, *, in_thread: bool = False
    ) -> SendTimes:
        """Return the best times to reach customers.

        Parameters
        ----------
        query : SendTimeQuery
        now : datetime, optional
            With a zone: what live profiles are read as of; without it only what is published
            answers.
        in_thread : bool
            Whether this is the thread for large requests, not the event loop.

        Raises
        ------
        NotTrained
            If no send-time model is loaded.
        """
        champion = self.champions.promotion
        if champion is None:
            raise NotTrained("no send-time model is loaded; /readyz says why")
        live = self._choose_live(in_thread=in_thread) if now is not None else None
        if live is None or now is None:
            answered = LiveAnswer(champion.model.answer(query), is_degraded=False)
        else:
            answered = _answer_live(champion.model, live, query, now)
        return SendTimes(
            model_version=champion.version,
            profiles_as_of=champion.model.profiles.as_of,
            window={"start": query.start, "end": query.end},
            degraded=answered.is_degraded,
            customers=answered.customers,
        )

    def _choose_live(self, *, in_thread: bool) -> LiveAnswers | None:
        customers = self.customers
        if customers is None:
            return None
        return customers.batch_answers if in_thread else customers.inline_answers

    @property
    def demand(self) -> Champion[ForecastTable]:
        """The demand champion.

        Raises
        ------
        NotTrained
            If none is loaded.
        """
        champion = self.champions.demand
        if champion is None:
            raise NotTrained("no demand model is loaded; /readyz says why")
        return champion

    @property
    def planning(self) -> Champion[Planning]:
        """The demand champion's stock advice and sample paths.

        Raises
        ------
        NotTrained
            If no demand model is loaded.
        """
        champion = self.champions.planning
        if champion is None:
            raise NotTrained("no demand model is loaded; /readyz says why")
        return champion

    @property
    def scenarios(self) -> Champion[Scenarios | None]:
        """The demand champion's rows for scenarios; None within where it has none.

        Raises
        ------
        NotTrained
            If no demand model is loaded.
        """
        champion = self.champions.scenarios
        if champion is None:
            raise NotTrained("no demand model is loaded; /readyz says why")
        return champion


def _answer_live(
    model: SendTimePredictor, live: LiveAnswers, query: SendTimeQuery, now: datetime
) -> LiveAnswer:
    """Answer from live profiles; as anybody would be where the store does not tell who agreed."""
    try:
        return live.answer(query, now)
    except StoreUnavailable:
        nobody = model.over_nobody(model.profiles.default)
        return LiveAnswer(nobody.answer(query), is_degraded=True)
