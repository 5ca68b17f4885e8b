"""Which segments there are now: of the champion, without who must not be known."""

from __future__ import annotations

from contextlib import closing

from features.errors import NotTrained
from serving.champions import Champion
from serving.customers.database import StoreUnavailable
from serving.customers.hiding import Hiding, read_hiding
from serving.problems import Kind, Problem, as_sentence
from serving.receptivity import Segments
from serving.rollout.held import Held
from serving.send_times import SendTimePredictor

_RETRY = {"Retry-After": "1"}


class SegmentSource:
    """Makes segments, and keeps them while they hold."""

    def __init__(self) -> None:
        self._kept: tuple[str, Hiding, Segments] | None = None

    def open(self, held: Held) -> Segments:
        """Return the segments of what is held; to be called in a thread.

        Raises
        ------
        NotTrained
            If no send-time model is loaded.
        Problem
            503 if customers are kept and the store does not tell who was erased.
        """
        champion, hiding, kept = find_champion(held), _read_hiding(held), self._kept
        if kept is None or kept[:2] != (champion.digest, hiding):
            # Marks are slow to make for very many customers, so only when somebody is erased.
            hidden = _find_hidden(held, hiding, champion.model)
            kept = (champion.digest, hiding, Segments(champion.model, hidden))
            self._kept = kept
        return kept[2]


def find_champion(held: Held) -> Champion[SendTimePredictor]:
    """Return the send-time champion.

    Raises
    ------
    NotTrained
        If none is loaded.
    """
    champion = held.champions.promotion
    if champion is None:
        raise NotTrained("no send-time model is loaded; /readyz says why")
    return champion


def _read_hiding(held: Held) -> Hiding:
    if held.customers is None:
        return Hiding({}, set())
    try:
        with closing(held.customers.writer.store.database.connect()) as session:
            return read_hiding(session)
    except StoreUnavailable as error:
        raise Problem(Kind.NOT_STORED, as_sentence(error), headers=_RETRY) from None


def _find_hidden(held: Held, hiding: Hiding, model: SendTimePredictor) -> set[str]:
    if held.customers is None:
        return set()
    return hiding.find(model.profiles, held.customers.writer.store.marker.mark)
