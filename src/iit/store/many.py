"""Many rows in one statement: an array a column, whatever their number, so that the server plans and answers once."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ARRAY, Table, TableValuedAlias, Update, bindparam, cast, func, select, update
from sqlalchemy.dialects.postgresql import Insert, insert

_PREFIX: Final = "new_"


def new_rows(table: Table, names: Sequence[str]) -> TableValuedAlias:
    """Return the rows that `arrays` hands over as a table, with the types of a table's columns."""
    columns = [cast(bindparam(_PREFIX + name), ARRAY(table.c[name].type)) for name in names]
    return func.unnest(*columns).table_valued(*names, name="new").render_derived()


def inserting(table: Table, names: Sequence[str]) -> Insert:
    """Return the insertion of such rows; what to do on conflict can be added, if no two of them conflict."""
    rows = new_rows(table, names)
    return insert(table).from_select(list(names), select(*(rows.c[name] for name in names)))


def setting(table: Table, names: Sequence[str]) -> Update:
    """Return the update of the rows that the first of the names tells, by one column, with the others."""
    rows = new_rows(table, names)
    return (
        update(table)
        .where(table.c[names[0]] == rows.c[names[0]])
        .values({name: rows.c[name] for name in names[1:]})
    )  # fmt: skip


def arrays(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the parameters of a statement over `new_rows`."""
    return {_PREFIX + name: [row[name] for row in rows] for name in names}
