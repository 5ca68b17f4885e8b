"""What the service answers with, free of any framework: the champions, and the way to ask them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec

from features.errors import NotTrained
from models.demand.scenario_files import Scenarios
from models.demand.series_facts import SeriesFacts
from serving.champions import Champion, Champions, Model, load_champions
from serving.customers.answers import LiveAnswers
from serving.customers.customers import Customers
from serving.customers.database import StoreUnavailable
from serving.forecasts import ForecastTable
from serving.planning import Planning
from serving.rollout.answering import answer_query
from serving.rollout.held import Held, Holder
from serving.rollout.trial import Thread
from serving.send_times import CustomerSendTimes, SendTimeQuery


class SendTimes(msgspec.Struct, frozen=True):
    """Send times, and which model and profiles they come from."""

    model_version: str
    profiles_as_of: datetime
    window: dict[str, datetime]
    degraded: bool
    customers: list[CustomerSendTimes]


class Predictor:
    """Answers with the champions it holds.

    What is held is replaced as a whole: a request takes it once, so all of its answer comes from
    one version, and what it took stays open until it is done.
    """

    def __init__(self, champions: Champions, customers: Customers | None = None) -> None:
        self.holder = Holder(Held(champions, customers))
        self.use = self.holder.use

    @property
    def champions(self) -> Champions:
        """The champions that answer now."""
        return self.holder.held.champions

    @champions.setter
    def champions(self, champions: Champions) -> None:
        self.holder.swap(replace(self.holder.held, champions=champions, users=0))

    @property
    def customers(self) -> Customers | None:
        """The live customers, read with the champions of now."""
        return self.holder.held.customers

    @customers.setter
    def customers(self, customers: Customers | None) -> None:
        self.holder.swap(replace(self.holder.held, customers=customers, users=0))

    @contextmanager
    def pin(self) -> Iterator[Predictor]:
        """Return a predictor that answers, within the block, with what is held now."""
        with self.use() as held:
            pinned = Predictor(held.champions, held.customers)
            pinned.holder.swap(replace(held, users=0))
            yield pinned

    @contextmanager
    def use_customers(self) -> Iterator[Customers]:
        """Return the live customers; within the block their readers stay open.

        Raises
        ------
        StoreUnavailable
            If there is no store.
        """
        with self.use() as held:
            if held.customers is None:
                raise StoreUnavailable("the store of customers is not open; the log says why")
            yield held.customers

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
        with self.use() as held:
            champion = held.champions.promotion
            if champion is None:
                raise NotTrained("no send-time model is loaded; /readyz says why")
            live = _choose_live(held.customers, in_thread=in_thread)
            answered = answer_query(champion.model, live, query, now)
            if held.trial is not None:
                thread: Thread = "batch" if in_thread else "inline"
                answered = held.trial.join(query, now, answered, thread)
        return SendTimes(
            model_version=champion.version,
            profiles_as_of=champion.model.profiles.as_of,
            window={"start": query.start, "end": query.end},
            degraded=answered.is_degraded,
            customers=answered.customers,
        )

    @property
    def demand(self) -> Champion[ForecastTable]:
        """The demand champion.

        Raises
        ------
        NotTrained
            If none is loaded.
        """
        return _check_loaded(self.champions.demand)

    @property
    def planning(self) -> Champion[Planning]:
        """The demand champion's stock advice and sample paths.

        Raises
        ------
        NotTrained
            If no demand model is loaded.
        """
        return _check_loaded(self.champions.planning)

    @property
    def scenarios(self) -> Champion[Scenarios | None]:
        """The demand champion's rows for scenarios; None within where it has none.

        Raises
        ------
        NotTrained
            If no demand model is loaded.
        """
        return _check_loaded(self.champions.scenarios)

    @property
    def facts(self) -> Champion[SeriesFacts | None]:
        """What the demand champion tells of each series; None within where it tells nothing.

        Raises
        ------
        NotTrained
            If no demand model is loaded.
        """
        return _check_loaded(self.champions.facts)


def _check_loaded(champion: Champion[Model] | None) -> Champion[Model]:
    """Return what the demand champion holds, all of which is loaded with it."""
    if champion is None:
        raise NotTrained("no demand model is loaded; /readyz says why")
    return champion


def _choose_live(customers: Customers | None, *, in_thread: bool) -> LiveAnswers | None:
    if customers is None:
        return None
    return customers.batch_answers if in_thread else customers.inline_answers
