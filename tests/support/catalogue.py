"""A database's schema as lines of text, from its catalogue."""

from services.database.connections import Database

_SQLITE = """
    SELECT m.name || ' ' || c.cid || ' ' || c.name || ' ' || c.type || ' ' || c."notnull" || ' '
        || coalesce(c.dflt_value, '') || ' ' || c.pk AS line
    FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'
    UNION ALL
    SELECT sql FROM sqlite_master WHERE sql IS NOT NULL
"""
_POSTGRES = """
    SELECT c.relname || ' ' || a.attnum || ' ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' '
        || a.attnotnull || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '') || ' '
        || coalesce(col_description(c.oid, a.attnum), '') AS line
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    UNION ALL
    SELECT relname || ' ' || coalesce(obj_description(oid), '')
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind <> 'i'
    UNION ALL
    SELECT pg_get_indexdef(indexrelid) || ' ' || indisvalid
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid WHERE relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT conrelid::regclass || ' ' || conname || ' ' || convalidated || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""


async def described(database: Database) -> list[str]:
    """All tables, columns, defaults, indexes, constraints, triggers and functions, in a fixed order."""
    rows = await database.fetch(_SQLITE if database.is_sqlite else _POSTGRES)
    return sorted(" ".join(row["line"].split()) for row in rows)
