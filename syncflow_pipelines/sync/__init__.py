"""The sync engine: from a source's catalogue and pages to PostgreSQL tables.

Read from the top: `discovery` takes a source's catalogue over; `engine` runs a sync, which `ingest` carries out:
`reading` asks for `pages`, `decode` turns their rows into lines (`values` one value), `staging` holds them, and
`apply` brings the table in step. `runs`, `rejects`, `entities` and `state` keep what happened and what is known.
"""
