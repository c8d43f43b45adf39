"""Services and specs to generate from, without a child process unless a test wants one."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from syncflow_pipelines.codegen.generation import generate
from syncflow_pipelines.codegen.reports import GenerationReport
from syncflow_pipelines.config.services import ServiceConfig, Services, ServiceSettings
from syncflow_pipelines.errors import GenerationFailed
from syncflow_pipelines.openapi.model import Spec
from syncflow_pipelines_tests.server.mcp_world import body, operation, parameter, spec_of

Json = Any


class QuickVerifier:
    """Takes every module for good, but those whose source has a word in it."""

    def __init__(self, refused: str = "") -> None:
        self.refused = refused
        self.examined: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def examine(self, parent: Path, package: str, mcp: str | None, resolver: str | None) -> Mapping[str, Json]:
        """Remembers which modules it was asked about."""
        names = [name for name in (mcp, resolver) if name is not None]
        self.examined += names
        sources = "".join((parent / package / f"{name}.py").read_text() for name in names)
        if self.refused and self.refused in sources:
            raise GenerationFailed("refused")
        return {"tools": [], "list_bytes": 1}


class World:
    """A generated folder, and what it is generated from."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.root = folder
        self.folder = folder / "generated"
        self.services: dict[str, ServiceConfig] = {}
        self.specs: dict[str, Spec] = {}
        self.settings = ServiceSettings(folder / "specs", self.folder, folder / "checksums.json")
        self.verifier = QuickVerifier()
        for name in names:
            self.add(name)

    def add(self, name: str, spec: Spec | None = None, **settings: Any) -> None:
        """A service with that name."""
        service = ServiceConfig(name, f"https://{name}.example", ("/openapi.json",), ("rest", "mcp"))
        self.services[name] = replace(service, **settings)
        self.specs[name] = small_spec() if spec is None else spec

    def change(self, name: str, **settings: Any) -> None:
        """Other settings of a service."""
        self.services[name] = replace(self.services[name], **settings)

    def generate(self, only: Iterable[str] = (), **options: Any) -> GenerationReport:
        """Generates, and says what came of it."""
        services = Services(tuple(self.services.values()), self.settings)
        return generate(services, self.specs, only=tuple(only), **{"verifier": lambda: self.verifier, **options})

    def statuses(self, **options: Any) -> dict[str, str]:
        """Generates, and says which service became what."""
        return {report.service: report.status for report in self.generate(**options).services}

    def files(self) -> dict[str, bytes]:
        """What is in the folder."""
        return {file.name: file.read_bytes() for file in sorted(self.folder.iterdir()) if file.is_file()}


def small_spec(**more: Any) -> Spec:
    """Two operations."""
    pet = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    return spec_of(
        operation("get", "/pets/{id}", {"summary": "One pet", "parameters": [parameter("id", "path")]}, "getPet"),
        operation("post", "/pets", body("application/json", {"$ref": "#/components/schemas/Pet"}), "addPet"),
        schemas={"Pet": pet},
        **more,
    )
