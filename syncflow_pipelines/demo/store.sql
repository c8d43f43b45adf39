-- A number is never given to a second entity: what is remembered of the first must not be taken for it.
CREATE TABLE entities (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    slug TEXT NOT NULL UNIQUE,
    spec BLOB NOT NULL,
    clock INTEGER NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0
);

-- One table for every entity's rows, so that no name of an entity ever becomes SQL.
CREATE TABLE rows (
    id INTEGER PRIMARY KEY,
    entity INTEGER NOT NULL REFERENCES entities (id) ON DELETE CASCADE,
    key_order BLOB NOT NULL,
    version_order TEXT NOT NULL,
    version TEXT,
    deleted INTEGER NOT NULL,
    json BLOB NOT NULL
);
CREATE UNIQUE INDEX rows_by_key ON rows (entity, key_order);
CREATE INDEX rows_by_version ON rows (entity, version_order, key_order);

CREATE TABLE faults (
    slug TEXT PRIMARY KEY,
    status INTEGER,
    remaining INTEGER,
    retry_after TEXT,
    delay_s REAL NOT NULL
);

CREATE TABLE notes (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

PRAGMA user_version = 1;
