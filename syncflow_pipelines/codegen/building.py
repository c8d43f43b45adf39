"""A service and its spec → the files of its modules, and what is known of them before anybody imports them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import orjson

from syncflow_pipelines.codegen.described import DescribedAccess, describe_access
from syncflow_pipelines.codegen.manifest import ToolSizes
from syncflow_pipelines.codegen.mcp_module import render_mcp
from syncflow_pipelines.codegen.resolver_module import render_resolver, resolver_class
from syncflow_pipelines.codegen.runtime.catalogue import Catalogue
from syncflow_pipelines.codegen.runtime.credentials import auth_header
from syncflow_pipelines.codegen.runtime.stored import from_document
from syncflow_pipelines.codegen.sizes import catalogue_sizes
from syncflow_pipelines.codegen.stored import StoredFile, store
from syncflow_pipelines.config.services import Component, ServiceConfig
from syncflow_pipelines.files.sealing import seal
from syncflow_pipelines.openapi.model import Spec

Json = Any

_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class ServiceBuild:
    """One service in the making."""

    service: ServiceConfig
    spec: Spec
    folder: Path
    """Of the generated package, which need not be there yet."""
    components: frozenset[Component]
    """At least one."""

    @cached_property
    def stored(self) -> StoredFile:
        """The spec's file."""
        return store(self.spec)

    @cached_property
    def inputs(self) -> str:
        """Digest of all that the files are made from."""
        described = {
            "generator": generator_version(),
            "spec": self.stored.digest,
            "components": sorted(self.components),
            "service": [self.service.name, self.service.type, self.service.description, self.service.base_url],
            "access": [self.access.auth, self.access.dotenv_files, self.access.ca_file],
            "mcp": self.service.mcp,
            "rest": self.service.rest,
            "title": self.spec.title,
        }
        return hashlib.sha256(orjson.dumps(described, option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def module(self) -> str:
        """What its modules' names begin with."""
        return self.service.module_name

    @property
    def mcp_module(self) -> str | None:
        return f"{self.module}_mcp" if "mcp" in self.components else None

    @property
    def resolver_module(self) -> str | None:
        return f"{self.module}_resolver" if "rest" in self.components else None

    @property
    def spec_file(self) -> str:
        return self.stored.name(self.module)

    @property
    def is_open_world(self) -> bool:
        """Whether its tools reach beyond what the operator runs."""
        return self.service.type == "external"

    @cached_property
    def access(self) -> DescribedAccess:
        return describe_access(self.service, self.folder)

    @cached_property
    def sizes(self) -> ToolSizes | None:
        """Of the MCP server, if there is one."""
        if self.mcp_module is None:
            return None
        options = self.service.mcp
        stored = from_document(orjson.loads(self.stored.content))
        catalogue = Catalogue(stored, auth_header(self.service.auth), options.read_only, self.is_open_world)
        whole, largest, largest_bytes = catalogue_sizes(catalogue.plans.values())
        mode = options.mode if options.mode != "auto" else "search" if whole > options.size_budget_bytes else "tools"
        return ToolSizes(len(catalogue.plans), mode, whole, whole, largest, largest_bytes)

    def contents(self) -> dict[str, bytes]:
        """The files: the spec first, which the modules read."""
        found = {self.spec_file: self.stored.content}
        if self.mcp_module is not None:
            found[f"{self.mcp_module}.py"] = seal(self._mcp())
        if self.resolver_module is not None:
            found[f"{self.resolver_module}.py"] = seal(self._resolver())
        return found

    def exports(self) -> tuple[tuple[str, str, str], ...]:
        """What the package offers of it: name, module and attribute."""
        found = []
        if self.mcp_module is not None:
            found.append((self.mcp_module, self.mcp_module, "mcp"))
        if self.resolver_module is not None:
            name = resolver_class(self.module)
            found += [(name, self.resolver_module, name)]
            found += [(f"create_{self.module}_app", self.resolver_module, "create_app")]
        return tuple(found)

    def _mcp(self) -> str:
        assert self.sizes is not None
        mode: Literal["tools", "search"] = "search" if self.sizes.mode == "search" else "tools"
        return render_mcp(
            self.service,
            self.spec,
            spec_file=self.spec_file,
            spec_digest=self.stored.digest,
            access=self.access,
            mode=mode,
        )

    def _resolver(self) -> str:
        return render_resolver(
            self.service,
            spec_file=self.spec_file,
            spec_digest=self.stored.digest,
            auth=self.access.auth,
            dotenv_files=self.access.dotenv_files,
            ca_file=self.access.ca_file,
        )


def generator_version() -> str:
    """Another one whenever the same spec may come out otherwise."""
    try:
        release = version("syncflow-pipelines")
    except PackageNotFoundError:  # run from a folder, without having been installed
        release = "0"
    templates = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(_TEMPLATES.glob("*.jinja"))))
    return f"{release}-{templates.hexdigest()[:12]}"


def with_measured(sizes: ToolSizes | None, found: Mapping[str, Json]) -> ToolSizes | None:
    """The sizes with what a client was really answered."""
    return None if sizes is None else replace(sizes, list_bytes=int(found["list_bytes"]))
