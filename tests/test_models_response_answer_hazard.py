import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from features.schema import CHANNELS
from models.receptivity.empirical_bayes import ShapeChain
from models.response.answer_hazard import AnswerHazard, fit_answer_hazard, make_default_hazard
from models.response.context import ResponseContext
from models.response.forward_hours import expose, weigh_hours
from models.response.looks import Looks, fit_looks
from models.response.message_counts import MessageCounts
from models.response.sent_touches import SentTouches

SLOTS = np.arange(168)
TRUE = AnswerHazard(
    np.array([0.0, 1.0, 4.0, 24.0]), np.array([0.1, 0.05, 0.0]), np.array([0.4, 0.1, 0.01])
)


def make_weeks(n, rng, width=1.5):
    hour = rng.uniform(0, 24, n)
    apart = (SLOTS % 24 - hour[:, None] + 12) % 24 - 12
    week = 0.1 + np.exp(-0.5 * (apart / width) ** 2)
    return week / week.sum(axis=1, keepdims=True)


def draw_ages(hazard, share, row, slot, minute, rng):
    """Draw when each message is answered, given that it is, minute by minute."""
    steps = (np.arange(24 * 60) + 0.5) / 60
    bins = np.searchsorted(hazard.edges, steps, side="right") - 1
    at = np.floor((slot + minute / 60)[:, None] + steps).astype(int) % 168
    rate = hazard.background[bins] + hazard.follow[bins] * 168 * share[row[:, None], at]
    passed = np.cumsum(rate, axis=1)
    picked = (passed < (rng.random(len(row)) * passed[:, -1])[:, None]).sum(axis=1)
    return steps[picked]


def test_hours_after_a_send_at_any_minute_against_simulation():
    edges, rate = np.array([0.0, 0.5, 2.0, 3.5]), np.array([2.0, 0.6, 0.2])
    rng = np.random.default_rng(1)
    minute, age = rng.random(400_000), rng.uniform(0, 3.5, 400_000)
    weight = rate[np.searchsorted(edges, age, side="right") - 1] * 3.5 / len(age)
    found = np.bincount((minute + age).astype(int), weight, 5)
    assert weigh_hours(edges, rate) == pytest.approx(found, abs=0.01)
    assert weigh_hours(edges, rate).sum() == pytest.approx(1.0 + 0.9 + 0.3)


