"""Live customers as the service holds them: a writer, readers, and the models over both."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from features.customer.customers import USUAL_HALF_LIFE_DAYS, customer_features
from features.errors import AlmanacError, TableError
from features.project import Project
from features.schema import PROMOTIONS
from features.segment.reader import MessageReader
from serving.campaigns.tables import load_promotions
from serving.champions import Champions, LiveParts
from serving.customers.answers import LiveAnswers
from serving.customers.catalogue import load_catalogue
from serving.customers.live import LiveProfiles
from serving.customers.settings import CustomersSettings, is_source, read_settings
from serving.customers.store import CustomerStore
from serving.customers.view import CustomerView, Offers
from serving.customers.writer import Writer
from serving.logs import FIELDS, LOGGER
from serving.send_times import SendTimePredictor

USUAL = LiveParts(customer_features(USUAL_HALF_LIFE_DAYS), None)
"""What live profiles are read with where nothing is published."""

log = logging.getLogger(LOGGER)


@dataclass
class Learned:
    """The models that learned from customers, as 'promotion 7'; another one after each swap."""

    models: tuple[str, ...] = ()

    def __call__(self) -> tuple[str, ...]:
        """Return them; asked whenever somebody is erased."""
        return self.models


@dataclass(frozen=True)
class Customers:
    """Everything of live customers.

    Attributes
    ----------
    settings : CustomersSettings
    reader : MessageReader
    writer : Writer
        Of the one thread that writes.
    inline : LiveProfiles
        For the event loop.
    batch : LiveProfiles
        For the one thread that answers large requests.
    desk : LiveProfiles
        For the one thread that tells of single customers.
    inline_answers, batch_answers : LiveAnswers or None
        None where no send-time model is published.
    view : CustomerView
    """

    settings: CustomersSettings
    reader: MessageReader
    writer: Writer
    inline: LiveProfiles
    batch: LiveProfiles
    desk: LiveProfiles
    inline_answers: LiveAnswers | None
    batch_answers: LiveAnswers | None
    view: CustomerView
    learned: Learned = field(default_factory=Learned)

    def close(self) -> None:
        """Store what was taken, then close every session."""
        self.writer.stop()
        self.close_readers()

    def close_readers(self) -> None:
        """Close what reads with these models; the store and its writer go on."""
        for live in (self.inline, self.batch, self.desk):
            live.close()


def open_customers(project: Project, champions: Champions) -> Customers:
    """Open the live customers of a project, over the champions that were loaded.

    Raises
    ------
    StoreUnavailable
        If the database cannot be opened.
    """
    settings, learned = read_settings(project), Learned()
    store = CustomerStore.open(project, models=learned)
    readers = _open_readers(project, store, champions)
    learned.models = list_learned(champions)
    return Customers(
        settings=settings,
        reader=settings.make_reader(),
        writer=Writer(store, settings.max_waiting),
        inline=readers.live[0],
        batch=readers.live[1],
        desk=readers.live[2],
        inline_answers=readers.answers[0],
        batch_answers=readers.answers[1],
        view=readers.view,
        learned=learned,
    )


def follow_champions(project: Project, before: Customers, champions: Champions) -> Customers:
    """Open readers with other models over the store and the writer that there are.

    `before` goes on answering until its readers are closed.

    Raises
    ------
    StoreUnavailable
        If the database cannot be opened once more; then nothing is left open.
    """
    readers = _open_readers(project, before.writer.store, champions)
    return replace(
        before,
        inline=readers.live[0],
        batch=readers.live[1],
        desk=readers.live[2],
        inline_answers=readers.answers[0],
        batch_answers=readers.answers[1],
        view=readers.view,
    )


def list_learned(*several: Champions) -> tuple[str, ...]:
    """Return the models that learned from customers."""
    versions = [own.promotion.version for own in several if own.promotion is not None]
    return tuple(f"promotion {version}" for version in dict.fromkeys(versions))


@dataclass(frozen=True)
class _Readers:
    """What reads live customers with some models: inline, in batches, and at the desk."""

    live: tuple[LiveProfiles, ...]
    answers: tuple[LiveAnswers | None, ...]
    view: CustomerView


def _open_readers(project: Project, store: CustomerStore, champions: Champions) -> _Readers:
    promotion, parts = champions.promotion, champions.live or USUAL
    read = prepare_live(project, store, champions)
    with ExitStack() as opened:
        live = []
        for _ in range(3):
            live.append(read())
            opened.callback(live[-1].close)
        answers = [
            None if promotion is None else make_answers(promotion.model, one, parts) for one in live
        ]
        version = "" if promotion is None else promotion.version
        view = CustomerView(live[2], answers[2], version, load_offers(project))
        opened.pop_all()
    return _Readers(tuple(live), tuple(answers), view)


def prepare_live(
    project: Project, store: CustomerStore, champions: Champions
) -> Callable[[], LiveProfiles]:
    """Return what opens live profiles that are read with some models, each with its own session."""
    parts = champions.live or USUAL
    catalogue = load_catalogue(project.workspace)
    promotion = champions.promotion
    inferred = {} if promotion is None else promotion.model.profiles.list_inferred()

    def read() -> LiveProfiles:
        return LiveProfiles(
            store,
            parts.features,
            catalogue,
            time_zone=project.settings.time_zone,
            inferred=inferred,
            is_source=is_source(project),
        )

    return read


def make_answers(predictor: SendTimePredictor, live: LiveProfiles, parts: LiveParts) -> LiveAnswers:
    """Return what answers from live profiles, or leaves them aside where the model lacks a feature.

    Who has not agreed, and who was erased, is looked up in any case.
    """
    answers = LiveAnswers(predictor, live, parts.value)
    try:
        answers.check()
    except TableError as error:
        fields = {"state": "not live", "reason": str(error)}
        log.warning("customers", extra={FIELDS: fields})
        answers.is_live = False
    return answers


def load_offers(project: Project) -> Offers | None:
    """Return the project's promotions and where they hold; None where there are none."""
    if not project.workspace.table(PROMOTIONS.name).exists():
        return None
    try:
        promotions, places = load_promotions(project)
    except (AlmanacError, OSError):
        return None
    return Offers(promotions, places)
