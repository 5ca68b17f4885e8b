"""Errors say what, where, expected, got and what to do; and all hang in one tree."""

import inspect

import pytest

from features import errors
from features.errors import AlmanacError, TableError, UnknownName, WrongType


def test_all_errors_have_one_root_and_are_drawn_in_the_tree():
    classes = [
        c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__
    ]
    assert len(classes) > 10
    for error in classes:
        assert issubclass(error, AlmanacError)
        assert error.__name__ in (errors.__doc__ or "")


def test_table_error_is_one_sentence_with_its_parts():
    error = WrongType("sales", "a.csv", "qty", expected="a number", got="'x'", fix="Fix it.", row=7)
    assert str(error) == "sales: a.csv, row 7, column 'qty': expected a number, got 'x'. Fix it."
    assert (error.table, error.source, error.column, error.row) == ("sales", "a.csv", "qty", 7)
    assert (error.expected, error.got, error.fix) == ("a number", "'x'", "Fix it.")


def test_table_error_without_row_and_column():
    error = TableError("sales", "a.csv", "", expected="rows", got="none", fix="Export again.")
    assert str(error) == "sales: a.csv: expected rows, got none. Export again."


@pytest.mark.parametrize(
    ("known", "hint"),
    [(["North", "South"], "; nearest: 'North'"), ([], "; there is no region yet")],
)
def test_unknown_name_offers_the_nearest(known, hint):
    assert str(UnknownName("region", "Nrth", known)) == f"region 'Nrth' is not known{hint}"


def test_unknown_name_takes_any_iterable():
    assert "'b'" in str(UnknownName("level", "b1", (name for name in "ab")))
