"""Publishes that code was generated.

Files and PostgreSQL cannot change together. What counts is the manifest beside the files: whatever it has that no event
told of is told by the generation that comes next, be it that the process was killed or PostgreSQL was down.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

from syncflow_pipelines.codegen import package
from syncflow_pipelines.codegen.manifest import Entry, read_manifest
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.generations import forget_others, take_note
from syncflow_pipelines.errors import DatabaseError
from syncflow_pipelines.events.happenings import code_generated
from syncflow_pipelines.events.publishing import publish

_LOG = logging.getLogger(__name__)


def tell_generated(database: Database, folder: Path, checksums: Mapping[str, str]) -> None:
    """Publishes `code_generated` for the services whose code is other than the last event said.

    `checksums` are those of the specs that the code stands on, by service; other services are not looked at. Where the
    database cannot be written to, the log says so, and the next generation tells.
    """
    try:
        # the connection first: while it is waited for, nobody else has to wait for the folder
        with database.connection() as connection, package.locked(folder):
            entries = read_manifest(folder).services
            told = {name: entries[name] for name in checksums if name in entries}
            news = take_note(connection, str(folder), {name: entry.inputs for name, entry in told.items()})
            forget_others(connection, str(folder), list(entries))
            publish(connection, [code_generated(name, checksums[name], _files(told[name])) for name in news])
    except DatabaseError as error:
        _LOG.warning("that code was generated is told by the next generation: %s", error)


def _files(entry: Entry) -> list[str]:
    return [file.name for file in entry.files]
