"""Properties of the tables that no query shows while they are small."""

import pytest
from sqlalchemy import ForeignKey, Table, UniqueConstraint

from ferryman.store.database.tables import metadata

REFERENCES = [key for table in metadata.sorted_tables for key in sorted(table.foreign_keys, key=str)]


def leading_columns(table: Table) -> set[str]:
    """The columns by which an index finds rows: the first of each index, key and unique constraint."""
    keys = [each.columns for each in table.constraints if isinstance(each, UniqueConstraint)]
    return {next(iter(columns)).name for columns in (table.primary_key.columns, *keys)} | {
        next(iter(index.columns)).name for index in table.indexes
    }


@pytest.mark.parametrize("key", REFERENCES, ids=lambda key: f"{key.parent.table.name}.{key.parent.name}")
def test_an_index_finds_the_rows_that_refer_to_a_row(key: ForeignKey) -> None:
    """Otherwise each deleted tag scans a table with a million rows."""
    assert key.parent.name in leading_columns(key.parent.table)
