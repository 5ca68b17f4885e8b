import dataclasses

import numpy as np
import pytest
from scipy import sparse

from models.receptivity.habits import GROUPS, tell_habits, write_habit
from models.receptivity.histories import Histories

EVEN = np.full(168, 1 / 168)


def make_histories(whole, segments=("367",)):
    whole = np.asarray(whole, dtype=float)
    n = len(whole)
    return dataclasses.replace(
        Histories.unknown([f"c{i}" for i in range(n)], list(segments) * n),
        whole_counts=sparse.csr_array(whole),
    )


def test_the_groups_part_the_week():
    # 6 hours on 5 or 2 days each
    rows = [
        tell_habits(make_histories([np.eye(168)[slot]]), EVEN[None, :], EVEN)["group"][0]
        for slot in range(168)
    ]
    assert [rows.count(group) for group in GROUPS] == [30] * 4 + [12] * 4
    assert rows[0] == rows[5] == "weekday nights"
    assert (rows[6], rows[12], rows[18]) == (
        "weekday mornings",
        "weekday afternoons",
        "weekday evenings",
    )
    assert rows[4 * 24 + 23] == "weekday evenings"
    assert rows[5 * 24] == "weekend nights"


def test_fourteen_of_twenty_two_purchases_on_weekday_evenings():
    counts = np.zeros((1, 168))
    counts[0, [18, 43, 68]] = 5, 5, 4  # Monday, Tuesday, Wednesday evening
    counts[0, 10] = 8
    in_segment = np.full((1, 168), 0.69 / 138)
    in_segment[0, [24 * d + h for d in range(5) for h in range(18, 24)]] = 0.31 / 30

    told = tell_habits(make_histories(counts), in_segment, EVEN, event_word="purchases")

    row = told.iloc[0]
    assert (row["group"], row["own_count"], row["own_total"]) == ("weekday evenings", 14, 22)
    assert row["segment_share"] == pytest.approx(0.31)
    assert row["global_share"] == pytest.approx(30 / 168)
    assert row["sentence"] == (
        "14 of 22 purchases on weekday evenings; region 367 does 31 % then, everybody 18 %"
    )


def test_what_everybody_does_is_not_telling():
    # 10 of 12 when everybody is there is less telling than 2 of 12 in the night
    counts = np.zeros((1, 168))
    counts[0, 10], counts[0, 2] = 10, 2
    usual = np.full(168, 0.02 / 167)
    usual[10] = 0.98

    assert tell_habits(make_histories(counts), usual[None, :], usual)["group"][0] == (
        "weekday nights"
    )


def test_the_most_surprising_group_is_that_of_a_plain_loop():
    rng = np.random.default_rng(4)
    counts, usual = rng.poisson(0.1, (40, 168)), rng.dirichlet(np.full(168, 0.5), 40)
    told = tell_habits(make_histories(counts), usual, EVEN)
    member = [
        tell_habits(make_histories([np.eye(168)[s]]), EVEN[None, :], EVEN)["group"][0]
        for s in range(168)
    ]
    for i in range(40):
        n, best = counts[i].sum(), (-np.inf, "")
        for group in GROUPS:
            own = sum(counts[i, s] for s in range(168) if member[s] == group)
            p = sum(usual[i, s] for s in range(168) if member[s] == group)
            if n == 0 or own / n < p:
                continue
            ratio = own * np.log(own / n / p) if own else 0.0
            ratio += (n - own) * np.log((1 - own / n) / (1 - p)) if own < n else 0.0
            best = max(best, (ratio, group))
        assert told["group"][i] == best[1]


def test_nobody_is_told_by_what_their_segment_does():
    busy = np.full((1, 168), 0.5 / 167)
    busy[0, 20] = 0.5
    told = tell_habits(Histories.unknown(["x"], ["9"]), busy, EVEN, segment_word="store")
    assert told["group"][0] == "weekday evenings"
    assert told["own_total"][0] == 0
    assert told["sentence"][0].startswith("no events yet; on weekday evenings store 9 does 59 %")
    alone = tell_habits(Histories.unknown(["x"]), EVEN[None, :], EVEN)["sentence"][0]
    assert alone.startswith("no events yet; on weekday ")
    assert alone.endswith(" everybody does 18 %")


def test_counts_are_told_as_they_were_counted():
    assert write_habit("weekend nights", 9600, 10_000, "", (0.0, 0.04)).startswith(
        "9600 of 10000 events on weekend nights; everybody does 4 %"
    )
