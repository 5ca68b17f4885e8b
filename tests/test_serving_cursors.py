import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.cursors import BadCursor, decode_cursor, encode_cursor

text = st.text(max_size=40)


@given(
    position=st.integers(0, 2**63), query=text, key=st.text(max_size=64, alphabet="0123456789ab")
)
def test_a_cursor_comes_back(position, query, key):
    assert decode_cursor(encode_cursor(position, query, key), query, key) == position


@given(position=st.integers(0, 2**40), query=text, other=text)
def test_a_cursor_of_another_query_or_model_is_refused(position, query, other):
    cursor = encode_cursor(position, query, "model")
    with pytest.raises(BadCursor):
        decode_cursor(cursor, query + other + "x", "model")
    with pytest.raises(BadCursor):
        decode_cursor(cursor, query, "another model")


@given(cursor=st.text(max_size=60))
def test_what_is_no_cursor_is_refused(cursor):
    with pytest.raises(BadCursor):
        decode_cursor(cursor, "query", "model")


@given(at=st.integers(0, 25), letter=st.sampled_from("ABab01_-"))
def test_a_changed_letter_is_seen(at, letter):
    cursor = encode_cursor(7, "query", "model")
    changed = cursor[:at] + letter + cursor[at + 1 :]
    if changed[:-1] != cursor[:-1]:  # the last letter has bits that say nothing
        with pytest.raises(BadCursor):
            decode_cursor(changed, "query", "model")
