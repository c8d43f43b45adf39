"""Serving an OpenAPI document so that an unchanged one need not be sent again."""

import hashlib

from fastapi import Request, Response

from syncflow_pipelines.demo.exact_json import write_json


def document_response(request: Request, document: object) -> Response:
    """A JSON document, or 304 where the client has it."""
    return tagged_response(request, write_json(document), "application/json")


def tagged_response(request: Request, body: bytes, media_type: str) -> Response:
    """The body with its ETag, or 304 where the client names it."""
    tag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": tag})
    return Response(body, media_type=media_type, headers={"ETag": tag})
