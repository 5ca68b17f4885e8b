"""`POST /v1/outcomes`: what came of decisions, durable before it is answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from serving.bodies import JSON, choose_media_type, decode_body, read_json_body
from serving.decisions.contract import Outcome, OutcomesRequest
from serving.decisions.identifiers import DecisionIds
from serving.decisions.lines import OutcomeLine
from serving.decisions.log import DecisionLog, as_problem
from serving.decisions.spool import SpoolFull
from serving.problems import Fault, Kind, Problem
from serving.responses import check_no_query, respond
from serving.settings import ServingSettings

LATEST = timedelta(days=90)
AHEAD = timedelta(days=1)
"""Clocks differ; what is said to lie further ahead is a mistake."""


class OutcomesEndpoint:
    """Takes outcomes.

    Parameters
    ----------
    decisions : DecisionLog or None
        None where the service keeps no log.
    settings : ServingSettings
        Limits.
    clock : callable
        Returns the time, with a zone.
    """

    def __init__(
        self,
        decisions: DecisionLog | None,
        settings: ServingSettings,
        clock: Callable[[], datetime],
    ) -> None:
        self.decisions, self.settings, self.clock = decisions, settings, clock

    async def take(self, request: Request) -> Response:
        """Take up to 1,000 outcomes; each is accepted, or rejected with its reason."""
        check_no_query(request)
        choose_media_type(request.headers.get("accept", ""), (JSON,))
        body = await read_json_body(request, self.settings.max_body_bytes)
        told = decode_body(body, OutcomesRequest).outcomes
        if self.decisions is None:
            raise Problem(
                Kind.NOT_STORED,
                "This service keeps no log of decisions: [decisions] is_logged is false.",
                headers={"Retry-After": "30"},
            )
        now = self.clock()
        faults = [judge_outcome(outcome, self.decisions.ids, now) for outcome in told]
        taken = [outcome for outcome, fault in zip(told, faults, strict=True) if fault is None]
        if taken:
            await anyio.to_thread.run_sync(_store, self.decisions, taken, now)
        rejected = [
            {
                "index": index,
                "reason": reason,
                "detail": fault.detail,
                "pointer": f"/outcomes/{index}{fault.pointer}",
            }
            for index, found in enumerate(faults)
            if found is not None
            for reason, fault in (found,)
        ]
        answer = {"success": not rejected, "accepted": len(taken), "rejected": rejected}
        return respond(msgspec.json.encode(answer))


def judge_outcome(outcome: Outcome, ids: DecisionIds, now: datetime) -> tuple[str, Fault] | None:
    """Return why an outcome is not taken; None where it is.

    Parameters
    ----------
    outcome : Outcome
    ids : DecisionIds
        Tell when a decision was made, without looking it up.
    now : datetime
        With a zone.
    """
    seconds = ids.read(outcome.decision_id)
    if seconds is None:
        detail = "no decision of this service has this id; send it as the answer told it"
        return "unknown-decision", Fault(detail, pointer="/decision_id")
    decided_at = datetime.fromtimestamp(seconds, UTC)
    where = "/occurred_at"
    if outcome.occurred_at < decided_at:
        return "before-decision", Fault("lies before the decision itself", pointer=where)
    if outcome.occurred_at > decided_at + LATEST:
        detail = f"lies more than {LATEST.days} days after the decision"
        return "too-late", Fault(detail, pointer=where)
    if outcome.occurred_at > now + AHEAD:
        return "in-future", Fault("lies more than a day ahead of the clock", pointer=where)
    return None


def _store(decisions: DecisionLog, outcomes: list[Outcome], now: datetime) -> None:
    lines = [
        msgspec.json.encode(
            OutcomeLine(
                outcome.decision_id,
                outcome.outcome,
                outcome.occurred_at.astimezone(UTC),
                outcome.value,
                outcome.currency,
                now,
            )
        )
        for outcome in outcomes
    ]
    try:
        decisions.outcomes.append(b"\n".join(lines) + b"\n", now, is_durable=True)
    except SpoolFull as error:
        raise as_problem(error) from None
