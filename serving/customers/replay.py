"""Sending dead letters again, as after a mend of the settings that they were rejected by."""

from __future__ import annotations

from collections import Counter
from functools import partial

from features.segment.envelope import Envelope
from serving.customers.applying import Outcome, Received
from serving.customers.database import Session
from serving.customers.dead_letters import DeadLetter, read_dead_letters, remove_dead_letters
from serving.customers.store import CustomerStore

REPLAY_PART = 500


def replay_letters(store: CustomerStore, reason: str | None) -> Counter[str]:
    """Send rejected messages again; those that are taken, or known, are no dead letters any more.

    Parameters
    ----------
    store : CustomerStore
    reason : str or None
        Only those rejected for this.
    """
    reader, counts, after = store.settings.make_reader(), Counter[str](), 0
    last = (store.session.rows("SELECT MAX(letter) FROM dead_letters")[0][0]) or 0
    while True:
        letters = read_dead_letters(store.session, reason=reason, after=after, limit=REPLAY_PART)
        letters = [letter for letter in letters if letter.letter <= last]
        if not letters:
            return counts
        after = letters[-1].letter
        kept = [letter for letter in letters if letter.body is not None]
        items = [
            Received(
                (letter.body or "").encode(),
                reader.read(
                    (letter.body or "").encode(), letter.received_at, _find_envelope(letter)
                ),
                letter.received_at,
                letter.source,
            )
            for letter in kept
        ]
        outcomes = store.apply(items, also=partial(_remove_done, kept=kept))
        counts.update(outcome.status for outcome in outcomes)


def _find_envelope(letter: DeadLetter) -> Envelope:
    """Return what was stated around a message: the address that says its type."""
    if not letter.source.startswith("/v1/"):
        return Envelope(is_received_now=False)
    kind = letter.source.rsplit("/", 1)[-1]
    return Envelope(type=None if kind in ("batch", "webhook") else kind)


def _remove_done(session: Session, outcomes: list[Outcome], *, kept: list[DeadLetter]) -> None:
    """Remove the letters that were taken, or were written anew for another reason."""
    done = [
        letter.letter
        for letter, outcome in zip(kept, outcomes, strict=True)
        if outcome.rejected is None or outcome.rejected.reason != letter.reason
    ]
    remove_dead_letters(session, done)
