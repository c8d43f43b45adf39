"""A service → the source of its `{module}_resolver.py`."""

from collections.abc import Mapping, Sequence

from syncflow_pipelines.codegen.rendering import render
from syncflow_pipelines.config.services import ServiceConfig
from syncflow_pipelines.errors import GenerationFailed


def render_resolver(
    service: ServiceConfig,
    *,
    spec_file: str,
    spec_digest: str,
    auth: Mapping[str, str] | None = None,
    dotenv_files: Sequence[str] = (),
    ca_file: str | None = None,
) -> str:
    """The module, which has literals of its settings and nothing of its spec.

    `spec_file`, `dotenv_files`, `ca_file` and the file in `auth` are absolute, or relative to the module's folder;
    `auth` is described as `credentials.auth_from` reads it. Raises `GenerationFailed` for a service whose name cannot
    be one of Python's.
    """
    return render(
        "resolver.py.jinja",
        class_name=resolver_class(service.module_name),
        name=service.name,
        base_url=service.base_url,
        spec_file=spec_file,
        spec_digest=spec_digest,
        mode=service.rest.mode,
        timeout_s=float(service.rest.timeout_s),
        allowed_hosts=tuple(service.rest.allowed_hosts),
        auth=None if auth is None else dict(auth),
        dotenv_files=tuple(dotenv_files),
        ca_file=ca_file,
    )


def resolver_class(module_name: str) -> str:
    """The name of the class in a service's module: `user_service` has `UserServiceResolver`.

    Raises `GenerationFailed` for what is no name in ASCII: it stands in the source as it is.
    """
    name = "".join(part[:1].upper() + part[1:] for part in module_name.split("_")) + "Resolver"
    if not (name.isascii() and name.isidentifier() and module_name.isidentifier()):
        raise GenerationFailed(f"{module_name!r} cannot name a Python class; give the service another name")
    return name
