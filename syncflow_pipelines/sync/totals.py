"""What all syncs came to, counted as each ends: totals that outlive the history that they are counted from."""

from typing import Final
from uuid import UUID

import psycopg

from syncflow_pipelines.transport import LatencyCounts

DURATION_BOUNDS_S: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0)
"""Upper bounds of the buckets. They are kept in `sync_totals`: other ones need a migration."""

_ADDED = """(
  SELECT array_agg(coalesce(had, 0) + coalesce(got, 0) ORDER BY nth)
  FROM unnest(t.{counts}, excluded.{counts}) WITH ORDINALITY AS both_of (had, got, nth))"""
_COUNT = f"""
INSERT INTO sync_totals AS t (entity_uid, strategy, status, runs, seconds, duration_counts,
  fetched, inserted, updated, unchanged, deleted, rejected, missing)
SELECT entity_uid, strategy, status, 1, took, ARRAY(
    SELECT (width_bucket(took, %(bounds)s::float8[]) = nth)::int::bigint
    FROM generate_series(0, cardinality(%(bounds)s::float8[])) AS nth ORDER BY nth),
  records_fetched, records_inserted, records_updated, records_unchanged, records_deleted, records_rejected,
  records_missing
FROM sync_runs, LATERAL (SELECT extract(epoch FROM completed_at - started_at)::float8 AS took) AS measured
WHERE uid = %(uid)s
ON CONFLICT (entity_uid, strategy, status) DO UPDATE SET runs = t.runs + 1, seconds = t.seconds + excluded.seconds,
  duration_counts = {_ADDED.format(counts="duration_counts")},
  fetched = t.fetched + excluded.fetched, inserted = t.inserted + excluded.inserted,
  updated = t.updated + excluded.updated, unchanged = t.unchanged + excluded.unchanged,
  deleted = t.deleted + excluded.deleted, rejected = t.rejected + excluded.rejected,
  missing = t.missing + excluded.missing
"""  # noqa: S608 - of constants
_COUNT_ERROR = """
INSERT INTO sync_error_totals AS t (entity_uid, error_type, runs)
SELECT entity_uid, error_details ->> 'type', 1 FROM sync_runs WHERE uid = %s AND error_details ? 'type'
ON CONFLICT (entity_uid, error_type) DO UPDATE SET runs = t.runs + 1
"""
_COUNT_REQUESTS = f"""
INSERT INTO source_totals AS t (entity_uid, latency_counts, seconds, failed)
SELECT entity_uid, %(counts)s, %(seconds)s, %(failed)s FROM sync_runs WHERE uid = %(uid)s
ON CONFLICT (entity_uid) DO UPDATE SET seconds = t.seconds + excluded.seconds, failed = t.failed + excluded.failed,
  latency_counts = {_ADDED.format(counts="latency_counts")}
"""  # noqa: S608 - of constants


def count_run(connection: psycopg.Connection, uid: UUID, latencies: LatencyCounts | None = None) -> None:
    """Adds a run that was closed to the totals, in the transaction that closes it; once a run.

    The totals are kept by entity, whose lock the caller holds: nobody waits for anybody.
    """
    connection.execute(_COUNT, {"uid": uid, "bounds": list(DURATION_BOUNDS_S)})
    connection.execute(_COUNT_ERROR, (uid,))
    if latencies:
        counted = {"counts": list(latencies.counts), "seconds": latencies.seconds, "failed": latencies.failed}
        connection.execute(_COUNT_REQUESTS, {"uid": uid, **counted})
