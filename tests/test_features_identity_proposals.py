from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import InvalidRequest, NotEnoughData
from features.identity import comparisons
from features.identity.comparisons import PAIRS, Comparison, select_broad, select_rules
from features.identity.proposals import PROPOSAL_COLUMNS, _describe, propose_matches

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FIRST = [
    "ada",
    "ben",
    "cleo",
    "dora",
    "emil",
    "fritz",
    "greta",
    "hugo",
    "ida",
    "jon",
    "kira",
    "lev",
]
LAST = ["abel", "brandt", "conti", "dietz", "egger", "fischer", "gruber", "hahn", "ito", "jansen"]


def make_people(n: int = 400, seed: int = 3) -> pd.DataFrame:
    """People, and after them half of them again, with one digit of the birth date changed."""
    rng = np.random.default_rng(seed)
    days = pd.Timestamp("1950-01-01") + pd.to_timedelta(rng.integers(0, 18_000, n), unit="D")
    people = pd.DataFrame(
        {
            "first_name": rng.choice(FIRST, n),
            "surname": rng.choice(LAST, n),
            "birth_date": days.strftime("%Y-%m-%d"),
            "city": rng.choice(["bern", "graz", "lyon", "oslo"], n),
        }
    )
    again = people.iloc[: n // 2].copy()
    changed = np.where(again["birth_date"].str[-1] == "9", "0", "9")
    odd = np.arange(len(again)) % 2 == 1
    again.loc[odd, "birth_date"] = again["birth_date"].str[:-1][odd] + changed[odd]
    both = pd.concat([people, again], ignore_index=True)
    return both.assign(profile=[f"p{n}" for n in range(len(both))])


def test_rules_are_those_whose_columns_are_there():
    assert select_rules(PAIRS, ["phone", "first_name"]) == [["phone"]]
    assert ["substr(postcode, 1, 3)", "surname"] in select_rules(PAIRS, ["postcode", "surname"])
    assert select_rules(PAIRS, ["colour"]) == []
    assert select_broad(pd.DataFrame({"surname": [None] * 500, "first_name": ["a"] * 500})) == [
        ["surname"]
    ]


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.0, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(threshold):
    with pytest.raises(InvalidRequest, match="expected a probability"):
        propose_matches(make_people(), threshold=threshold)


def test_bad_tables_are_refused():
    people = make_people()
    with pytest.raises(InvalidRequest, match="expected the column profile"):
        propose_matches(people.drop(columns="profile"), threshold=0.9)
    with pytest.raises(InvalidRequest, match="such as email, or surname and birth_date"):
        propose_matches(people[["profile", "city"]], threshold=0.9)
    with pytest.raises(InvalidRequest, match="got repeats or gaps"):
        propose_matches(people.assign(profile="same"), threshold=0.9)
    with pytest.raises(InvalidRequest, match="Rename or drop them"):
        propose_matches(people.assign(**{"hair colour; --": "x"}), threshold=0.9)
    with pytest.raises(NotEnoughData, match="at least 100 records to learn from, got 99"):
        propose_matches(people.head(99), threshold=0.9)


def test_without_splink_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "splink", None)
    with pytest.raises(InvalidRequest, match=r"almanac\[identity\]"):
        propose_matches(make_people(), threshold=0.9)


def test_reasons_are_the_words_of_the_levels_reached_and_the_likeliest_is_first():
    compared = [
        Comparison("surname", ("surname",), (1, 2), ("same surname", "similar surname")),
        Comparison("city", ("city",), (1,), ("same city",)),
    ]
    found = pd.DataFrame(
        {
            "_place_l": [0, 0], "_place_r": [1, 2], "match_probability": [0.6, 0.9],
            "gamma_surname": [1, 2], "gamma_city": [-1, 1],
        }
    )  # fmt: skip
    proposals = _describe(found, pd.Series(["x", "y", "z"]), compared)
    assert list(proposals.itertuples(index=False, name=None)) == [
        ("x", "z", 0.9, "same surname, same city"),
        ("x", "y", 0.6, "similar surname"),
    ]
    assert tuple(proposals.columns) == PROPOSAL_COLUMNS


