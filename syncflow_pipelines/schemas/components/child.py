"""Runs datamodel-code-generator in a process of its own: one document in, the parts of a module out, both as JSON.

Started by `rendering`; what the generator prints goes to standard error.
"""

import gc
import json
import os
import resource
import sys
import warnings
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from syncflow_pipelines.schemas.components.composing import composed
from syncflow_pipelines.schemas.components.document import MARK, class_name

Json = Any


def main() -> None:
    """Answers the one request that standard input holds."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    request = json.load(sys.stdin)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (request["memory_bytes"], request["memory_bytes"]))
    sys.setrecursionlimit(10_000)
    gc.disable()  # next to nothing is garbage before the end
    json.dump(_answer(request), answers)
    answers.close()


def _answer(request: Json) -> Json:
    try:
        import datamodel_code_generator
    except ImportError as error:
        return {"missing": str(error)}
    del datamodel_code_generator
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            text = _generated(request["document"])
        module = composed(text, request["names"], request["variants"])
        return {"module": asdict(module), "warnings": [str(warning.message) for warning in told]}
    except Exception as error:  # noqa: BLE001 - a generator of somebody else's on a document of somebody else's
        return {"error": f"{type(error).__name__}: {error}"[:500]}


def _generated(document: Json) -> str:
    from datamodel_code_generator import generate
    from datamodel_code_generator.enums import DataModelType, InputFileType, OpenAPIScope
    from datamodel_code_generator.format import PythonVersion

    text = generate(
        json.dumps(document),
        input_file_type=InputFileType.OpenAPI,
        output_model_type=DataModelType.PydanticV2BaseModel,
        openapi_scopes=[OpenAPIScope.Schemas],
        target_python_version=PythonVersion.PY_311,
        custom_class_name_generator=lambda name: name if name.startswith(MARK) else class_name(name),
        parent_scoped_naming=True,
        custom_file_header="#",
        disable_timestamp=True,
        formatters=[],
        allow_remote_refs=False,
        treat_dot_as_module=False,
        use_annotated=True,
        field_constraints=True,
        strict_nullable=True,
        use_schema_description=True,
        set_default_enum_member=True,
        use_double_quotes=True,
        field_extra_keys={"readOnly", "writeOnly"},
    )
    if not isinstance(text, str):
        raise TypeError("the generator made several modules of it")
    return text
