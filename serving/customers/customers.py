"""Live customers as the service holds them: a writer, readers, and the models over both."""

from __future__ import annotations

import logging
from dataclasses import dataclass

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

    def close(self) -> None:
        """Store what was taken, then close every session."""
        self.writer.stop()
        for live in (self.inline, self.batch, self.desk):
            live.close()


def open_customers(project: Project, champions: Champions) -> Customers:
    """Open the live customers of a project, over the champions that were loaded.

    Raises
    ------
    StoreUnavailable
        If the database cannot be opened.
    """
    settings, parts = read_settings(project), champions.live or USUAL
    promotion = champions.promotion
    versions = () if promotion is None else (f"promotion {promotion.version}",)
    store = CustomerStore.open(project, models=lambda: versions)
    catalogue = load_catalogue(project.workspace)
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

    inline, batch, desk = read(), read(), read()
    answers = [
        None if promotion is None else _make_answers(promotion.model, live, parts)
        for live in (inline, batch, desk)
    ]
    version = "" if promotion is None else promotion.version
    return Customers(
        settings,
        settings.make_reader(),
        Writer(store, settings.max_waiting),
        inline,
        batch,
        desk,
        answers[0],
        answers[1],
        CustomerView(desk, answers[2], version, load_offers(project)),
    )


def _make_answers(
    predictor: SendTimePredictor, live: LiveProfiles, parts: LiveParts
) -> LiveAnswers:
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
