"""Arms: golden values, shares, nesting, and salts that know nothing of each other."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from features.errors import InvalidRequest
from models.campaign.arms import ARMS, HOLDOUT, OPTIMISED, RANDOM, assign_arms, place_customers
from models.campaign.audience import check_audience

IDS = [f"customer-{number}" for number in range(40_000)]


def test_places_are_the_keyed_hash_of_the_id():
    """Golden values: a change here would move every customer of every running experiment."""
    places = place_customers(["ann", "bob", "cleo", "zoë"], salt="spring")
    assert places[:3] == pytest.approx([0.01448555, 0.27897274, 0.91870791], abs=5e-9)
    digest = hashlib.blake2b("zoë".encode(), key=b"spring", digest_size=8).hexdigest()
    assert places[3] == pytest.approx(int(digest, 16) / 2**64, abs=1e-15)
    assert assign_arms(["ann", "bob", "cleo"], salt="spring").tolist() == [
        HOLDOUT, OPTIMISED, RANDOM,
    ]  # fmt: skip


def test_shares_are_what_was_asked_for():
    arms = assign_arms(IDS, salt="shares")
    for arm, share in ((HOLDOUT, 0.05), (RANDOM, 0.10), (OPTIMISED, 0.85)):
        count = int((arms == arm).sum())
        assert stats.binomtest(count, len(IDS), share).pvalue > 0.001, (arm, count)
    assert set(arms) == set(ARMS)


def test_places_are_uniform_and_independent_between_salts():
    one, other = place_customers(IDS, salt="a"), place_customers(IDS, salt="b")
    assert stats.kstest(one, "uniform").pvalue > 0.001
    table = stats.contingency.crosstab((one * 10).astype(int), (other * 10).astype(int)).count
    assert stats.chi2_contingency(table).pvalue > 0.001


def test_the_arm_of_a_customer_does_not_depend_on_the_others():
    arms = assign_arms(IDS, salt="s")
    order = np.random.default_rng(0).permutation(len(IDS))
    assert (assign_arms([IDS[i] for i in order], salt="s") == arms[order]).all()
    assert assign_arms(IDS[7:8], salt="s")[0] == arms[7]
    assert (assign_arms([IDS[3], IDS[3]], salt="s") == arms[3]).all()


shares = st.tuples(st.floats(0, 0.5), st.floats(0, 0.5))


@given(before=shares, after=shares)
def test_enlarging_an_arm_moves_nobody_out_of_it(before, after):
    ids = IDS[:500]
    low = tuple(min(pair) for pair in zip(before, after, strict=True))
    high = tuple(max(pair) for pair in zip(before, after, strict=True))
    small, large = (assign_arms(ids, salt="n", holdout=h, random=r) for h, r in (low, high))
    moved = small != large
    assert set(small[moved]) <= {OPTIMISED}


def test_whole_and_empty_arms():
    everybody = assign_arms(IDS[:100], salt="s", holdout=1.0, random=0.0)
    assert set(everybody) == {HOLDOUT}
    nobody = assign_arms(IDS[:100], salt="s", holdout=0.0, random=0.0)
    assert set(nobody) == {OPTIMISED}
    assert assign_arms([], salt="s").shape == (0,)


def test_a_long_salt_is_a_salt():
    assert place_customers(["a"], salt="x" * 100) != place_customers(["a"], salt="x" * 101)


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"salt": ""}, "expected a salt"),
        ({"salt": "s", "holdout": -0.1}, "share of holdout from 0 to 1, got -0.1"),
        ({"salt": "s", "random": float("nan")}, "share of random"),
        ({"salt": "s", "holdout": 0.6, "random": 0.5}, "lower one of them"),
    ],
)
def test_arms_that_cannot_be(kwargs, words):
    with pytest.raises(InvalidRequest, match=words):
        assign_arms(["a"], **kwargs)


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([], "got nobody"),
        (["a", "b", "a", "a"], "got 2 rows too many, the first of 'a'"),
        (["a", ""], "got none in row 2 of 2"),
        ([None], "got none in row 1"),
    ],
)
def test_an_audience_holds_somebody_and_nobody_twice(ids, words):
    check_audience(["a", "b"])
    with pytest.raises(InvalidRequest, match=words):
        check_audience(ids)
