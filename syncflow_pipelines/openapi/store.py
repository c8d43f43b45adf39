"""What is kept of the specs on disk: the documents, their checksums, and their inner forms as a cache."""

import functools
import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
import xxhash

from syncflow_pipelines.config import ServiceSettings, Settings
from syncflow_pipelines.errors import ConfigurationError, SpecError, UnusableSpec
from syncflow_pipelines.files.gathering import Gathered
from syncflow_pipelines.files.locking import locked
from syncflow_pipelines.files.replacing import replace_file, replace_files
from syncflow_pipelines.openapi.inner_form import FORMAT, dump_spec, load_spec
from syncflow_pipelines.openapi.model import Json, Spec
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.parsing import parse
from syncflow_pipelines.openapi.references import Part

FOLDER: Final = "specs"
"""Below `SYNCFLOW_HOME`: the inner forms."""

_LOG = logging.getLogger(__name__)


class KeptSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the checksum file says of one service's spec."""

    checksum: str
    """MD5 of the canonical document."""
    timestamp: str = ""
    """When it changed last, ISO 8601 in UTC."""
    spec_file: str = ""
    """From the project's folder, where it is inside."""
    contract: str = ""
    configuration: str = ""
    """Digest of the configuration under which it was fetched."""
    form: int = 0
    """The format of the inner form that it was brought into."""
    size: int = 0
    """Bytes of the spec file."""
    digest: str = ""
    """XXH3 of its bytes: it is written before the entry, and a process may be killed in between."""
    documents: tuple[Part, ...] = ()
    """What it was made of, its own document first."""
    ids: dict[str, str] = msgspec.field(default_factory=dict)
    """By `method path`, the ids of operations that they have because of what the spec was before."""

    @property
    def url(self) -> str | None:
        return self.documents[0].found_at if self.documents else None

    @property
    def changed_at(self) -> datetime | None:
        with suppress(ValueError):
            at = datetime.fromisoformat(self.timestamp)
            return at if at.tzinfo else at.replace(tzinfo=UTC)
        return None

    def known_ids(self) -> dict[tuple[str, str], str]:
        """The ids by path and method, as `normalise` takes them."""
        split = ((key.partition(" "), name) for key, name in self.ids.items())
        return {(path, method): name for (method, _, path), name in split}


