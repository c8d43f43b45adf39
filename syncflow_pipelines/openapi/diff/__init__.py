"""What callers of a service notice when its spec changes."""

from syncflow_pipelines.openapi.diff.comparing import compare
from syncflow_pipelines.openapi.diff.json_form import as_json
from syncflow_pipelines.openapi.diff.markdown import as_markdown
from syncflow_pipelines.openapi.diff.model import Change, Severity, SpecDiff, Touched
from syncflow_pipelines.openapi.diff.named import compare_schemas
from syncflow_pipelines.openapi.diff.rules import RULES, Rule
from syncflow_pipelines.openapi.diff.text import as_text

__all__ = [
    "RULES",
    "Change",
    "Rule",
    "Severity",
    "SpecDiff",
    "Touched",
    "as_json",
    "as_markdown",
    "as_text",
    "compare",
    "compare_schemas",
]