def test_proposals_find_who_has_an_error_and_are_the_same_again(capfd):
    pytest.importorskip("splink", reason="the extra 'identity' is not installed")
    people = make_people()
    before = people.copy()
    found = propose_matches(people, threshold=0.8)
    pd.testing.assert_frame_equal(people, before)
    assert capfd.readouterr() == ("", "")
    assert tuple(found.columns) == PROPOSAL_COLUMNS
    assert found["probability"].between(0.8, 1).all()
    assert found["probability"].is_monotonic_decreasing
    truth = {(f"p{n}", f"p{n + 400}") for n in range(200)}
    proposed = set(zip(found["profile_a"], found["profile_b"], strict=True))
    assert len(proposed & truth) / len(truth) > 0.9
    assert len(proposed & truth) / len(proposed) > 0.9
    assert found["reasons"].str.startswith("same name, birth date one digit apart").any()
    pd.testing.assert_frame_equal(found, propose_matches(people, threshold=0.8))


@pytest.mark.slow
def test_nothing_is_proposed_below_the_threshold():
    pytest.importorskip("splink", reason="the extra 'identity' is not installed")
    people = make_people()
    every = propose_matches(people, threshold=0.01)
    some = propose_matches(people, threshold=0.5)
    assert len(every) > len(some) > 0
    expected = every[every["probability"] >= 0.5].reset_index(drop=True)
    pd.testing.assert_frame_equal(some, expected)
    assert propose_matches(people.assign(city="x"), threshold=0.999999999).empty


@pytest.mark.slow
def test_every_known_column_can_be_compared():
    pytest.importorskip("splink", reason="the extra 'identity' is not installed")
    people = make_people()
    row = people.groupby(["first_name", "surname", "city"], dropna=False).ngroup().astype(str)
    people = people.assign(
        email="m" + row + "@x.org", phone="+4930" + row, postcode="sw" + row.str[:2], job="baker"
    )
    people.loc[::7, ["email", "phone", "postcode", "first_name"]] = None
    found = propose_matches(people, threshold=0.5)
    assert found["reasons"].str.contains("same email").any()
    assert len(comparisons.build_comparisons(["first_name", "email"])) == 2
    one = propose_matches(people[["profile", "surname", "email"]], threshold=0.5)
    assert one["reasons"].str.contains("same email").all()


@pytest.mark.slow
def test_splink_logs_only_where_the_application_does():
    pytest.importorskip("splink", reason="the extra 'identity' is not installed")
    propose_matches(make_people(), threshold=0.9)
    handlers = logging.getLogger("splink").handlers
    assert all(isinstance(handler, logging.NullHandler) for handler in handlers)


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "fake_1000.parquet").exists(), reason="the set is not there")
def test_fake_1000_is_put_together_better_than_the_anchor():
    pytest.importorskip("splink", reason="the extra 'identity' is not installed")
    from features.identity.agreement import score_pairs
    from features.identity.labels import label_pairs

    people = pd.read_parquet(DATA / "fake_1000.parquet").rename(
        columns={"unique_id": "profile", "dob": "birth_date"}
    )
    found = propose_matches(people.drop(columns="cluster"), threshold=0.5)
    label = label_pairs(people["profile"], found["profile_a"], found["profile_b"])
    assert score_pairs(label, people["cluster"].to_numpy()).f1 > 0.916


@pytest.mark.slow
def test_records_that_have_nothing_in_common_teach_nothing():
    pytest.importorskip("splink", reason="the extra 'identity' is not installed")
    names = [f"{n:04}" for n in range(200)]
    people = pd.DataFrame({"profile": names, "email": [f"{n}@x.org" for n in names]})
    with pytest.raises(NotEnoughData, match="resemble each other"):
        propose_matches(people, threshold=0.5)
