"""The sync engine: from a source's catalogue and pages to PostgreSQL tables.

Read from the top: `schema.discovery` takes a source's catalogue over; `engine` runs a sync, which `ingest` carries out:
`reading` asks for pages, `conversion` turns their rows into lines, which `intake` hands to `loading`, and that brings
the table in step. `rejects` and `history` hold what was refused and what was changed; `runs`, `entities` and `state`
what happened and what is known.
"""
