"""One customer as a page or a person would want to see them, and all that is kept of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from features.customer.time_zones import PROJECT
from features.errors import AlmanacError
from features.schema import CHANNELS, SLOTS_PER_WEEK, Promotions
from models.campaign.eligibility import (
    REASONS,
    SENTENCES,
    Audience,
    Places,
    judge_eligibility,
)
from models.campaign.send_slots import QuietHours
from serving.customers.answers import LiveAnswers, find_cutoff, predict_value
from serving.customers.live import LiveProfiles, Row
from serving.customers.person import Person, aware, to_datetime
from serving.customers.profile_rows import read_preferences, read_traits
from serving.outlooks import read_outlook
from serving.profiles import read_consent
from serving.send_times import WINDOW, SendTimeQuery, default_window

_ALWAYS = ("email",)
"""Channels that a heat map is told of, beside those the customer used."""
_BEST = 3
"""Moments that are told of each channel."""
_QUIET = QuietHours.parse("21:00", "08:00")
_WEEK = np.arange(SLOTS_PER_WEEK)[None]
NO_CONSENT = "the customer has not agreed to personalisation"
NO_MODEL = "no send-time model is published: almanac train promotion, almanac promote promotion"


@dataclass(frozen=True)
class Offers:
    """What is on offer: canonical promotions, and where they hold."""

    promotions: pd.DataFrame
    places: Places


class CustomerView:
    """Tells of one customer.

    Parameters
    ----------
    live : LiveProfiles
    answers : LiveAnswers or None
        None where no model is published.
    model_version : str
    offers : Offers or None
        None where the project has no promotions.
    """

    def __init__(
        self,
        live: LiveProfiles,
        answers: LiveAnswers | None,
        model_version: str,
        offers: Offers | None,
    ) -> None:
        self.live, self.answers, self.offers = live, answers, offers
        self.model_version = model_version

    def is_published(self, name: str) -> bool:
        """Say whether the published profiles know a customer by this id."""
        return self.answers is not None and name in self.answers.predictor.profiles.rows

    def tell(self, row: Row, now: datetime) -> dict[str, Any]:
        """Return what `contract.CustomerProfile` holds.

        Of who has not agreed only is told who they are and what they said, not what they did.
        """
        session, person = self.live.session, self.live.read(row, now)
        is_personal = row.stated.is_personal
        notes = [] if is_personal else [NO_CONSENT]
        if is_personal and (self.answers is None or not self.answers.is_live):
            notes.append(NO_MODEL)
        promotions, doubts = self._judge_offers(row, person, now) if is_personal else ([], [])
        worth, outlook = self._value(person, now) if is_personal else (None, None)
        return {
            "customer_id": row.stated.customer_id,
            "as_of": now,
            "created_at": aware(to_datetime(row.stated.created_at)),
            "identifiers": self._list_identifiers(row),
            "traits": read_traits(session, row.root),
            "consent": {
                "is_personal": is_personal,
                "preferences": read_preferences(session, row.root),
                "channels": row.stated.consent,
            },
            "time_zone": person.zone.time_zone if is_personal else self.live.time_zone,
            "time_zone_source": person.zone.source if is_personal else PROJECT,
            "region_id": person.region_id if is_personal else row.stated.region_id,
            "channels": list_channels(person) if is_personal else [],
            "merges": self._list_merges(row),
            "receptivity": self._receive(row, person, now) if is_personal else None,
            "value": worth,
            "next_purchase": outlook,
            "promotions": promotions,
            "notes": [*notes, *doubts],
        }

    def _receive(self, row: Row, person: Person, now: datetime) -> dict[str, Any] | None:
        if self.answers is None or not self.answers.is_live:
            return None
        used = [channel for channel in CHANNELS if channel in person.last_seen]
        own = row.stated.customer_id
        predictor = self.answers.over_people([person], [own], find_cutoff([person], now))
        start, end = default_window(now)
        maps: list[dict[str, Any]] = []
        reasons: list[str] = []
        for channel in dict.fromkeys((*_ALWAYS, *used)):
            query = SendTimeQuery(
                customers=[own],
                start=start,
                end=end,
                channels=(channel,),
                quiet_hours=_QUIET,
                top_k=_BEST,
                has_all_slots=True,
                has_reasons=not maps,  # they are the same for every channel
            )
            (answer,) = predictor.answer(query)
            reasons = answer.reasons or reasons
            low, high = predictor.scorer.bound(predictor.profiles.find_rows([own]), channel, _WEEK)
            maps.append(
                {
                    "channel": channel,
                    "measure": answer.measure,
                    "probabilities": answer.probabilities,
                    "low": low[0].tolist(),
                    "high": high[0].tolist(),
                    "best": answer.slots,
                    "exclusions": answer.exclusions,
                }
            )
        return {
            "model_version": self.model_version,
            "evidence": answer.evidence,
            "reasons": reasons,
            "channels": maps,
        }

    def _value(self, person: Person, now: datetime) -> tuple[dict[str, Any], Any]:
        """Say what the customer was worth, and what is expected of them."""
        known = [value for _, value in person.orders if value is not None]
        as_of = find_cutoff([person], now)
        worth: dict[str, Any] = {
            "orders": len(person.orders),
            "spend": math.fsum(known) if known else None,
            "mean_order_value": math.fsum(known) / len(known) if known else None,
            "spend_365d": person.read(as_of)["spend_365d"],
        }
        if self.answers is None or self.answers.value is None:
            return worth, None
        (row,) = predict_value(self.answers.value, [person], as_of)
        for name in (
            "expected_orders_28d", "expected_orders_28d_low", "expected_orders_28d_high",
            "expected_value_28d",
        ):  # fmt: skip
            worth[name] = None if math.isnan(row[name]) else float(row[name])
        return worth, read_outlook(row)

    def _judge_offers(
        self, row: Row, person: Person, now: datetime
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """Say which promotions of the next seven days may be offered, and why not."""
        if self.offers is None:
            return [], []
        start, end = (np.datetime64(t.replace(tzinfo=None), "us") for t in (now, now + WINDOW))
        table = self.offers.promotions
        table = table[(table[Promotions.ENDS_AT] > start) & (table[Promotions.STARTS_AT] < end)]
        if table.empty:
            return [], []
        consent = read_consent(row.stated.consent)
        allowed = [consent is None or channel in consent for channel in CHANNELS]
        audience = Audience(
            region_ids=np.array([person.region_id or ""], dtype=object),
            has_consent=np.array([allowed]),
            left=np.ones((1, len(CHANNELS)), dtype=np.int64),
            is_held_out=np.zeros(1, dtype=np.bool_),
            has_hours=np.ones(1, dtype=np.bool_),
        )
        ids = table[Promotions.PROMOTION_ID].tolist()
        try:
            found = judge_eligibility(
                ids, table, audience, channels=CHANNELS, start=start, end=end, as_of=start,
                places=self.offers.places,
            )  # fmt: skip
        except AlmanacError as error:
            return [], [f"promotions cannot be judged: {error}"]
        told = zip(table.to_dict("records"), found.code[:, 0], strict=True)
        return [_tell_offer(promotion, code) for promotion, code in told], []

    def _list_identifiers(self, row: Row) -> list[dict[str, Any]]:
        found = self.live.session.rows(
            "SELECT kind, value, first_at FROM identifiers i JOIN nodes n ON n.node = i.node "
            "WHERE n.root = ?",
            (row.root,),
        )
        rank = self.live.store.rules.rank
        return [
            {"kind": kind, "value": value, "first_seen": aware(to_datetime(at))}
            for kind, value, at in sorted(found, key=lambda one: (rank(one[0]), one[2], one[1]))
        ]

    def _list_merges(self, row: Row) -> list[dict[str, Any]]:
        found = self.live.session.rows(
            "SELECT edge, at, cause FROM edges e JOIN nodes n ON n.node = e.node "
            "WHERE n.root = ? AND is_apart = 0 ORDER BY edge",
            (row.root,),
        )
        return [
            {"merge": edge, "at": aware(to_datetime(at)), "cause": cause}
            for edge, at, cause in found
        ]


def list_channels(person: Person) -> list[dict[str, Any]]:
    """Return the channels a customer used, the last one first."""
    order = sorted(person.last_seen.items(), key=lambda item: (-item[1], item[0]))
    return [
        {
            "channel": channel,
            "events": person.events[channel],
            "last_seen": aware(to_datetime(at)),
        }
        for channel, at in order
        if channel in CHANNELS
    ]


def _tell_offer(promotion: dict[Any, Any], code: np.ndarray) -> dict[str, Any]:
    channels = [name for name, own in zip(CHANNELS, code.tolist(), strict=True) if own == 0]
    furthest = REASONS[int(code.max()) - 1] if not channels else None
    discount = promotion.get(Promotions.DISCOUNT)
    return {
        "promotion_id": str(promotion[Promotions.PROMOTION_ID]),
        "starts_at": aware(pd.Timestamp(promotion[Promotions.STARTS_AT]).to_pydatetime()),
        "ends_at": aware(pd.Timestamp(promotion[Promotions.ENDS_AT]).to_pydatetime()),
        "discount": None if discount is None or pd.isna(discount) else float(discount),
        "channels": channels,
        "reason": None if furthest is None else SENTENCES[furthest],
    }
