"""Operations of any version → operation objects of OpenAPI 3.1 that stand alone, but for their schemas."""

from collections.abc import Callable, Iterator
from typing import Final

from syncflow_pipelines.openapi import swagger
from syncflow_pipelines.openapi.contents import STYLES, Contents
from syncflow_pipelines.openapi.model import METHODS, Json
from syncflow_pipelines.openapi.paths import Parameter, filling, placeholders
from syncflow_pipelines.openapi.pointers import below
from syncflow_pipelines.openapi.schema_words import LEFT_OUT, external_docs, picked, switch, text, texts
from syncflow_pipelines.openapi.security import Security
from syncflow_pipelines.openapi.servers import servers_at, servers_of
from syncflow_pipelines.openapi.source import Place, Source, Unfit
from syncflow_pipelines.openapi.versions import named

_WORDS: Final[dict[str, Callable[[Json], Json]]] = {
    "tags": texts,
    "summary": text,
    "description": text,
    "externalDocs": external_docs,
    "deprecated": switch,
}
_NOT_PARAMETERS: Final = frozenset({"accept", "authorization", "content-type"})
"""Headers that OpenAPI 3 says elsewhere: a parameter of such a name is to be ignored."""
_RANGES: Final = frozenset({"1XX", "2XX", "3XX", "4XX", "5XX", "default"})


