"""The single values of the contract, and the one way to spell each of them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator, Field

MOMENT = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
CLOCK_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"
QUANTILES = r"0\.[0-9]{1,4}(,0\.[0-9]{1,4})*"


def _spelt(pattern: str, words: str, read: Callable[[str], Any] = str) -> BeforeValidator:
    """Read text of one spelling only: left to itself, pydantic takes '17' for a time."""

    def check(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not re.fullmatch(pattern, value):
            raise ValueError(words)
        try:
            return read(value)
        except ValueError:
            raise ValueError(f"{words}, and one that exists") from None

    return BeforeValidator(check)


Channel = Literal["web", "app", "store", "email", "sms", "push", "social", "service", "mail"]
CustomerId = Annotated[str, Field(min_length=1, max_length=128)]
ClockTime = Annotated[
    str,
    _spelt(CLOCK_TIME, "must be a local time from 00:00 to 23:59"),
    Field(json_schema_extra={"pattern": f"^{CLOCK_TIME}$"}),
]
Moment = Annotated[
    AwareDatetime,
    _spelt(
        MOMENT,
        "must be a time as in RFC 3339 with an offset, such as 2026-11-27T09:00:00-05:00",
        lambda text: dt.datetime.fromisoformat(text.upper()),
    ),
]
Day = Annotated[
    dt.date,
    _spelt(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "must be a date: YYYY-MM-DD", dt.date.fromisoformat),
]
Quantiles = Annotated[
    str,
    _spelt(QUANTILES, "must be probabilities with commas between, such as 0.1,0.5,0.9"),
    Field(json_schema_extra={"pattern": f"^{QUANTILES}$"}),
]
Flag = Annotated[
    bool,
    _spelt("true|false", "must be true or false", lambda text: text == "true"),
]
Count = Annotated[int, _spelt(r"[0-9]{1,9}", "must be a whole number", int)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
