import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.response.send_time_propensity import (
    FLOOR,
    build_send_context,
    estimate_propensity,
    weigh_sends,
)

SENDS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 7)), min_size=1, max_size=30
)


@given(SENDS)
def test_what_a_sender_could_see_against_a_plain_loop(sends):
    customer, order, block = (np.array(column) for column in zip(*sends, strict=True))
    found = build_send_context(block, customer, order, 10.0 * block)
    for i, row in enumerate(found):
        earlier = [
            b for c, o, b in sends if c == customer[i] and o < order[i]
        ]  # fmt: skip
        counts = np.bincount(np.array(earlier, int), minlength=8)
        assert row[:8] == pytest.approx((counts + 1 / 8) / (len(earlier) + 1))
        assert row[8:].tolist() == [len(earlier), 10.0 * block[i]]


def make_sends(n=3000, seed=1):
    """A sender that sends to one half of the customers in block 3, mostly, else anywhere."""
    rng = np.random.default_rng(seed)
    customer = rng.integers(0, n // 5, n)
    kind = (customer % 2).astype(float)
    block = np.where((kind == 1) & (rng.random(n) < 0.8), 3, rng.integers(0, 8, n))
    return block, np.column_stack([kind, rng.random(n)]), customer


def test_the_senders_choice_is_found():
    block, context, customer = make_sends()
    chance = estimate_propensity(block, context, customer)
    assert chance.shape == (3000, 8)
    assert chance.sum(axis=1) == pytest.approx(1.0)
    is_kind = context[:, 0] == 1
    assert chance[is_kind, 3].mean() == pytest.approx(0.825, abs=0.03)
    assert chance[~is_kind].mean(axis=0) == pytest.approx(np.full(8, 1 / 8), abs=0.03)
    assert chance.min() >= FLOOR / (1 + 8 * FLOOR)
    assert np.array_equal(chance, estimate_propensity(block, context, customer))


def test_no_touch_is_judged_by_a_model_that_saw_its_customer():
    block, context, customer = make_sends()
    own = customer == 17
    changed = np.where(own, (block + 4) % 8, block)
    before = estimate_propensity(block, context, customer)
    after = estimate_propensity(changed, context, customer)
    assert np.array_equal(before[own], after[own])
    assert not np.array_equal(before, after)


def test_few_touches_get_the_marginal():
    block = np.array([3, 3, 3, 5])
    chance = estimate_propensity(block, np.zeros((4, 1)), np.arange(4))
    raised = (np.array([1, 1, 1, 25, 1, 17 - 8, 1, 1]) / 8) / 5 + FLOOR
    assert chance == pytest.approx(np.tile(raised / raised.sum(), (4, 1)))
    assert estimate_propensity(block[:0], np.zeros((0, 1)), np.arange(0)).shape == (0, 8)


def test_weights_by_hand():
    # in block 0 one over the logged is 2 and 10: over their mean 1/3 and 5/3; in block 1 nothing
    # usable is logged, and one over the estimated is 2, 2 and 5: 2/3, 2/3 and 5/3
    block = np.array([0, 0, 1, 1, 1])
    logged = np.array([0.5, 0.1, np.nan, 0.0, 1.5])
    estimated = np.array([[0.9, 0.1], [0.9, 0.1], [0.5, 0.5], [0.5, 0.5], [0.8, 0.2]])
    found = weigh_sends(block, logged, estimated, clips=(1.5,))
    raw = np.array([2 / 3, 1.5, 2 / 3, 2 / 3, 1.5])
    assert found.weight == pytest.approx(raw / raw.mean())
    assert found.effective_rows == pytest.approx(raw.sum() ** 2 / (raw**2).sum())
    assert found.logged_share == 0.4


def test_weights_are_clipped_until_enough_is_left():
    # one weight of nearly 100 among 99 next to nothing: as telling as one touch, until clipped
    block, logged = np.zeros(100, int), np.append(np.full(99, 0.9), 1e-4)
    found = weigh_sends(block, logged, np.full((100, 2), 0.5))
    assert found.effective_rows >= 50
    assert found.weight[-1] == found.weight.max() > 3 * found.weight[0]
    wide = weigh_sends(block, logged, np.full((100, 2), 0.5), clips=(1e9,))
    assert wide.effective_rows < 1.1


def test_weights_undo_the_senders_choice():
    block, context, customer = make_sends()
    chance = estimate_propensity(block, context, customer)
    weight = weigh_sends(block, np.full(3000, np.nan), chance).weight
    is_kind = context[:, 0] == 1
    in_three = block == 3
    raw = np.average(is_kind[in_three])
    balanced = np.average(is_kind[in_three], weights=weight[in_three])
    assert raw > 0.8
    assert balanced == pytest.approx(is_kind.mean(), abs=0.06)


def test_no_touches_have_no_weights():
    found = weigh_sends(np.array([], int), np.array([]), np.zeros((0, 8)))
    assert (len(found.weight), found.effective_rows, found.logged_share) == (0, 0.0, 0.0)
