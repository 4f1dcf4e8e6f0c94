"""What a store holds as one table, a row per record or failure, whatever wrote them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from empirical.store import Store

if TYPE_CHECKING:
    import polars as pl


def table(store: Store | str | os.PathLike[str]) -> pl.DataFrame:
    """Tabulate a store: its records and failures in the order of their keys.

    Columns are ``key``, ``kind`` (the record's type) and the record's :func:`~empirical.store.scalars`: for a run its
    specification (``family``, ``width``, ``seed``, ``step_size``, ...), ``verdict`` and ``reason``, ``first.loss`` and
    ``last.loss``, and the first and last observation (``last.travel``, ...). What a record does not have is null.

    Args:
        store: the store, or its folder.

    Returns:
        A polars DataFrame.

    Raises:
        FileNotFoundError: the folder does not exist.

    Warns:
        DamagedRecord: for each file that is not what was written; it has no row.
    """
    import polars as pl

    if not isinstance(store, Store):
        if not Path(store).is_dir():
            raise FileNotFoundError(f"{store}: there is no such folder of runs")
        store = Store(store)
    rows = list(store.rows())
    columns = dict.fromkeys(name for row in rows for name in row)
    return pl.DataFrame(
        {name: pl.Series([row.get(name) for row in rows], strict=False) for name in columns or ("key", "kind")}
    )


def write_table(store: Store, path: Path) -> None:
    """Write the :func:`table` of a store as Parquet, whole or not at all.

    Raises:
        OSError: the file cannot be written; an earlier one is then still there.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
        scratch = Path(folder) / path.name
        table(store).write_parquet(scratch)
        os.replace(scratch, path)
