"""Which opens and clicks a machine made: written rules, each read as SQL and in Python.

Privacy proxies load every picture whether or not the message is read; mail gateways follow links
to look for malware. Neither says anything of a customer. Rules only ever *mark*: the rows of
`touches` stay as they are, and every marked row names its rule.

What is deliberately not marked: Gmail's and Yahoo's image proxies fetch a picture when the message
is opened, so their agents are people's; an open without an agent; a second, later click of a
message whose first one is human.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import duckdb
import pandas as pd

from features.customer.dialect import DuckDB, quote
from features.errors import NotEnoughData
from features.project import Workspace
from features.schema import TOUCHES, Touches

OPEN, CLICK = "open", "click"

PRIVACY_AGENTS = r"^mozilla/5\.0$"
"""The whole agent that Apple's Mail Privacy Protection sends; no browser sends as little."""
PREFETCH_AGENTS = r"edge/12\.246 (mozilla/5\.0|gmail-content-sampling)$"
"""Gmail fetching ahead and sampling; its image proxy, which serves readers, has another agent."""
GATEWAY_AGENTS = (
    r"barracuda|proofpoint|mimecast|messagelabs|symantec|fireeye|trendmicro|trend micro|ironport"
    r"|forcepoint|sophos|safelinks|safe links|zscaler|bitdefender|virustotal"
)
"""Products that scan mail and name themselves."""
ROBOT_AGENTS = (
    r"([^u]|^)bot\b|crawler|spider|headless|python-requests|python-urllib|aiohttp|^curl/|^wget/"
    r"|go-http-client|okhttp|java/|libwww-perl|scanner"
)
"""Programs without a reader. The Cubot telephone ends in "bot" and is none."""

MACHINE_CLICK_SECONDS = 2.0
MACHINE_OPEN_SECONDS = 1.0
FEW_LINKS = 2.0
"""A person may well click all of two links; three and more at once is a scan."""
_BLANKS = " \t\n\r\f\v\u00a0"
"""Around an agent: what is blank is not the same to SQL and to Python."""


@dataclass(frozen=True)
class Rule:
    """One way to tell a machine.

    Attributes
    ----------
    name : str
        How rows and tables call it.
    marks : str
        'open' or 'click': what it makes a machine's.
    sql : str
        Condition over the columns of `touches`; empty values make it NULL or false.
    test : callable
        The same of one row of `touches` in Python.
    sentence : str
        For a report.
    """

    name: str
    marks: str
    sql: str
    test: Callable[[Mapping[str, Any]], bool]
    sentence: str


def _agent_rule(name: str, pattern: str, sentence: str) -> Rule:
    compiled = re.compile(pattern, re.ASCII)  # what a word is, as the engine sees it

    def test(touch: Mapping[str, Any]) -> bool:
        agent = touch.get(Touches.OPEN_AGENT)
        is_opened = touch.get(Touches.OPENED_AT) is not None
        if not is_opened or agent is None:
            return False
        return compiled.search(agent.strip(_BLANKS).lower()) is not None

    agent = f"lower(trim({Touches.OPEN_AGENT}, {quote(_BLANKS)}))"
    sql = f"{Touches.OPENED_AT} IS NOT NULL AND regexp_matches({agent}, {quote(pattern)})"
    return Rule(name, OPEN, sql, test, sentence)


def _speed_rule(name: str, marks: str, moment: str, seconds: float, sentence: str) -> Rule:
    limit = timedelta(seconds=seconds)

    def test(touch: Mapping[str, Any]) -> bool:
        happened, sent_at = touch.get(moment), touch.get(Touches.SENT_AT)
        if happened is None or sent_at is None:
            return False
        return bool(timedelta(0) <= happened - sent_at < limit)

    apart = f"epoch_us({moment}) - epoch_us({Touches.SENT_AT})"
    sql = f"{apart} BETWEEN 0 AND {round(seconds * 1e6) - 1}"
    return Rule(name, marks, sql, test, sentence)


def _is_every_link(touch: Mapping[str, Any]) -> bool:
    links, clicked = touch.get(Touches.LINKS), touch.get(Touches.CLICKED_LINKS)
    if links is None or clicked is None or touch.get(Touches.CLICKED_AT) is None:
        return False
    return bool(clicked >= links > FEW_LINKS)


