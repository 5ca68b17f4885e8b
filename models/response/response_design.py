"""The features of the boosted response model: once per customer, and one-dimensional by slot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.messages.touch_rows import CHANNEL_FATIGUE, FATIGUE
from models.response.context import ResponseContext
from models.response.response_chain import ResponseParts

LEVEL = ("channel", "log_level", "log_any_level")
OFFER = ("discount",)
BY_SLOT = ("activity",)
"""Log of what lies ahead of the slot. Lifts are left as the chain shrinks them: boosting would
stretch them again to what the sender's choice of hours foresees."""
RISING = ("log_level", "log_any_level", *BY_SLOT)
"""More of each of these can only raise the score."""


@dataclass(frozen=True)
class DesignNames:
    """The columns of a design, in order, and what each is to a reader.

    Attributes
    ----------
    level_names : tuple of str
        Level features of the context.
    """

    level_names: tuple[str, ...]

    @property
    def once(self) -> tuple[str, ...]:
        """Columns that do not depend on the slot."""
        return (*LEVEL, *FATIGUE, CHANNEL_FATIGUE, *OFFER, *self.level_names)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns."""
        return (*self.once, *BY_SLOT)

    @property
    def by_slot(self) -> tuple[int, ...]:
        """Positions of the columns that depend on the slot."""
        return tuple(range(len(self.once), len(self.columns)))

    @property
    def groups(self) -> list[list[int]]:
        """Interaction constraints: all that is once together, each by slot alone."""
        return [list(range(len(self.once))), *([place] for place in self.by_slot)]

    @property
    def rising(self) -> list[int]:
        """Monotone constraints: 1 for the columns of `RISING`, else 0.

        Without them a level of exactly 0, which only customers without a history have, would tell
        the oldest window from the others.
        """
        return [int(name in RISING) for name in self.columns]

    def positions(self, group: str) -> list[int]:
        """Return the columns behind one contribution of `ResponseModel.explain`."""
        names = {
            "level": (*LEVEL, *self.level_names),
            "fatigue": (*FATIGUE, CHANNEL_FATIGUE),
            "offer": OFFER,
            "own_activity": ("activity",),
            "own_responses": (),
        }[group]
        return [self.columns.index(name) for name in names]


GROUPS = ("level", "fatigue", "offer", "own_activity", "own_responses")


def build_once(
    context: ResponseContext, parts: ResponseParts, channel: str, code: int, names: DesignNames
) -> np.ndarray:
    """Return what does not depend on the slot, shape (n, len(names.once))."""
    position = {name: place for place, name in enumerate(context.level_names)}
    features = context.level_features[:, [position[name] for name in names.level_names]]
    return np.column_stack(
        [
            np.full(len(context), float(code)),
            np.log(parts.level),
            np.log(parts.any_level),
            context.fatigue,
            context.own_channel_fatigue(channel),
            context.discount,
            features,
        ]
    )


def build_by_slot(parts: ResponseParts) -> tuple[np.ndarray, ...]:
    """Return the features by slot, each of shape (n, 168), in the order of `BY_SLOT`."""
    return (parts.activity,)
