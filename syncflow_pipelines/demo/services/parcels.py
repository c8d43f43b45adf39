"""The parcel service: announces, tracks and prices parcels. Its Swagger 2.0 document is written by hand."""

import itertools
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import yaml
from fastapi import HTTPException, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.applications import Starlette
from starlette.routing import Route

from syncflow_pipelines.demo.services.documents import tagged_response
from syncflow_pipelines.demo.services.revisions import FIRST, SECOND

_DOCUMENT = "parcels.yaml"
_STATUSES = ("announced", "under_way", "delivered")
_BASE_PRICE = {"DE": 4.5, "FR": 6.2, "NL": 5.1}
_HEAVIEST_KG = 30.0
_RECIPIENTS = ("Ada Winter", "Jan de Boer", "Chloé Martin", "Emre Kaya")

Parcel = dict[str, Any]


class Parcels:
    """What was announced; all revisions of the service share it. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(100_001)
        self._parcels: dict[str, Parcel] = {}
        for at, recipient in enumerate(_RECIPIENTS):
            parcel = {"recipient": recipient, "country": list(_BASE_PRICE)[at % 3], "weight_kg": 0.5 + at}
            self._parcels[self.announce(parcel)["number"]]["status"] = _STATUSES[at % 3]

    def announce(self, wanted: Mapping[str, Any]) -> Parcel:
        with self._lock:
            number = f"P{next(self._numbers)}"
            parcel = {**wanted, "number": number, "status": "announced", "announced": f"{datetime.now(UTC):%Y-%m-%d}"}
            self._parcels[number] = parcel
            return parcel

    def listed(self) -> list[Parcel]:
        with self._lock:
            return [dict(parcel) for parcel in reversed(self._parcels.values())]

    def find(self, number: str) -> Parcel:
        with self._lock:
            return dict(self._found(number))

    def recall(self, number: str) -> None:
        with self._lock:
            if self._found(number)["status"] != "announced":
                raise HTTPException(409, f"Parcel {number} is under way already.")
            del self._parcels[number]

    def _found(self, number: str) -> Parcel:
        if number not in self._parcels:
            raise HTTPException(404, f"There is no parcel {number}.")
        return self._parcels[number]


def document(revision: int = FIRST) -> str:
    """The service's OpenAPI document of that revision, as YAML."""
    text = files(__package__).joinpath(_DOCUMENT).read_text("utf-8")
    if revision < SECOND:
        return text
    changed = yaml.safe_load(text)
    changed["info"]["version"] = "2025-01"
    del changed["paths"]["/shipments/{number}/label"]
    changed["definitions"]["NewParcel"]["required"].append("phone")
    return yaml.safe_dump(changed, sort_keys=False, allow_unicode=True)


def build_parcels(parcels: Parcels, revision: int = FIRST) -> Starlette:
    """The service as an ASGI application; it asks for no credentials."""
    text = document(revision).encode()

    async def show_document(request: Request) -> Response:
        return tagged_response(request, text, "application/yaml")

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def listed(request: Request) -> Response:
        return JSONResponse(_matching(parcels.listed(), request.query_params))

    async def announce(request: Request) -> Response:
        return JSONResponse(parcels.announce(await _new_parcel(request, revision)), 201)

    async def find(request: Request) -> Response:
        return JSONResponse(parcels.find(request.path_params["number"]))

    async def recall(request: Request) -> Response:
        parcels.recall(request.path_params["number"])
        return Response(status_code=204)

    async def label(request: Request) -> Response:
        parcel = parcels.find(request.path_params["number"])
        return PlainTextResponse(f"^XA^FO50,50^FD{parcel['recipient']}^FS^FO50,90^BC^FD{parcel['number']}^FS^XZ")

    async def quote(request: Request) -> Response:
        form = await request.form()
        country, weight_kg = _checked({**form, "recipient": "-"})
        price = _BASE_PRICE[country] + 0.8 * weight_kg
        return JSONResponse({"price": round(price * (2 if form.get("express") == "true" else 1), 2), "currency": "EUR"})

    routes = [
        Route("/swagger.yaml", show_document),
        Route("/health", health),
        Route("/shipments", listed),
        Route("/shipments", announce, methods=["POST"]),
        Route("/shipments/{number}", find),
        Route("/shipments/{number}", recall, methods=["DELETE"]),
        Route("/quotes", quote, methods=["POST"]),
        *([Route("/shipments/{number}/label", label)] if revision < SECOND else []),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _problem})


def _matching(parcels: list[Parcel], asked: Mapping[str, str]) -> list[Parcel]:
    statuses = asked["status"].split(",") if asked.get("status") else _STATUSES
    since, limit = asked.get("since", ""), asked.get("limit", "20")
    if not re.fullmatch(r"[1-9][0-9]?|100", limit):
        raise HTTPException(400, "limit must be a whole number from 1 to 100.")
    return [one for one in parcels if one["status"] in statuses and one["announced"] >= since][: int(limit)]


async def _new_parcel(request: Request, revision: int) -> Parcel:
    try:
        said = await request.json()
    except ValueError:
        raise HTTPException(400, "The body is not JSON.") from None
    if not isinstance(said, dict):
        raise HTTPException(400, "The body is no parcel.")
    if revision >= SECOND and not said.get("phone"):
        raise HTTPException(400, "phone is required.")
    country, weight_kg = _checked(said)
    return {"recipient": said["recipient"], "country": country, "weight_kg": weight_kg, "phone": said.get("phone")}


def _checked(said: Mapping[str, Any]) -> tuple[str, float]:
    """Country and weight, where they and the recipient can be used."""
    try:
        weight_kg = float(said.get("weight_kg", ""))
    except (TypeError, ValueError):
        weight_kg = 0.0
    if not isinstance(said.get("recipient"), str) or not said["recipient"]:
        raise HTTPException(400, "recipient is required.")
    if said.get("country") not in _BASE_PRICE:
        raise HTTPException(400, f"country must be one of {', '.join(_BASE_PRICE)}.")
    if not 0 < weight_kg <= _HEAVIEST_KG:
        raise HTTPException(400, f"weight_kg must be above 0 and at most {_HEAVIEST_KG:g}.")
    return said["country"], weight_kg


async def _problem(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    return JSONResponse({"detail": problem.detail}, problem.status_code)
