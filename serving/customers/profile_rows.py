"""The row of each person in `profiles`: what the canonical table of customers says of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from features.identity.identifiers import USER_ID
from serving.customers.consent import read_consent_preferences
from serving.customers.database import Session, in_parts, mark_places
from serving.customers.settings import ConsentSettings

PSEUDONYM = "person-"
_ZONES = ("time_zone", "timezone", "timeZone")
_REGIONS = ("store_id", "region_id", "region")


class ProfileRow(NamedTuple):
    """One row of `profiles`."""

    root: int
    customer_id: str
    is_personal: int
    consent: str | None
    time_zone: str | None
    region_id: str | None
    created_at: int


def write_profiles(session: Session, roots: Collection[int], settings: ConsentSettings) -> None:
    """Write the rows of some people anew.

    The customer id is their `user_id`, so that it joins with what else is known of them; who has
    none, or has not agreed to be known, goes by a pseudonym.

    Parameters
    ----------
    session : Session
        Within the writing transaction.
    roots : collection of int
    settings : ConsentSettings
    """
    for part in in_parts(sorted(roots)):
        facts = _Facts(session, part)
        session.run_many(
            "INSERT INTO profiles VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (root) DO UPDATE SET "
            "customer_id = excluded.customer_id, is_personal = excluded.is_personal, "
            "consent = excluded.consent, time_zone = excluded.time_zone, "
            "region_id = excluded.region_id, created_at = excluded.created_at",
            [facts.row(root, settings) for root in part if root in facts.created_at],
        )


def read_traits(session: Session, root: int) -> dict[str, Any]:
    """Return the traits of a person: of each name what was said last; what was nulled is gone."""
    return _Facts(session, [root]).traits.get(root, {})


def read_preferences(session: Session, root: int) -> dict[str, bool] | None:
    """Return the consent a person stated last; None where they never stated any."""
    return _Facts(session, [root]).preferences.get(root)


class _Facts:
    """What is stored of some people, by root."""

    def __init__(self, session: Session, roots: Collection[int]) -> None:
        within = f"n.root IN ({mark_places(roots)})"
        values = list(roots)
        self.created_at: dict[int, int] = dict(
            session.rows(
                f"SELECT root, MIN(created_at) FROM nodes n WHERE {within} GROUP BY root", values
            )
        )
        # The kind is chosen here: asked for in SQL, it would have every user id read.
        self.user_ids: dict[int, str] = {
            root: value
            for root, kind, value in session.rows(
                "SELECT root, kind, value FROM identifiers i JOIN nodes n ON n.node = i.node "
                f"WHERE {within}",
                values,
            )
            if kind == USER_ID
        }
        self.traits: dict[int, dict[str, Any]] = {}
        for root, name, value in session.rows(
            "SELECT root, name, value FROM traits t JOIN nodes n ON n.node = t.node "
            f"WHERE {within} ORDER BY t.at, t.value",
            values,
        ):
            self.traits.setdefault(root, {})[name] = msgspec.json.decode(value)
        for root, traits in self.traits.items():
            self.traits[root] = {name: value for name, value in traits.items() if value is not None}
        self.preferences: dict[int, dict[str, bool]] = {
            root: msgspec.json.decode(preferences)
            for root, preferences in session.rows(
                "SELECT root, preferences FROM consents c JOIN nodes n ON n.node = c.node "
                f"WHERE {within} ORDER BY c.at, c.preferences",
                values,
            )
        }

    def row(self, root: int, settings: ConsentSettings) -> ProfileRow:
        consent = read_consent_preferences(self.preferences.get(root), settings)
        traits = self.traits.get(root, {})
        user_id = self.user_ids.get(root)
        is_named = consent.is_personal and user_id is not None
        return ProfileRow(
            root,
            user_id if is_named and user_id is not None else f"{PSEUDONYM}{root}",
            int(consent.is_personal),
            consent.channels,
            _find_zone(traits) if consent.is_personal else None,
            _find_text(traits, _REGIONS),
            self.created_at[root],
        )


def _find_zone(traits: Mapping[str, Any]) -> str | None:
    name = _find_text(traits, _ZONES)
    if name is None:
        return None
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _find_text(traits: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = traits.get(name)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    return None
