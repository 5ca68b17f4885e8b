"""One model's answer to a query: from live profiles where they are read, else as published."""

from __future__ import annotations

from datetime import datetime

from serving.customers.answers import LiveAnswer, LiveAnswers
from serving.customers.database import StoreUnavailable
from serving.send_times import SendTimePredictor, SendTimeQuery


def answer_query(
    model: SendTimePredictor,
    live: LiveAnswers | None,
    query: SendTimeQuery,
    now: datetime | None,
) -> LiveAnswer:
    """Answer with a model, and with what is known of people now.

    Where the store does not tell who agreed, everybody is answered as anybody would be.

    Parameters
    ----------
    model : SendTimePredictor
    live : LiveAnswers or None
        The same model over live profiles; None where there are none.
    query : SendTimeQuery
    now : datetime or None
        With a zone; without it only what is published answers.
    """
    if live is None or now is None:
        return LiveAnswer(model.answer(query), is_degraded=False)
    try:
        return live.answer(query, now)
    except StoreUnavailable:
        nobody = model.over_nobody(model.profiles.default)
        return LiveAnswer(nobody.answer(query), is_degraded=True)
