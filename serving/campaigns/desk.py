"""Drafting campaigns in the service: one at a time, in a thread, with the code of the command.

A draft is planned by `serving.campaigns.run`, as `almanac plan-campaign` does: from the published
model, the canonical tables as they were read in last, the same arms, caps, consent and erasures.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pandas as pd

from features.errors import AlmanacError
from features.project import Project
from features.schema import PROMOTIONS, TOUCHES, Decisions
from models.artifact import load_published
from serving.campaigns.asking import tell_rules
from serving.campaigns.drafts import KEPT_FOR, DraftShelf, NoDraft
from serving.campaigns.log import AlreadyLogged, log_campaign
from serving.campaigns.query import CampaignQuery
from serving.campaigns.run import run_campaign
from serving.campaigns.summary import summarise_campaign
from serving.customers.hiding import read_hiding
from serving.customers.settings import is_store_used
from serving.customers.store import CustomerStore
from serving.logs import FIELDS, LOGGER

MOST_WAITING = 4
"""Drafts that a worker plans or lets wait; more are refused."""
MOST_PLANNING = timedelta(minutes=10)
"""After this long a draft that is not ready was broken off with the service."""
FAILED = "the campaign could not be planned; the log says why"
BROKEN_OFF = "the service was stopped while it was planned; draft it anew"

Draft = dict[str, Any]
"""What `serving.campaigns.contract.CampaignDraft` holds."""
log = logging.getLogger(LOGGER)


class TooMany(AlmanacError):
    """As many drafts are being planned as a worker takes."""


@dataclass(frozen=True)
class Started:
    """A draft that is being planned.

    Attributes
    ----------
    id : str
        By which it can be read at once; it says how far it is.
    done : Future of dict
        The draft when it is planned; or why it cannot be.
    """

    id: str
    done: Future[Draft]


class CampaignDesk:
    """Plans drafts, and keeps them.

    Parameters
    ----------
    project : Project
        Its models are published and its canonical tables built.
    """

    def __init__(self, project: Project) -> None:
        self.project, self.shelf = project, DraftShelf(project.workspace.root)
        self._one_plan, self._counting, self._waiting = threading.Lock(), threading.Lock(), 0

    def start(self, query: CampaignQuery, segment: str | None, now: datetime) -> Started:
        """Begin to plan a campaign.

        Parameters
        ----------
        query : CampaignQuery
        segment : str or None
            Of which the audience is; None where customers were named.
        now : datetime
            With a zone.

        Raises
        ------
        TooMany
        NotTrained
            If no send-time model is published.
        """
        pointer, artifact = load_published(self.project.workspace.published, "promotion")
        draft = self._describe(query, segment, pointer.version, now)
        self._count(1)
        try:
            self.shelf.prune(now)
            self.shelf.write(draft["id"], msgspec.json.encode(draft))
        except BaseException:
            self._count(-1)
            raise
        done: Future[Draft] = Future()
        done.set_running_or_notify_cancel()
        work = partial(self._plan, query, artifact.files, draft, done)
        # A daemon: a plan must not keep the service from ending.
        threading.Thread(target=work, name="campaign draft", daemon=True).start()
        return Started(draft["id"], done)

    def read(self, draft: str, now: datetime) -> Draft:
        """Return a draft, as far as it is.

        Raises
        ------
        NoDraft
        """
        told: Draft = msgspec.json.decode(self.shelf.read(draft))
        if datetime.fromisoformat(told["expires_at"]) <= now:
            raise NoDraft("there is no such draft: drafts are kept for a day; draft it anew")
        begun = datetime.fromisoformat(told["created_at"])
        if told["state"] == "planning" and now - begun > MOST_PLANNING:
            told |= {"state": "failed", "problem": BROKEN_OFF}
        return told

    def read_messages(self, draft: str, now: datetime) -> tuple[Draft, pd.DataFrame]:
        """Return a draft and its schedule, without who was erased since.

        Raises
        ------
        NoDraft
        StoreUnavailable
            If customers are kept and the store does not tell who was erased.
        """
        told = self.read(draft, now)
        schedule = self.shelf.read_messages(draft)
        erased = self._list_erased(schedule, datetime.fromisoformat(told["created_at"]))
        return told, schedule[~schedule[Decisions.CUSTOMER_ID].isin(erased)]

    def decide(self, draft: str, now: datetime) -> dict[str, Any]:
        """Put a draft down in the log of decisions, once.

        Raises
        ------
        NoDraft, StoreUnavailable
            As `read_messages`.
        """
        told, schedule = self.read_messages(draft, now)
        decided_at = datetime.fromisoformat(told["decided_at"])
        root, is_new = self.project.workspace.root, True
        try:
            log_campaign(schedule, told["campaign"], decided_at, root)
        except AlreadyLogged:
            is_new = False
        return {"campaign": told["campaign"], "customers": len(schedule), "is_new": is_new}

    def _plan(
        self,
        query: CampaignQuery,
        files: Mapping[str, bytes],
        draft: Draft,
        done: Future[Draft],
    ) -> None:
        try:
            with self._one_plan:
                planned = run_campaign(self.project, files, draft["model_version"], query)
            ready = {**draft, "state": "ready", "plan": summarise_campaign(planned)}
            self.shelf.write(draft["id"], msgspec.json.encode(ready), planned.schedule)
            done.set_result(ready)
        except Exception as error:  # noqa: BLE001 - told to who asks, now or later
            self._fail(draft, error)
            done.set_exception(error)
        finally:
            self._count(-1)

    def _describe(
        self, query: CampaignQuery, segment: str | None, version: str, now: datetime
    ) -> Draft:
        return {
            "id": self.shelf.new_id(),
            "state": "planning",
            "problem": None,
            "created_at": now,
            "expires_at": now + KEPT_FOR,
            "campaign": query.campaign_id,
            "decided_at": query.decided_at,
            "window": {"start": query.start, "end": query.end},
            "promotions": query.promotions,
            "channels": query.channels,
            "segment": segment,
            "rules": tell_rules(query.settings),
            "model_version": version,
            "data_as_of": self._find_built_at(),
            "plan": None,
        }

    def _find_built_at(self) -> datetime:
        """Return when what caps count was read in: touches, or promotions where there are none."""
        paths = [self.project.workspace.table(table.name) for table in (TOUCHES, PROMOTIONS)]
        built = next(path for path in paths if path.exists())
        return datetime.fromtimestamp(built.stat().st_mtime, UTC)

    def _fail(self, draft: Draft, error: Exception) -> None:
        if not isinstance(error, AlmanacError):
            log.error("campaign draft failed", exc_info=error, extra={FIELDS: {"id": draft["id"]}})
        words = str(error) if isinstance(error, AlmanacError) else FAILED
        failed = {**draft, "state": "failed", "problem": words}
        self.shelf.write(draft["id"], msgspec.json.encode(failed))

    def _list_erased(self, schedule: pd.DataFrame, since: datetime) -> set[str]:
        if not is_store_used(self.project):
            return set()
        store = CustomerStore.open(self.project)
        with closing(store):
            hiding, names = read_hiding(store.session), schedule[Decisions.CUSTOMER_ID]
            return hiding.find_erased(names, since, store.marker.mark)

    def _count(self, change: int) -> None:
        with self._counting:
            if change > 0 and self._waiting >= MOST_WAITING:
                raise TooMany("as many campaigns are being planned as fit; send it again later")
            self._waiting += change
