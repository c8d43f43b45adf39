"""How callers prove who they are: schemes and requirements of any version as OpenAPI 3.1 writes them."""

from collections.abc import Callable
from typing import Final

from syncflow_pipelines.openapi.component_names import valid_name
from syncflow_pipelines.openapi.model import Json
from syncflow_pipelines.openapi.pointers import below
from syncflow_pipelines.openapi.schema_words import LEFT_OUT, picked, text
from syncflow_pipelines.openapi.source import Source, Unfit

_FLOWS: Final = {
    "implicit": "implicit",
    "password": "password",
    "application": "clientCredentials",
    "accessCode": "authorizationCode",
    "clientCredentials": "clientCredentials",
    "authorizationCode": "authorizationCode",
}
_FLOW_WORDS: Final[dict[str, Callable[[Json], Json]]] = dict.fromkeys(
    ("authorizationUrl", "tokenUrl", "refreshUrl"), text
)
_NEEDED: Final = {"apiKey": ("name", "in"), "http": ("scheme",), "openIdConnect": ("openIdConnectUrl",)}
_WORDS: Final[dict[str, Callable[[Json], Json]]] = {
    **dict.fromkeys(("type", "description", "name", "in", "scheme", "bearerFormat", "openIdConnectUrl"), text)
}
_PLACES: Final = ("query", "header", "cookie")


class Security:
    """The security schemes of one document."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._names: dict[str, str] = {}
        self.schemes: dict[str, dict[str, Json]] = {}
        swagger = source.version.is_swagger
        holder = source.document if swagger else source.document.get("components")
        key = "securityDefinitions" if swagger else "securitySchemes"
        schemes = holder.get(key) if isinstance(holder, dict) else None
        for name, value in sorted(schemes.items()) if isinstance(schemes, dict) else ():
            self._take_in(name, value, below("" if swagger else "/components", key))

    def required(self, value: Json, pointer: str) -> list[dict[str, list[str]]] | None:
        """The alternatives of which a caller has to fulfil one; None where nothing is said.

        An alternative that names an unknown scheme is left out, with a finding.
        """
        if not isinstance(value, list):
            if value is not None:
                self.source.note(pointer, "security is no list; left out")
            return None
        read = [self._alternative(item, below(pointer, index)) for index, item in enumerate(value)]
        known = [item for item in read if item is not None]
        return known if known or not value else None

    def _alternative(self, value: Json, pointer: str) -> dict[str, list[str]] | None:
        if not isinstance(value, dict):
            self.source.note(pointer, "a security requirement is no mapping; left out")
            return None
        unknown = sorted(name for name in value if name not in self._names)
        if unknown:
            self.source.note(pointer, f"the security scheme {unknown[0][:80]!r} is not defined; left out")
            return None
        return {self._names[name]: _scopes(scopes) for name, scopes in value.items()}

    def _take_in(self, name: str, value: Json, holder: str) -> None:
        pointer = below(holder, name)
        try:
            scheme = self._scheme(self.source.resolved(value, "security_scheme", pointer).value, pointer)
        except Unfit as unfit:
            self.source.note(unfit.pointer, f"{unfit.reason}; the security scheme is left out")
            return
        self._names[name] = valid_name(name)
        self.schemes[self._names[name]] = scheme

    def _scheme(self, value: dict[str, Json], pointer: str) -> dict[str, Json]:
        kind = value.get("type")
        scheme = picked(value, _WORDS)
        if kind == "basic":
            return picked(value, {"description": text}) | {"type": "http", "scheme": "basic"}
        if kind == "oauth2":
            return {"type": kind, **picked(value, {"description": text}), "flows": self._flows(value)}
        if kind not in (*_NEEDED, "mutualTLS"):
            raise Unfit(pointer, f"type {str(kind)[:40]!r} is none of a security scheme")
        missing = next((word for word in _NEEDED.get(kind, ()) if word not in scheme), None)
        if missing or (kind == "apiKey" and scheme["in"] not in _PLACES):
            raise Unfit(pointer, f"{missing or 'in'} is not said, or wrong")
        return scheme

    def _flows(self, value: dict[str, Json]) -> dict[str, Json]:
        flows = value.get("flows")
        if not isinstance(flows, dict):
            # 2.0 has one, beside the other words
            flows = {value["flow"]: value} if isinstance(value.get("flow"), str) else {}
        return {_FLOWS[name]: _flow(flow) for name, flow in flows.items() if name in _FLOWS and isinstance(flow, dict)}


def _flow(value: dict[str, Json]) -> dict[str, Json]:
    scopes = value.get("scopes")
    read = {name: text(said) for name, said in scopes.items()} if isinstance(scopes, dict) else {}
    return picked(value, _FLOW_WORDS) | {
        "scopes": {name: "" if said is LEFT_OUT else said for name, said in read.items()}
    }


def _scopes(value: Json) -> list[str]:
    return sorted({scope for scope in value if isinstance(scope, str)}) if isinstance(value, list) else []
