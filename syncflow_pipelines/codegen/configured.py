"""What the configuration decides of a generated module, as a digest: it changes where the spec need not."""

import hashlib
from pathlib import Path

import orjson

from syncflow_pipelines.codegen.building import generator_version
from syncflow_pipelines.codegen.described import describe_access
from syncflow_pipelines.config.services import Component, ServiceConfig


def settings_digest(service: ServiceConfig, component: Component, folder: Path) -> str:
    """Another one wherever the same spec may come out otherwise in a module that stands in `folder`.

    It is the same in every working folder: what depends on that is left out. 32 hexadecimal digits.
    """
    access = describe_access(service, folder)
    described = {
        "generator": generator_version(),
        "service": [service.name, service.type, service.description, service.base_url],
        "access": [access.auth, access.ca_file],
        "options": service.mcp if component == "mcp" else service.rest,
        "include": service.include,
        "exclude": service.exclude,
    }
    said = orjson.dumps(described, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(said, digest_size=16).hexdigest()