class Operations:
    """Makes the operations of one document."""

    def __init__(self, source: Source, contents: Contents, security: Security) -> None:
        self.source = source
        self.contents = contents
        self.security = security
        self.servers = servers_of(source)
        self.required = security.required(source.document.get("security"), "/security")

    def definition(self, path: str, item: Place, place: Place) -> dict[str, Json]:
        """The operation at the place, on the path. Raises `Unfit` where it cannot be called."""
        names = placeholders(path, place.pointer)
        given = self._given(item, place)
        read = self._described(item, place)
        parameters = filling(names, self._parameters(given), self.source, place.pointer)
        return {
            **read,
            **({"parameters": parameters} if parameters else {}),
            **self._body(place, given),
            **self._responses(place),
            **self._callbacks(place),
            **self._secured(place),
            "servers": self._servers(item, place),
        }

    def called_back(self, item: Place) -> dict[str, Json]:
        """A path item of a callback or a webhook: what the service sends, and what it expects in return."""
        read = {}
        for method, place in methods(self.source, item):
            if method not in METHODS:
                continue
            if not isinstance(place.value, dict):
                raise Unfit(place.pointer, f"{named(place.value)} stands where an operation is wanted")
            given = self._given(item, place)
            parameters = [parameter for parameter in self._parameters(given) if parameter["in"] != "path"]
            read[method] = {
                **self._described(item, place),
                **({"parameters": parameters} if parameters else {}),
                **self._body(place, given),
                **self._responses(place),
            }
        return read

    def _described(self, item: Place, place: Place) -> dict[str, Json]:
        about_path = {word: item.value[word] for word in ("summary", "description") if word in item.value}
        return picked({**about_path, **place.value}, _WORDS)

    # parameters

    def _given(self, item: Place, place: Place) -> list[Place]:
        """Parameters of the path and of the operation, the latter instead of the former where they are the same."""
        found: dict[tuple[str, str], Place] = {}
        for holder in (item, place):
            for parameter in self._listed(holder):
                name, location = parameter.value["name"], parameter.value["in"]
                found[location, name.lower() if location == "header" else name] = parameter
        return list(found.values())

    def _listed(self, holder: Place) -> Iterator[Place]:
        pointer = below(holder.pointer, "parameters")
        listed = holder.value.get("parameters")
        if listed is not None and not isinstance(listed, list):
            self.source.note(pointer, f"the parameters are {named(listed)} rather than a list; left out")
            return
        self.source.spend(len(listed or ()))
        for index, value in enumerate(listed or ()):
            try:
                yield self._looked_at(self.source.resolved(value, "parameter", below(pointer, index)))
            except Unfit as unfit:
                self.source.note(unfit.pointer, f"{unfit.reason}; the parameter is left out")

    def _looked_at(self, place: Place) -> Place:
        name, location = text(place.value.get("name")), place.value.get("in")
        swaggers = ("body", "formData") if self.source.version.is_swagger else ("querystring",)
        if not isinstance(location, str) or location not in (*STYLES, *swaggers):
            raise Unfit(place.pointer, f"a parameter cannot be in {str(location)[:40]!r}")
        if name is LEFT_OUT and location in ("body", "querystring"):
            name = location
        if name is LEFT_OUT or not name:
            raise Unfit(place.pointer, "a parameter has no name")
        return place if place.value.get("name") is name else Place({**place.value, "name": name}, place.pointer)

    def _parameters(self, given: list[Place]) -> list[Parameter]:
        read = []
        for place in given:
            if self._is_said_elsewhere(place.value):
                continue
            try:
                read.append(self.contents.parameter(self._in_3(place)))
            except Unfit as unfit:
                if switch(place.value.get("required")) is True:
                    raise
                self.source.note(unfit.pointer, f"{unfit.reason}; the parameter is left out")
        return read

    def _is_said_elsewhere(self, parameter: Parameter) -> bool:
        if self.source.version.is_swagger:
            return parameter["in"] in ("body", "formData")
        return parameter["in"] == "header" and parameter["name"].lower() in _NOT_PARAMETERS

    def _in_3(self, place: Place) -> Place:
        return Place(swagger.parameter(place.value), place.pointer) if self.source.version.is_swagger else place

    # bodies and responses

    def _body(self, place: Place, given: list[Place]) -> dict[str, Json]:
        if self.source.version.is_swagger:
            return self._body_of_swagger(place, given)
        value = place.value.get("requestBody")
        if value is None or place.pointer.endswith("/trace"):
            return {}
        body = self.contents.request_body(value, below(place.pointer, "requestBody"))
        return {"requestBody": body} if body["content"] else {}

    def _body_of_swagger(self, place: Place, given: list[Place]) -> dict[str, Json]:
        consumes = self._media_types("consumes", place)
        bodies = [parameter for parameter in given if parameter.value["in"] == "body"]
        fields = [parameter for parameter in given if parameter.value["in"] == "formData"]
        if len(bodies) > 1 or (bodies and fields):
            self.source.note(place.pointer, "there is more than one body; the first is taken")
        if bodies:
            body = swagger.body(bodies[0].value, consumes)
            return {"requestBody": self.contents.own_request_body(Place(body, bodies[0].pointer))}
        if fields:
            body = swagger.form([field.value for field in fields], consumes)
            return {"requestBody": self.contents.own_request_body(Place(body, below(place.pointer, "parameters")))}
        return {}

    def _media_types(self, key: str, place: Place) -> list[str]:
        own = place.value.get(key)
        found = texts(own if isinstance(own, list) else self.source.document.get(key))
        return [] if found is LEFT_OUT else list(found)

    def _responses(self, place: Place) -> dict[str, Json]:
        pointer = below(place.pointer, "responses")
        try:
            responses = self.source.resolved(place.value.get("responses") or {}, "{}response", pointer)
        except Unfit as unfit:
            self.source.note(unfit.pointer, f"{unfit.reason}; the responses are left out")
            return {}
        read = {}
        self.source.spend(len(responses.value))
        for status, value in responses.value.items():
            if (code := self._code(status, pointer)) is not None:
                read[code] = self._response(value, below(responses.pointer, status), place)
        return {"responses": dict(sorted(read.items()))} if read else {}

    def _code(self, status: str, pointer: str) -> str | None:
        code = status if status == "default" else status.upper()
        if code in _RANGES or (len(code) == 3 and code.isascii() and code.isdecimal() and "1" <= code[0] <= "5"):
            return code
        if not status.startswith("x-"):
            self.source.note(below(pointer, status), f"{status[:40]!r} is no status of a response; left out")
        return None

    def _response(self, value: Json, pointer: str, operation: Place) -> dict[str, Json]:
        try:
            if not self.source.version.is_swagger:
                return self.contents.response(value, pointer)
            resolved = self.source.resolved(value, "response", pointer)
            in_3 = swagger.response(resolved.value, self._media_types("produces", operation))
            return self.contents.own_response(Place(in_3, resolved.pointer))
        except Unfit as unfit:
            self.source.note(unfit.pointer, f"{unfit.reason}; nothing is known of this response")
            return {"description": ""}

    def _callbacks(self, place: Place) -> dict[str, Json]:
        value = place.value.get("callbacks")
        read: dict[str, dict[str, Json]] = {}
        for name, callback in value.items() if isinstance(value, dict) else ():
            try:
                found = self.source.resolved(callback, "callback", below(below(place.pointer, "callbacks"), name))
                self.source.spend(10 * len(found.value))
                for expression, item in found.value.items():
                    if not expression.startswith("x-"):
                        at = self.source.resolved(item, "path_item", below(found.pointer, expression))
                        read.setdefault(name, {})[expression] = self.called_back(at)
            except Unfit as unfit:
                self.source.note(unfit.pointer, f"{unfit.reason}; the callback is left out")
        return {"callbacks": read} if read else {}

    # who may call, and where

    def _secured(self, place: Place) -> dict[str, Json]:
        own = self.security.required(place.value.get("security"), below(place.pointer, "security"))
        required = self.required if own is None else own
        return {} if required is None else {"security": required}

    def _servers(self, item: Place, place: Place) -> list[dict[str, Json]]:
        if self.source.version.is_swagger:
            return self._servers_of_swagger(place)
        for holder in (place, item):
            if (own := servers_at(self.source, holder.value, holder.pointer)) is not None:
                return own
        return self.servers

    def _servers_of_swagger(self, place: Place) -> list[dict[str, Json]]:
        schemes = texts(place.value.get("schemes"))
        if schemes is LEFT_OUT:
            return self.servers
        own = [server for server in self.servers if server["url"].partition(":")[0] in schemes]
        return own or self.servers


def methods(source: Source, item: Place) -> Iterator[tuple[str, Place]]:
    """The methods of a path item, in lower case, and where their operations stand."""
    known = METHODS if source.version.family != "3.2" else (*METHODS, "query")
    for method in known:
        if item.value.get(method) is not None:
            yield method, Place(item.value[method], below(item.pointer, method))
    additional = item.value.get("additionalOperations")
    if source.version.family != "3.2" or not isinstance(additional, dict):
        return
    for method, operation in sorted(additional.items()):
        if method.lower() not in known and _is_token(method):
            yield method.lower(), Place(operation, below(below(item.pointer, "additionalOperations"), method))
        else:
            source.note(
                below(item.pointer, "additionalOperations"), f"{method[:40]!r} is no additional method; left out"
            )


def _is_token(method: str) -> bool:
    return method.isascii() and method.replace("-", "").replace("_", "").isalnum()
