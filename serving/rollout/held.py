"""Everything that answers at one moment, taken by a request as one, and given back by it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from serving.champions import Champions, ModelState
from serving.customers.customers import Customers
from serving.rollout.trial import Trial

NO_TRIAL = ModelState("promotion", "not-published", is_required=False)


@dataclass
class Held:
    """Models and the live customers that are read with them: of one version, all together.

    Attributes
    ----------
    champions : Champions
    customers : Customers or None
    trial : Trial or None
        A challenger beside them.
    trial_state : ModelState
        Of the challenger.
    users : int
        Requests that use it now.
    """

    champions: Champions
    customers: Customers | None = None
    trial: Trial | None = None
    trial_state: ModelState = NO_TRIAL
    users: int = field(default=0, compare=False)


class Holder:
    """Hands out what is held, and knows when what was held before is used by nobody any more.

    Parameters
    ----------
    held : Held
    """

    def __init__(self, held: Held) -> None:
        self._held = held
        self._before: list[Held] = []
        self._lock = threading.Lock()

    @property
    def held(self) -> Held:
        """What is held now; for a look, as `use` keeps it open."""
        return self._held

    @contextmanager
    def use(self) -> Iterator[Held]:
        """Return what is held now; within the block nothing of it is closed."""
        with self._lock:
            held = self._held
            held.users += 1
        try:
            yield held
        finally:
            with self._lock:
                held.users -= 1

    def swap(self, held: Held) -> None:
        """Hold something else from now on; whoever uses the old one goes on with it."""
        with self._lock:
            self._before.append(self._held)
            self._held = held

    def close_unused(self) -> int:
        """Close what only those before held, as far as nobody uses it; return how many there were.

        Two that follow each other may share their readers, so one is closed only after all older.
        """
        closed = 0
        while True:
            with self._lock:
                if not self._before or self._before[0].users:
                    return closed
                old = self._before.pop(0)
                after = self._before[0] if self._before else self._held
            if old.customers is not None and old.customers is not after.customers:
                old.customers.close_readers()
            if old.trial is not None and old.trial is not after.trial:
                old.trial.close()
            closed += 1
