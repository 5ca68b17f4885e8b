import numpy as np
import pytest

from training.proof.granularity import BLOCK, HOUR, WEEK_HOUR, read_block_propensity

HOURS = np.arange(8, 21)


def draw_log(n, seed):
    """Hours of the day drawn with probabilities of their own for two kinds of customers."""
    rng = np.random.default_rng(seed)
    usual = np.full((2, 24), 0.0)
    usual[:, HOURS] = 0.1 / len(HOURS)
    usual[0, 10] += 0.9
    usual[1, 18] += 0.6
    usual[1, 19] += 0.3
    kind = rng.integers(0, 2, n)
    hour = np.array([rng.choice(24, p=usual[k]) for k in kind])
    day = rng.choice(7, n, p=[0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1])
    return kind, day, hour, usual


@pytest.mark.parametrize("kind", [HOUR, WEEK_HOUR])
def test_what_was_logged_is_recognised_and_makes_weights_that_undo_it(kind):
    who, day, hour, usual = draw_log(40_000, 3)
    chance = usual[who, hour]
    if kind == WEEK_HOUR:
        chance = chance * np.array([0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1])[day]
    found = read_block_propensity(chance, 24 * day + hour)

    assert found.granularity == kind
    # inverse chances of blocks average to their number: 6-9, 9-12, 12-15, 15-18, 18-21
    assert (1 / found.propensity).mean() == pytest.approx(5.0, rel=0.05)
    # a policy that picks each block as often sees each kind of customer as often in every block
    weight, block = 1 / found.propensity, hour // 3
    for one in range(2, 7):
        share = weight[(block == one) & (who == 1)].sum() / weight[block == one].sum()
        assert share == pytest.approx(0.5, abs=0.1)


def test_chances_of_blocks_are_left_alone():
    who, day, hour, usual = draw_log(20_000, 5)
    blocks = usual.reshape(2, 8, 3).sum(axis=2)
    chance = blocks[who, hour // 3]
    found = read_block_propensity(chance, 24 * day + hour)

    assert found.granularity == BLOCK
    assert found.propensity == pytest.approx(chance)


def test_an_hour_preferred_within_its_block_counts_less_than_one():
    found = read_block_propensity(np.array([0.8, 0.1, 0.1]), np.array([9, 10, 11]))

    # one block of three hours; inverse chances 1.25, 10, 10 are nearer to three options than to one
    assert found.granularity == HOUR
    assert found.propensity == pytest.approx([2.4, 0.3, 0.3])


def test_what_was_not_logged_stays_unknown():
    found = read_block_propensity(np.array([np.nan, 0.0]), np.array([9, 10]))

    assert found.granularity == ""
    assert np.isnan(found.propensity).all()