@given(st.integers(0, 167), st.integers(0, 59))
def test_exposure_against_a_plain_loop(slot, minute):
    busy = np.random.default_rng(3).random((2, 168))
    edges = np.array([0.0, 0.5, 1.0, 3.0, 30.0])
    found = expose(busy, np.array([1]), np.array([slot]), np.array([float(minute)]), edges)[0]
    for place in range(4):
        total = sum(
            busy[1, (slot * 60 + minute + passed) // 60 % 168] / 60
            for passed in range(round(60 * edges[place]), round(60 * edges[place + 1]))
        )
        assert found[place] == pytest.approx(total)


def test_before_any_answer_the_published_ages_hold():
    day = make_default_hazard(24.0)
    both = day.background + day.follow
    reached = np.append(0.0, np.cumsum(both * np.diff(day.edges)))
    assert reached[-1] == pytest.approx(1.0)
    assert np.interp(1.0, day.edges, reached) == pytest.approx(0.259 / 0.712)
    assert (np.diff(both) <= 1e-12).all()
    assert make_default_hazard(0.3).edges.tolist() == [0.0, 0.3]
    found, _ = fit_answer_hazard(np.empty((0, len(both))), np.empty(0), day)
    assert found.background == pytest.approx(day.background)
    assert found.follow == pytest.approx(day.follow)


def test_the_hazard_behind_answers_is_found_whoever_was_sent_to_when():
    rng = np.random.default_rng(5)
    share = make_weeks(300, rng)
    row = rng.integers(0, 300, 8000)
    # one half of the customers is sent to in the morning, the others at night
    slot = 24 * rng.integers(0, 7, 8000) + np.where(row < 150, 9, 22)
    minute = rng.uniform(0, 60, 8000)
    age = draw_ages(TRUE, share, row, slot, minute, rng)
    prior = AnswerHazard(TRUE.edges, np.full(3, 1 / 48), np.full(3, 1 / 48))
    exposure = expose(168 * share, row, slot, minute, TRUE.edges)
    found, likely = fit_answer_hazard(exposure, age, prior, prior_answers=1.0)
    whole = (TRUE.background + TRUE.follow) @ np.diff(TRUE.edges)
    assert found.follow == pytest.approx(TRUE.follow / whole, abs=0.02)
    assert found.background == pytest.approx(TRUE.background / whole, abs=0.03)
    assert found.following == pytest.approx(TRUE.following, abs=0.06)
    # no other hazard is likelier
    for other in (TRUE, prior):
        at = np.searchsorted(TRUE.edges, age, side="right") - 1
        each = other.background * np.diff(TRUE.edges) + other.follow * exposure
        chance = each[np.arange(len(age)), at] / each.sum(axis=1)
        assert np.log(chance).sum() <= likely + 1.0
    few, _ = fit_answer_hazard(exposure[:5], age[:5], prior)
    assert few.follow == pytest.approx(prior.follow, rel=0.3)


def test_what_lies_ahead_by_hand():
    hazard = AnswerHazard(np.array([0.0, 1.0]), np.array([0.2]), np.array([0.8]))
    share = np.zeros((2, 168))
    share[0] = 1 / 168
    share[1, 20] = 1.0
    ahead = hazard.ahead(share)
    assert ahead[0] == pytest.approx(1.0)
    # half of a message's first hour lies in the hour of the send, half in the next
    assert ahead[1, [18, 19, 20, 21]] == pytest.approx([0.2, 0.2 + 0.4 * 168, 0.2 + 0.4 * 168, 0.2])
    noticed = hazard.ahead(share, 0.5)
    assert noticed[0] == pytest.approx(1.0)
    assert noticed[1, [18, 19, 20]] == pytest.approx(
        [0.1, 0.1 + 0.4 * 168, 0.1 + (0.4 + 0.1) * 168]
    )
    again = AnswerHazard.from_json(hazard.to_json())
    assert np.array_equal(again.ahead(share), ahead)


def test_doubt_about_what_lies_ahead_is_that_of_a_dirichlet_posterior():
    rng = np.random.default_rng(2)
    share = make_weeks(1, rng)
    drawn = TRUE.ahead(rng.dirichlet(60.0 * share[0], 20_000))
    expected = drawn.var(axis=0) / TRUE.ahead(share)[0] ** 2
    assert TRUE.doubt(share, np.array([60.0]))[0] == pytest.approx(expected, rel=0.1)
    assert (TRUE.doubt(share, np.array([np.inf])) == 0).all()


def make_touches(away_is_noise, n=500, seed=4):
    """Customers who look when they are active on the web, and shop in stores at noon or so."""
    rng = np.random.default_rng(seed)
    week, noon = make_weeks(n, rng), np.exp(-0.5 * ((SLOTS % 24 - 12) / 1.5) ** 2)
    counts = np.zeros((n, len(CHANNELS) * 168))
    counts[:, :168] = rng.poisson(12 * week)
    away = np.tile(noon / noon.sum(), (n, 1)) if away_is_noise else week
    store = CHANNELS.index("store")
    counts[:, store * 168 :][:, :168] = rng.poisson(12 * away)
    row, m = np.repeat(np.arange(n), 4), 4 * n
    slot, minute = rng.integers(0, 168, m), rng.uniform(0, 60, m)
    age = draw_ages(TRUE, week, row, slot, minute, rng)
    shape = ShapeChain(np.full(168, 1 / 168), (), np.empty((0, 168)), np.empty(0), 500.0, 20.0, 5.0,
                       1.0, 0.8, 0.8)  # fmt: skip
    nothing, unknown = np.zeros(m), np.full(m, np.nan)
    context = ResponseContext(
        customer_id=np.array([f"c{i}" for i in range(n)], dtype=object),
        segment_names=(),
        segment_codes=np.full(n, -1),
        share=np.full((n, 168), 1 / 168),
        share_events=np.full(n, 30.0),
        messages=MessageCounts((), (), n),
        fatigue=np.zeros((n, 4)),
        channel_fatigue=np.zeros((n, 0)),
        discount=np.full(n, np.nan),
        level_features=np.empty((n, 0)),
        level_names=(),
        channel_counts=sparse.csr_array(counts),
        shape=shape,
    )
    touches = SentTouches(
        context=context, message_id=np.arange(m).astype(object), row=row,
        channel=np.full(m, "email", dtype=object), slot=slot, minute=minute,
        is_engaged=np.ones(m, bool), propensity=unknown, fatigue=np.zeros((m, 4)),
        channel_fatigue=nothing, discount=unknown, hours_to_open=age, hours_to_answer=age,
        observed_hours=np.full(m, 168.0),
    )  # fmt: skip
    return touches, week


def test_what_is_done_in_stores_counts_as_far_as_it_tells_of_looks():
    touches, week = make_touches(away_is_noise=True)
    looks, hazard = fit_looks([touches], 24.0)
    assert looks.away_part <= 0.1
    found = looks.share(touches.context)
    assert found.sum(axis=1) == pytest.approx(1.0)
    whole = Looks(1.0, looks.shape).share(touches.context)
    assert np.abs(found - week).sum() < 0.8 * np.abs(whole - week).sum()
    assert hazard.following > 0.4
    telling, _ = make_touches(away_is_noise=False)
    assert fit_looks([telling], 24.0)[0].away_part >= 0.3


def test_without_channels_receptivity_is_taken_as_it_is():
    touches, _ = make_touches(away_is_noise=True, n=50)
    looks, _ = fit_looks([touches], 24.0)
    bare = ResponseContext(
        **{
            name: getattr(touches.context, name)
            for name in ResponseContext.__dataclass_fields__
            if name not in ("channel_counts", "shape")
        }
    )
    assert looks.share(bare) is bare.share
    assert Looks().share(touches.context) is touches.context.share
    again = Looks.from_json(looks.to_json())
    assert np.array_equal(again.share(touches.context), looks.share(touches.context))
