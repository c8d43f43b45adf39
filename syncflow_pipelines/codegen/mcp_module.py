"""A service → the source of its `{module}_mcp.py`."""

from typing import Literal

from syncflow_pipelines.codegen.described import DescribedAccess
from syncflow_pipelines.codegen.rendering import render
from syncflow_pipelines.codegen.runtime.definitions import readable
from syncflow_pipelines.config.services import ServiceConfig
from syncflow_pipelines.openapi.model import Spec

_INSTRUCTIONS_LENGTH = 1_000
_FOUND_BYTES = 40_000
"""Of what a search answers: some ten thousand tokens."""
_LEAST_FOUND_BYTES = 10_000


def render_mcp(
    service: ServiceConfig,
    spec: Spec,
    *,
    spec_file: str,
    spec_digest: str,
    access: DescribedAccess,
    mode: Literal["tools", "search"],
) -> str:
    """The module, which has literals of its settings, and of its spec no more than the title."""
    options = service.mcp
    settings = {
        "service": service.name,
        "title": server_title(service),
        "instructions": _instructions(service, spec),
        "spec_file": spec_file,
        "spec_digest": spec_digest,
        "base_url": service.base_url,
        "auth": access.auth,
        "dotenv_files": list(access.dotenv_files),
        "ca_file": access.ca_file,
        "mode": mode,
        "is_read_only": options.read_only,
        "is_open_world": service.type == "external",
        "validates_output": options.validate_output,
        "timeout_s": float(options.timeout_s),
        "max_answer_bytes": options.max_answer_bytes,
        "found_bytes": max(min(options.size_budget_bytes, _FOUND_BYTES), _LEAST_FOUND_BYTES),
        "forward_headers": list(options.forward_headers),
    }
    return render("mcp.py.jinja", settings=settings)


def server_title(service: ServiceConfig) -> str:
    """What clients call the server."""
    return f"{service.module_name.replace('_', ' ').strip().title()} MCP Server"


def _instructions(service: ServiceConfig, spec: Spec) -> str:
    told = (readable(text, _INSTRUCTIONS_LENGTH) for text in (service.description, spec.title))
    return "\n".join(dict.fromkeys(text for text in told if text))
