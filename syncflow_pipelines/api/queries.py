"""What is asked for behind the `?` of a URL.

FastAPI reads a model of query parameters in ten times what reading the database takes, so routes do it themselves.
"""

from typing import Any, Self

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError


class Query(BaseModel):
    """Parameters of a request, each of which may be left out; one that is not among them is refused."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def of(cls, request: Request) -> Self:
        """What the request asks for. Raises FastAPI's own error, as a parameter in the signature would."""
        asked: dict[str, Any] = {}
        for name, value in request.query_params.multi_items():
            asked[name] = [*asked.get(name, ()), value] if name in cls.repeated() else value
        try:
            return cls.model_validate(asked)
        except ValidationError as error:
            mistakes = error.errors(include_url=False, include_input=False, include_context=False)
            raise RequestValidationError([{**one, "loc": ("query", *one["loc"])} for one in mistakes]) from error

    @classmethod
    def repeated(cls) -> frozenset[str]:
        """Names of parameters that may be given several times."""
        return frozenset()

    @classmethod
    def described(cls) -> dict[str, Any]:
        """What a route's `openapi_extra` says of them."""
        properties = cls.model_json_schema()["properties"]
        return {"parameters": [_described(name, schema) for name, schema in properties.items()]}


def _described(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The parameter; null, which no URL can say, is no value of it."""
    said = {key: value for key, value in schema.items() if key not in ("anyOf", "title", "description")}
    for one in schema.get("anyOf", ()):
        if one != {"type": "null"}:
            said |= one
    if said.get("default", ...) is None:
        del said["default"]
    return {"name": name, "in": "query", "required": False, "description": schema["description"], "schema": said}
