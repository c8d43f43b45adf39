"""Every error that SyncFlow raises on purpose, split by what a person has to do about it.

    SyncflowError
    ├── ConfigurationError        mend a file or the environment            (exit code 2)
    ├── DatabaseError             look after PostgreSQL
    │   └── TableInUse              somebody uses the table: end that, or try again later
    ├── SourceError               look after the source, or wait for it
    │   ├── SourceUnreachable       it is down, slow or torn: try again later
    │   ├── SourceRefused           it refused the token: replace the token
    │   ├── SourceProtocolError     it answered something that is not the contract
    │   ├── EntityGone              it no longer offers this entity
    │   └── SuspiciousCatalogue     it suddenly offers hardly any entity: confirm that, or mend it
    ├── SpecError                 look at the OpenAPI document
    │   ├── UnusableSpec            nothing usable comes from it: mend it at its source
    │   ├── SpecTooLarge            it is beyond a limit, of bytes, depth or aliases
    │   └── GenerationFailed        what came from it would not work; the old files stand
    ├── ModelsError               look at the models that schemas are made from; the old schemas stand
    ├── SchemasNotGenerated       what came of the models would not work, or would replace what people wrote
    ├── BackupError               name another backup, or look into its folder
    ├── SchemaRefused             decide what becomes of a column
    ├── GatewayError              the gateway's registry stays as it is
    │   ├── UnknownEndpoint         mend the name or the version
    │   ├── EndpointTaken           another says what it is: change it there
    │   ├── EndpointChanged         somebody was quicker: look again
    │   └── EndpointRefused         it says something that is not allowed
    ├── DeliveryFailed            an event did not reach its subscriber: look after that
    └── SyncError                 this sync ended without touching the table
        ├── EntityBusy              another sync holds the entity
        ├── UnknownEntity           discover first, or mend the name
        ├── TooManyRejects          look at the rejected rows
        ├── SuspiciousRead          the source hid most of its rows
        └── SyncCancelled           somebody stopped it

An error's text is one sentence that names the thing, its value and the remedy. It never holds a
token, a password or a row. Errors cross process borders in Dagster, so every one of them pickles.
"""


class SyncflowError(Exception):
    """Something that SyncFlow expects to go wrong; `str()` is the sentence to show a person."""


class ConfigurationError(SyncflowError):
    """A file or the environment says something that cannot be used.

    `mistakes` holds one sentence each, all that were found at once.
    """

    def __init__(self, message: str, mistakes: tuple[str, ...] = ()) -> None:
        super().__init__(message, mistakes)
        self.message = message
        self.mistakes = mistakes

    def __str__(self) -> str:
        return "\n".join((self.message, *(f"  {mistake}" for mistake in self.mistakes)))


class DatabaseError(SyncflowError):
    """PostgreSQL cannot be reached, started, migrated, or refused a statement."""


class TableInUse(DatabaseError):
    """A table cannot be altered, because somebody else has been using it for too long."""


class SourceError(SyncflowError):
    """The source did not give what was asked of it."""


class SourceUnreachable(SourceError):
    """The source is down, too slow, or its answers are torn; trying later may help."""


class SourceRefused(SourceError):
    """The source refused the credentials (401 or 403)."""


class SourceProtocolError(SourceError):
    """The source answered something that is not the contract."""


class EntityGone(SourceError):
    """The source no longer offers the entity (404)."""


class SuspiciousCatalogue(SourceError):
    """The source offers so few of the known entities that marking the others as gone would be a mistake."""


class SpecError(SyncflowError):
    """An OpenAPI document cannot be used."""


class UnusableSpec(SpecError):
    """It is no OpenAPI document, or one with paths of which none can be used."""


class SpecTooLarge(SpecError):
    """It is larger, deeper or more entangled than SyncFlow reads."""


class GenerationFailed(SpecError):
    """Code was not generated; what was there before still stands."""


class ModelsError(SyncflowError):
    """Models of an ORM cannot be imported or read: the text names the file and the line that a person has to mend."""


class SchemasNotGenerated(SyncflowError):
    """Schemas were not generated, as they would not work or would replace what people wrote; the old ones stand."""


class BackupError(SyncflowError):
    """A backup of schemas is not there, or cannot be made or used; nothing was changed."""


class SchemaRefused(SyncflowError):
    """A change of an entity's columns that would lose data; a person has to decide."""


class GatewayError(SyncflowError):
    """An endpoint of the gateway was not changed."""


class UnknownEndpoint(GatewayError):
    """No endpoint of that name, or no such version of it, is registered."""


class EndpointTaken(GatewayError):
    """The endpoint belongs to a file, or to whoever registered it before."""


class EndpointChanged(GatewayError):
    """The endpoint is not any more as whoever changes it has seen it."""


class EndpointRefused(GatewayError):
    """What is said of the endpoint is not allowed, such as where it leads."""


class DeliveryFailed(SyncflowError):
    """An event did not reach its subscriber; raised by a handler, it says when to try again.

    `retry_after_s`: not before that, whatever the subscription's own back-off says. `is_final`: never again, the event
    is parked at once.
    """

    def __init__(self, message: str, retry_after_s: float | None = None, is_final: bool = False) -> None:
        super().__init__(message, retry_after_s, is_final)
        self.message = message
        self.retry_after_s = retry_after_s
        self.is_final = is_final

    def __str__(self) -> str:
        return self.message


class SyncError(SyncflowError):
    """A sync ended without touching the table."""


class EntityBusy(SyncError):
    """Another sync of the same entity is running."""


class UnknownEntity(SyncError):
    """No such connector or entity is known."""


class TooManyRejects(SyncError):
    """More rows were rejected than `max_reject_ratio` allows."""


class SuspiciousRead(SyncError):
    """A whole read saw so few of the live rows that deleting the rest would be a mistake."""


class SyncCancelled(SyncError):
    """The sync was asked to stop."""
