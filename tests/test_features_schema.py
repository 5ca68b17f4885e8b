"""The vocabulary holds together: keys, references, bounds, names, and its hash."""

from dataclasses import replace

import pytest

from features import schema
from features.schema import TABLES, Kind, schema_hash

CLASSES = {
    "events": schema.Events, "touches": schema.Touches, "customers": schema.Customers,
    "promotions": schema.Promotions, "sales": schema.Sales, "regions": schema.Regions,
    "products": schema.Products, "stock": schema.Stock, "decisions": schema.Decisions,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_word_is_a_column_and_every_column_a_word(name):
    words = [value for key, value in vars(CLASSES[name]).items() if key.isupper()]
    assert [column.name for column in TABLES[name].columns] == words


@pytest.mark.parametrize("name", sorted(TABLES))
def test_keys_are_columns_that_may_not_be_empty(name):
    table = TABLES[name]
    assert table.key
    assert not any(table.column(key).is_nullable for key in table.key)


def test_references_point_to_tables_that_come_first():
    order = list(TABLES)
    for table in TABLES.values():
        for column, target in table.references:
            assert table.column(column).kind is Kind.TEXT
            assert order.index(target) < order.index(table.name)


def test_bounds_choices_and_defaults_agree():
    for table in TABLES.values():
        for column in table.columns:
            has_bounds = column.minimum is not None or column.maximum is not None
            assert not has_bounds or column.kind is Kind.NUMBER
            assert not column.choices or column.default in (None, *column.choices)
            assert not (column.is_required and column.default is not None)


def test_synonyms_are_lower_case():
    for table in TABLES.values():
        for column in table.columns:
            assert all(word == word.lower() for word in column.synonyms), column.name


def test_column_that_is_not_there():
    with pytest.raises(KeyError):
        TABLES["sales"].column("colour")
    assert TABLES["sales"].column("units").minimum == 0.0


def test_hash_changes_with_any_bound(monkeypatch):
    before = schema_hash()
    assert (schema_hash(), len(before)) == (before, 16)
    sales = TABLES["sales"]
    columns = tuple(replace(c, minimum=1.0) if c.name == "units" else c for c in sales.columns)
    monkeypatch.setitem(TABLES, "sales", replace(sales, columns=columns))
    assert schema_hash() != before