RULES = (
    Rule(
        "sender",
        OPEN,
        f"{Touches.OPENED_AT} IS NOT NULL AND {Touches.IS_MACHINE_OPEN}",
        lambda touch: (
            touch.get(Touches.OPENED_AT) is not None and bool(touch.get(Touches.IS_MACHINE_OPEN))
        ),
        "the sender marked the open as a machine's",
    ),
    _agent_rule(
        "privacy_proxy", PRIVACY_AGENTS, "a privacy proxy loaded the pictures, read or not"
    ),
    _agent_rule("prefetch", PREFETCH_AGENTS, "the mail provider fetched the pictures ahead"),
    _agent_rule("gateway", GATEWAY_AGENTS, "a mail gateway scanned the message"),
    _agent_rule("robot", ROBOT_AGENTS, "a program without a reader loaded the pictures"),
    _speed_rule(
        "instant_open",
        OPEN,
        Touches.OPENED_AT,
        MACHINE_OPEN_SECONDS,
        f"opened less than {MACHINE_OPEN_SECONDS:g} s after it was sent",
    ),
    _speed_rule(
        "instant_click",
        CLICK,
        Touches.CLICKED_AT,
        MACHINE_CLICK_SECONDS,
        f"clicked less than {MACHINE_CLICK_SECONDS:g} s after it was sent",
    ),
    Rule(
        "every_link",
        CLICK,
        f"{Touches.CLICKED_AT} IS NOT NULL AND {Touches.LINKS} > {FEW_LINKS} "
        f"AND {Touches.CLICKED_LINKS} >= {Touches.LINKS}",
        _is_every_link,
        f"every one of more than {FEW_LINKS:g} links was clicked",
    ),
)
"""All rules, the first that holds names a row."""


def machine_condition(marks: str) -> str:
    """Write the condition that an open or a click is a machine's, as SQL that is never NULL.

    Parameters
    ----------
    marks : str
        'open' or 'click'.
    """
    held = (f"COALESCE({rule.sql}, FALSE)" for rule in RULES if rule.marks == marks)
    return f"({' OR '.join(held)})"


def machine_rule_sql(marks: str) -> str:
    """Write the name of the first rule that marks an open or a click; NULL where none does."""
    cases = (f"WHEN {rule.sql} THEN {quote(rule.name)}" for rule in RULES if rule.marks == marks)
    return f"CASE {' '.join(cases)} END"


def find_machine_rule(touch: Mapping[str, Any], marks: str) -> str | None:
    """Return the name of the first rule that marks the open or click of one touch, or None.

    Examples
    --------
    >>> from datetime import datetime
    >>> sent = datetime(2024, 3, 4, 10)
    >>> find_machine_rule({"sent_at": sent, "clicked_at": sent}, "click")
    'instant_click'
    """
    return next((rule.name for rule in RULES if rule.marks == marks and rule.test(touch)), None)


def count_machine_rules(engine: duckdb.DuckDBPyConnection, workspace: Workspace) -> pd.DataFrame:
    """Count the touches that each rule holds for.

    Parameters
    ----------
    engine : duckdb.DuckDBPyConnection
        From `features.engine.open_engine`.
    workspace : Workspace
        Where `touches` lies.

    Returns
    -------
    DataFrame
        `rule, marks, touches, first, sentence`, one row per rule in their order: touches that it
        holds for, and those of them that no earlier rule of the same mark explains.

    Raises
    ------
    NotEnoughData
        If there is no table of touches.
    """
    path = workspace.table(TOUCHES.name)
    if not path.exists():
        raise NotEnoughData(
            f"{workspace.tables}: expected a table of touches, found none; describe "
            "[tables.touches] in the project file and build the tables again"
        )
    counts = []
    for rule in RULES:
        first = f"{machine_rule_sql(rule.marks)} = {quote(rule.name)}"
        counts += [f"COUNT(*) FILTER (WHERE {rule.sql})", f"COUNT(*) FILTER (WHERE {first})"]
    row = engine.execute(f"SELECT {', '.join(counts)} FROM {DuckDB().table(path)}").fetchall()[0]
    return pd.DataFrame(
        {
            "rule": [rule.name for rule in RULES],
            "marks": [rule.marks for rule in RULES],
            "touches": list(row[::2]),
            "first": list(row[1::2]),
            "sentence": [rule.sentence for rule in RULES],
        }
    )
