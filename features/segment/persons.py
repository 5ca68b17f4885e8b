"""What a message says of a person beside who they are: their traits and their consent."""

from __future__ import annotations

from typing import Any

from features.segment.envelope import Context, RawMessage
from features.segment.reasons import Reason, Refused

DEEPEST_TRAITS = 8
MOST_TRAITS = 250
LONGEST_TRAIT_NAME = 100
_LARGEST = 2**63


def find_traits(message_type: str, raw: RawMessage, context: Context) -> dict[str, Any]:
    """Return the traits of the person: of an identify its own, and of any message those around it.

    The traits of a group are of the group, and are not read. Where both name a trait, that of the
    message itself counts.

    Parameters
    ----------
    message_type : str
    raw : RawMessage
    context : Context

    Raises
    ------
    Refused
        If there are more than `MOST_TRAITS`, a name is longer than `LONGEST_TRAIT_NAME` or not
        printable, they are nested more deeply than `DEEPEST_TRAITS`, or they hold an integer of
        more than 64 bits.
    """
    around = context.traits
    if message_type == "identify" and raw.traits:
        traits = {**around, **raw.traits} if around else raw.traits
        place = "/traits"
    elif around:
        traits, place = around, "/context/traits"
    else:
        return {}
    is_long = len(traits) > MOST_TRAITS or max(map(len, traits)) > LONGEST_TRAIT_NAME
    if is_long or not all(map(str.isprintable, traits)):
        detail = (
            f"expected at most {MOST_TRAITS} traits, with names of at most {LONGEST_TRAIT_NAME} "
            "printable characters"
        )
        raise Refused(Reason.INVALID_TRAITS, place, detail)
    _check_inside(traits, place)
    return traits


def find_consent(context: Context) -> dict[str, bool] | None:
    """Return the consent that a message states; None where it states none."""
    return None if context.consent is None else context.consent.category_preferences


def _check_inside(traits: dict[str, Any], place: str) -> None:
    """Refuse traits that are nested too deeply, or hold an integer that no database takes."""
    level = list(traits.values())
    for _ in range(DEEPEST_TRAITS):
        inner: list[Any] = []
        for value in level:
            kind = type(value)
            if kind is dict:
                inner += value.values()
            elif kind is list:
                inner += value
            elif kind is int and not -_LARGEST <= value < _LARGEST:
                raise Refused(Reason.INVALID_TRAITS, place, "expected integers of at most 64 bits")
        if not inner:
            return
        level = inner
    detail = f"expected traits of at most {DEEPEST_TRAITS} levels; send them flatter"
    raise Refused(Reason.TOO_DEEP, place, detail)
