from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.customer.dialect import DuckDB
from features.engine import open_engine
from features.errors import NotEnoughData
from features.messages.machine_opens import (
    RULES,
    count_machine_rules,
    find_machine_rule,
    machine_condition,
    machine_rule_sql,
)
from features.project import Workspace
from tests.activity_tables import write_tables

SENT = datetime.fromisoformat("2024-03-04T10:00")
TOUCH = {"message_id": "m", "customer_id": "a", "channel": "email", "sent_at": SENT}
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/124.0.0.0 Safari/537.36"
)
AGENTS = {
    "Mozilla/5.0": "privacy_proxy",
    " mozilla/5.0 ": "privacy_proxy",
    CHROME: None,
    CHROME.replace("124", "42") + " Edge/12.246 Mozilla/5.0": "prefetch",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)": (
        None
    ),
    "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html": None,
    "Barracuda Sentinel (EE)": "gateway",
    "Mozilla/5.0 (compatible; MimecastProtect)": "gateway",
    "python-requests/2.31": "robot",
    "Mozilla/5.0 (compatible; bitlybot/3.0)": "robot",
    "Mozilla/5.0 (Linux; Android 11; CUBOT X30) AppleWebKit/537.36": None,
    "\tMozilla/5.0\r\n": "privacy_proxy",
    "\u00a0Mozilla/5.0": "privacy_proxy",
    "bot\u00e9": "robot",  # to the engine's patterns a word ends before the accent
    None: None,
}


@pytest.fixture(scope="module")
def engine():
    with open_engine(threads=1) as connection:
        yield connection


@pytest.mark.parametrize(("agent", "rule"), AGENTS.items())
def test_agents_of_machines_and_of_people(agent, rule):
    touch = {**TOUCH, "opened_at": SENT + timedelta(hours=1), "open_agent": agent}
    assert find_machine_rule(touch, "open") == rule
    assert find_machine_rule(touch, "click") is None


def test_an_agent_without_an_open_marks_nothing():
    assert find_machine_rule({**TOUCH, "open_agent": "Mozilla/5.0"}, "open") is None


@pytest.mark.parametrize(
    ("seconds", "opened", "clicked"),
    [
        (0.0, "instant_open", "instant_click"),
        (0.999999, "instant_open", "instant_click"),
        (1.0, None, "instant_click"),
        (1.999999, None, "instant_click"),
        (2.0, None, None),
        (-1.0, None, None),  # that is a wrong clock, not a machine
    ],
)
def test_how_fast_a_person_may_be(seconds, opened, clicked):
    moment = SENT + timedelta(seconds=seconds)
    touch = {**TOUCH, "opened_at": moment, "clicked_at": moment}
    assert find_machine_rule(touch, "open") == opened
    assert find_machine_rule(touch, "click") == clicked


@pytest.mark.parametrize(
    ("links", "clicked", "rule"),
    [(3, 3, "every_link"), (3, 4, "every_link"), (3, 2, None), (2, 2, None), (None, 9, None)],
)
def test_clicking_every_link_of_more_than_two(links, clicked, rule):
    later = SENT + timedelta(hours=5)
    touch = {**TOUCH, "clicked_at": later, "links": links, "clicked_links": clicked}
    assert find_machine_rule(touch, "click") == rule


MOMENTS = st.none() | st.sampled_from([-5.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3600.0]).map(
    lambda seconds: SENT + timedelta(seconds=seconds)
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "opened_at": MOMENTS,
            "clicked_at": MOMENTS,
            "is_machine_open": st.none() | st.booleans(),
            "open_agent": st.sampled_from(list(AGENTS)),
            "links": st.none() | st.sampled_from([0.0, 2.0, 3.0]),
            "clicked_links": st.none() | st.sampled_from([0.0, 2.0, 3.0]),
        }
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(ROWS)
def test_sql_and_python_mark_the_same(engine, tmp_path, rows):
    rows = [{**TOUCH, **row, "message_id": f"{i:02d}"} for i, row in enumerate(rows)]
    table = DuckDB().table(write_tables(tmp_path, touches=rows).table("touches"))
    for marks in ("open", "click"):
        found = engine.execute(
            f"SELECT {machine_rule_sql(marks)}, {machine_condition(marks)} FROM {table} "
            "ORDER BY message_id"
        ).fetchall()
        expected = [find_machine_rule(row, marks) for row in rows]
        assert [name for name, _ in found] == expected
        assert [is_machine for _, is_machine in found] == [name is not None for name in expected]


def test_counts_by_rule_and_by_the_first_that_holds(engine, tmp_path):
    touches = [
        {**TOUCH, "message_id": "1", "opened_at": SENT, "is_machine_open": True},
        {**TOUCH, "message_id": "2", "opened_at": SENT},
        {**TOUCH, "message_id": "3", "clicked_at": SENT},
        {**TOUCH, "message_id": "4"},
    ]
    table = count_machine_rules(engine, write_tables(tmp_path, touches=touches)).set_index("rule")
    assert list(table.index) == [rule.name for rule in RULES]
    assert table.loc["sender", ["touches", "first"]].tolist() == [1, 1]
    assert table.loc["instant_open", ["touches", "first"]].tolist() == [2, 1]
    assert table.loc["instant_click", ["touches", "first"]].tolist() == [1, 1]
    assert table["first"].sum() == 3


def test_without_touches_there_is_nothing_to_count(engine, tmp_path):
    with pytest.raises(NotEnoughData, match=r"expected a table of touches, found none"):
        count_machine_rules(engine, Workspace(tmp_path))
