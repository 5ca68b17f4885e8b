from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InvalidRequest
from features.identity.identifiers import Identifier, IdentityRules
from features.identity.resolution import Resolution, is_within, resolve

RULES = IdentityRules(usual_limit=2)
ANN, BOB = Identifier("user_id", "ann"), Identifier("user_id", "bob")
MAIL, OTHER_MAIL, PHONE = (
    Identifier("email", "a@b"),
    Identifier("email", "c@d"),
    Identifier("phone", "1"),
)
CARD, DEVICE = Identifier("loyalty_card", "7"), Identifier("device_id", "d")


def devices(*values: int) -> list[Identifier]:
    return [Identifier("device_id", str(value)) for value in values]


def test_known_identifiers_of_one_person_are_that_person_s_without_a_look_at_the_limits():
    found = resolve([ANN, MAIL], {ANN: 4, MAIL: 4}, {}, RULES)
    assert found == Resolution((ANN, MAIL), (), (4,))


def test_what_nobody_has_makes_somebody_new():
    assert resolve([ANN, MAIL], {}, {}, RULES) == Resolution((ANN, MAIL), (), ())


def test_an_address_of_somebody_else_is_left_out_not_merged():
    found = resolve([BOB, MAIL], {MAIL: 1}, {1: {ANN, MAIL}}, RULES)
    assert found == Resolution((BOB,), (MAIL,), ())


def test_two_people_become_one_and_the_one_with_a_user_id_stays_first():
    owners, members = {MAIL: 1, PHONE: 2}, {1: {MAIL}, 2: {PHONE, ANN}}
    assert resolve([MAIL, PHONE], owners, members, RULES).groups == (2, 1)


def test_without_a_user_id_the_weightiest_match_stays_first():
    owners = {MAIL: 9, PHONE: 2, DEVICE: 5}
    members = {9: {MAIL}, 2: {PHONE, OTHER_MAIL}, 5: {DEVICE}}
    assert resolve([MAIL, PHONE, DEVICE], owners, members, RULES).groups == (9, 2, 5)


def test_of_equally_weighty_matches_the_lowest_number_stays_first():
    owners, members = {MAIL: 9, OTHER_MAIL: 2}, {9: {MAIL}, 2: {OTHER_MAIL}}
    assert resolve([MAIL, OTHER_MAIL], owners, members, RULES).groups == (2, 9)


def test_the_lightest_goes_first_and_of_equals_the_later():
    one, two, three = devices(1, 2, 3)
    found = resolve([MAIL, one, two, three], {}, {}, RULES)
    assert (found.kept, found.demoted) == ((MAIL, one, two), (three,))
    found = resolve([ANN, BOB, MAIL], {}, {}, RULES)
    assert (found.kept, found.demoted) == ((ANN,), (MAIL, BOB))


def test_a_full_person_keeps_what_it_has_and_gets_no_more():
    full = devices(1, 2)
    found = resolve([ANN, *devices(3)], {ANN: 1}, {1: {ANN, *full}}, RULES)
    assert found == Resolution((ANN,), tuple(devices(3)), (1,))


def test_people_set_apart_are_not_joined_by_a_message():
    owners, members = {MAIL: 1, PHONE: 2}, {1: {MAIL}, 2: {PHONE}}
    found = resolve([MAIL, PHONE], owners, members, RULES, apart={frozenset((1, 2))})
    assert found == Resolution((MAIL,), (PHONE,), (1,))


def test_a_second_user_id_is_never_allowed_whatever_the_limits_say():
    loose = IdentityRules(limits={})
    assert loose.limit("user_id") == 5
    assert resolve([ANN, BOB], {}, {}, loose).demoted == (BOB,)
    assert not is_within([ANN, BOB], loose)


def test_the_last_one_is_always_kept():
    strict = IdentityRules(limits={"phone": 0})
    assert resolve([PHONE], {}, {}, strict) == Resolution((PHONE,), (), ())
    found = resolve([MAIL, PHONE], {MAIL: 3}, {3: {MAIL, *devices(1, 2, 3)}}, RULES)
    assert found == Resolution((MAIL,), (PHONE,), (3,))


def test_no_identifier_is_refused():
    with pytest.raises(InvalidRequest, match="at least one identifier, got none"):
        resolve([], {}, {}, RULES)


POOL = [ANN, BOB, MAIL, OTHER_MAIL, PHONE, CARD, *devices(1, 2, 3)]


@given(
    st.lists(st.sampled_from(POOL), min_size=1, unique=True),
    st.dictionaries(st.sampled_from(POOL), st.integers(1, 3)),
    st.sets(st.sampled_from([frozenset(p) for p in itertools.combinations((1, 2, 3), 2)])),
)
def test_the_longest_prefix_that_breaks_nothing_is_kept(message, owned, apart):
    message = sorted(message, key=lambda i: RULES.rank(i.kind))
    members = {group: {i for i, g in owned.items() if g == group} for group in owned.values()}
    owners = {i: owned[i] for i in message if i in owned}
    found = resolve(message, owners, members, RULES, apart=apart)
    assert found.kept + found.demoted[::-1] == tuple(message)

    def fits(n: int) -> bool:
        groups = {owned[i] for i in message[:n] if i in owned}
        if any(frozenset(pair) in apart for pair in itertools.combinations(groups, 2)):
            return False
        together = set(message[:n]).union(*(members[g] for g in groups))
        if len(groups) == 1 and together == members[min(groups)]:
            return True
        kinds = [i.kind for i in together]
        return all(kinds.count(k) <= (1 if k == "user_id" else 2) for k in kinds)

    assert len(found.kept) == max((n for n in range(2, len(message) + 1) if fits(n)), default=1)
    assert set(found.groups) == {owned[i] for i in found.kept if i in owned}
