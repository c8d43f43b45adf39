"""Which generation of a service's code an event told of last: `bridge.code_generations`."""

from collections.abc import Mapping

import psycopg

_TELL = """
INSERT INTO code_generations AS known (folder, service, digest)
SELECT %(folder)s, service, digest FROM unnest(%(services)s::text[], %(digests)s::text[]) AS made (service, digest)
ON CONFLICT (folder, service) DO UPDATE SET digest = excluded.digest, told_at = now()
WHERE known.digest <> excluded.digest RETURNING service
"""
_FORGET = "DELETE FROM code_generations WHERE folder = %s AND NOT service = ANY (%s)"


def take_note(connection: psycopg.Connection, folder: str, digests: Mapping[str, str]) -> list[str]:
    """Notes what the services' code is made from, by service; those of which that was not known yet, sorted.

    Who does so for the same folder at the same time waits for this transaction to end.
    """
    values = {"folder": folder, "services": list(digests), "digests": list(digests.values())}
    return sorted(service for (service,) in connection.execute(_TELL, values))


def forget_others(connection: psycopg.Connection, folder: str, services: list[str]) -> None:
    """Forgets the folder's services that are none any more."""
    connection.execute(_FORGET, (folder, services))
