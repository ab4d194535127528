"""The schema as text: what the catalogue says, in a stable order.

`python -m tests.kit.schema_snapshot` writes what the migrations make to migrations/schema.txt.
"""

import asyncio
import tempfile
from pathlib import Path

import asyncpg

from zxo import embedded, migrations

FILE = migrations.FOLDER / "schema.txt"
HEADING = "The schema that the migrations make. Written by: python -m tests.kit.schema_snapshot\n"

TABLES = """
SELECT c.relname, concat_ws(' ', 'PARTITION BY ' || pg_get_partkeydef(c.oid),
    CASE WHEN c.relispartition THEN 'PARTITION OF ' || (
        SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = c.oid
    ) || ' ' || pg_get_expr(c.relpartbound, c.oid) END,
    CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' END, 'WITH ' || c.reloptions::text)
FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
"""
COLUMNS = """
SELECT c.relname, concat_ws(' ', 'column', a.attname, format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attnotnull THEN 'NOT NULL' END,
    'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid),
    CASE a.attidentity WHEN 'a' THEN 'IDENTITY ALWAYS' WHEN 'd' THEN 'IDENTITY' END,
    '-- ' || col_description(c.oid, a.attnum))
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
    AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
"""
# NOT NULL stands beside the columns; PostgreSQL 18 lists it as a constraint too.
CONSTRAINTS = """
SELECT c.relname, 'constraint ' || pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE c.relnamespace = 'public'::regnamespace AND k.contype <> 'n'
ORDER BY c.relname, 2
"""
INDEXES = """
SELECT tablename, 'index ' || indexname || substring(indexdef FROM ' USING .*')
    || CASE WHEN indexdef LIKE 'CREATE UNIQUE%' THEN ' UNIQUE' ELSE '' END
FROM pg_indexes WHERE schemaname = 'public' ORDER BY tablename, indexname
"""
TRIGGERS = """
SELECT c.relname, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace
ORDER BY c.relname, t.tgname
"""
SEQUENCES = """
SELECT 'sequence ' || sequencename || ' ' || data_type::text FROM pg_sequences
WHERE schemaname = 'public' ORDER BY sequencename
"""
TYPES = """
SELECT 'type ' || t.typname || ' (' || string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder) || ')'
FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid
WHERE t.typnamespace = 'public'::regnamespace GROUP BY t.typname ORDER BY t.typname
"""
FUNCTIONS = """
SELECT 'function ' || proname || ' ' || md5(prosrc) FROM pg_proc
WHERE pronamespace = 'public'::regnamespace ORDER BY proname
"""


async def read(url: str) -> str:
    """The schema of the database at `url`."""
    connection = await asyncpg.connect(url)
    try:
        parts = {row[0]: [row[1]] for row in await connection.fetch(TABLES)}
        for sql in (COLUMNS, CONSTRAINTS, INDEXES, TRIGGERS):
            for table, line in await connection.fetch(sql):
                parts[table].append(f"    {line}")
        rest = [
            row[0] for sql in (TYPES, SEQUENCES, FUNCTIONS) for row in await connection.fetch(sql)
        ]
    finally:
        await connection.close()
    tables = [
        "\n".join([f"table {name} {options}".rstrip(), *lines])
        for name, (options, *lines) in sorted(parts.items())
    ]
    return "\n\n".join([*tables, "\n".join(rest)]) + "\n"


def write() -> None:
    """Refresh the file, by way of a database of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded.services(Path(folder), valkey=False) as running,
    ):
        migrations.upgrade(running.database_url)
        FILE.write_text(f"{HEADING}\n{asyncio.run(read(running.database_url))}")


if __name__ == "__main__":
    write()