class SpecStore:
    """The specs of an installation. Several processes and threads may use it at once.

    The checksum file is what counts: it is written last, so that a process killed on the way leaves a spec that is
    fetched again. It may be lost altogether, as may the inner forms.
    """

    def __init__(self, services: ServiceSettings, settings: Settings) -> None:
        self._checksum_file = services.checksum_file
        self._output_dir = services.output_dir
        self._project_dir = settings.project_dir
        self._forms = settings.home / FOLDER
        self._writing = Gathered(self._write)
        self._seen: tuple[tuple[int, ...], dict[str, Any]] = ((), {})

    def kept(self) -> dict[str, KeptSpec]:
        """What is known of every spec, by service; entries that cannot be read are passed over, and logged."""
        return {service: kept for service in self._entries() if (kept := self._entry(service)) is not None}

    def spec_file(self, service: str) -> Path:
        """Where the document of that service is, or would be."""
        return self._output_dir / f"{service}-openapi.json"

    def shown(self, path: Path) -> str:
        """The path from the project's folder where it is inside, for files that are shared."""
        return str(path.relative_to(self._project_dir) if path.is_relative_to(self._project_dir) else path)

    def is_whole(self, service: str, kept: KeptSpec) -> bool:
        """Whether the spec file is there, as it was written."""
        path = self.spec_file(service)
        try:
            return path.stat().st_size == kept.size and _digest(path.read_bytes()) == kept.digest
        except OSError:
            return False

    def content(self, service: str) -> bytes:
        """The spec file. Raises `SpecError` where it cannot be read."""
        path = self.spec_file(service)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise UnusableSpec(f"no spec of {service} is kept; `syncflow specs fetch {service}` fetches it") from None
        except OSError as error:
            raise UnusableSpec(f"{path} cannot be read ({error.strerror}); mend its rights") from error

    def document(self, service: str) -> dict[str, Json]:
        """The document in the spec file. Raises `SpecError`."""
        content = self.content(service)
        try:
            return parse(content)
        except SpecError as error:
            path = self.spec_file(service)
            raise type(error)(f"{path}: {error}; `syncflow specs fetch {service} --force` writes it anew") from error

    def spec(self, service: str) -> Spec:
        """The spec in its inner form; where that is not there, or of another version, it is made of the spec file.

        Raises `SpecError` where nothing of the service is kept that can be used.
        """
        kept = self._entry(service)
        if kept is not None:
            with suppress(OSError, SpecError):
                return load_spec(self._form_file(service, kept.checksum).read_bytes())
        spec = normalise(self.document(service), kept.known_ids() if kept is not None else None)
        if kept is not None and kept.checksum == spec.checksum:
            # no more than a cache, which may be in a folder that cannot be written
            with suppress(ConfigurationError), locked(self._lock_file):
                replace_file(self._form_file(service, spec.checksum), dump_spec(spec))
        return spec

    def keep(
        self,
        service: str,
        kept: KeptSpec,
        document: dict[str, Json],
        spec: Spec,
        record: Callable[[KeptSpec, bytes, bytes], None] | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> KeptSpec:
        """Writes the document, the inner form and, at the end, the entry; the result is that entry.

        `record` is called before the entry counts, with the entry, the document's bytes and those of the inner form;
        where it raises, the entry stays as it was. Raises `ConfigurationError` where a file cannot be written.
        """
        content = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
        form = dump_spec(spec)
        path = self.spec_file(service)
        entry = msgspec.structs.replace(
            kept, spec_file=self.shown(path), size=len(content), digest=_digest(content), form=FORMAT
        )
        files = {path: content, self._form_file(service, spec.checksum): form}
        told = None if record is None else functools.partial(record, entry, content, form)
        self._keep(_Writing(service, entry, cancelled, files, told))
        return entry

    def note(self, service: str, kept: KeptSpec, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Writes the entry alone, unless another process has changed the spec since."""
        self._keep(_Writing(service, kept, cancelled))

    @property
    def _lock_file(self) -> Path:
        return self._checksum_file.with_name(f"{self._checksum_file.name}.lock")

    def _form_file(self, service: str, checksum: str) -> Path:
        # by checksum, so that readers of the old entry still find the old form
        return self._forms / f"{service}.{hashlib.sha256(checksum.encode()).hexdigest()[:16]}.spec"

    def _keep(self, writing: "_Writing") -> None:
        self._writing.do(writing)
        if writing.error is not None:
            raise writing.error

    def _write(self, writings: Sequence["_Writing"]) -> None:
        """Writes what several threads want to keep, under one lock; what cannot be written or recorded is left out."""
        with locked(self._lock_file, lambda: all(writing.cancelled() for writing in writings)):
            self._write_files(writings)
            for writing in writings:
                writing.record()
            written = [writing for writing in writings if writing.error is None]
            if written:
                self._write_entries(written)
                self._forget_other_forms({one.service: one.entry.checksum for one in written if one.files})

    def _write_files(self, writings: Sequence["_Writing"]) -> None:
        errors = replace_files({path: content for one in writings for path, content in one.files.items()})
        for writing in writings:
            writing.error = next((errors[path] for path in writing.files if path in errors), None)

    def _forget_other_forms(self, checksums: Mapping[str, str]) -> None:
        """Removes the forms of these services but those of these checksums."""
        kept = {self._form_file(service, checksum).name for service, checksum in checksums.items()}
        if not checksums:
            return
        for entry in os.scandir(self._forms):
            service, _, _ = entry.name.removesuffix(".spec").rpartition(".")
            if service in checksums and entry.name.endswith(".spec") and entry.name not in kept:
                Path(entry.path).unlink(missing_ok=True)

    def _entry(self, service: str) -> KeptSpec | None:
        said = self._entries().get(service)
        if said is None or isinstance(said, str):  # the form `{service: md5}`
            return None if said is None else KeptSpec(said)
        try:
            return msgspec.convert(said, KeptSpec)
        except msgspec.ValidationError as error:
            _LOG.warning("%s: the entry of %s is passed over: %s", self._checksum_file, service, error)
            return None

    def _entries(self) -> dict[str, Any]:
        """What the checksum file holds, read once as long as it stays the same file."""
        try:
            said = self._checksum_file.stat()
        except OSError:
            return self._read_entries()
        known, seen = self._seen
        looks = (said.st_dev, said.st_ino, said.st_size, said.st_mtime_ns, said.st_ctime_ns)
        if looks != known:
            seen = self._read_entries()
            self._seen = (looks, seen)
        return seen

    def _read_entries(self) -> dict[str, Any]:
        """The same, read anew; nothing where it holds no JSON object."""
        try:
            found = _loaded(self._checksum_file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no JSON"
            _LOG.warning("%s is passed over (%s): every spec counts as changed", self._checksum_file, reason)
            return {}
        return found if isinstance(found, dict) else {}

    def _write_entries(self, writings: Sequence["_Writing"]) -> None:
        """To be called under the lock: what other processes have written since is in the file, and stays there."""
        entries = self._read_entries()
        for writing in writings:
            if writing.files or _checksum(entries.get(writing.service)) == writing.entry.checksum:
                entries[writing.service] = msgspec.to_builtins(writing.entry)
        replace_file(self._checksum_file, _dumped(entries))


@dataclass(slots=True)
class _Writing:
    """What is to be written of one service; without files, no more than another entry of the same spec."""

    service: str
    entry: KeptSpec
    cancelled: Callable[[], bool]
    files: Mapping[Path, bytes] = field(default_factory=dict)
    told: Callable[[], None] | None = None
    error: Exception | None = None

    def record(self) -> None:
        """Tells of it, unless it went wrong already."""
        try:
            if self.error is None and self.told is not None:
                self.told()
        except Exception as error:  # noqa: BLE001 - it is raised where this one is waited for
            self.error = error


def _dumped(entries: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(entries, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
    except TypeError:  # halves of characters, in the name of a file
        return json.dumps(entries, indent=2, sort_keys=True).encode() + b"\n"


def _loaded(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except ValueError:
        return json.loads(content)


def _checksum(said: Any) -> Any:
    return said.get("checksum") if isinstance(said, dict) else said


def _digest(content: bytes) -> str:
    return xxhash.xxh3_64_hexdigest(content)
