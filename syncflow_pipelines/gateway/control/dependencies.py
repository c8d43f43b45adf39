"""What the routes of the control plane are given."""

from typing import Annotated, Final

from fastapi import Depends, Path, Request

from syncflow_pipelines.gateway.control.access import caller
from syncflow_pipelines.gateway.control.problems import documented
from syncflow_pipelines.gateway.gateway import Gateway
from syncflow_pipelines.gateway.model import Registered

EVERYWHERE: Final = documented(
    {
        400: "A credential in the URL.",
        401: "No token, or one that is not known.",
        403: "The token may only read, or the request comes from elsewhere.",
        422: "Something of the request cannot be used.",
    }
)
"""What each route of a router may answer beside its own; `responses=` of the router."""
NO_SUCH_ENDPOINT: Final = documented({404: "No such endpoint."})
DATABASE_AWAY: Final = documented({503: "PostgreSQL is away, and nothing was changed."})


def gateway_of(request: Request) -> Gateway:
    gateway = request.app.state.gateway
    assert isinstance(gateway, Gateway)
    return gateway


TheGateway = Annotated[Gateway, Depends(gateway_of)]
ADMITTED: Final = [Depends(caller)]
"""`dependencies=` of every router."""
EndpointName = Annotated[
    str,
    Path(
        description="The name of an endpoint, or `name@version`.",
        examples=["httpbin_get"],
        min_length=1,
        max_length=150,
        pattern=r"^[A-Za-z0-9_.@-]+$",
    ),
]


def endpoint_of(name: EndpointName, gateway: TheGateway) -> Registered:
    return gateway.registry.find(name)


TheEndpoint = Annotated[Registered, Depends(endpoint_of)]
