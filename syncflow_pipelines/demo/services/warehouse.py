"""The warehouse: stock of a few items at a few sites. FastAPI writes its OpenAPI 3.1 document."""

import hmac
import itertools
import threading
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from syncflow_pipelines.demo.services.documents import document_response
from syncflow_pipelines.demo.services.revisions import FIRST, SECOND

Site = Literal["AMS", "HAM", "LYS"]
Sku = Annotated[str, Path(pattern=r"^[A-Z]{2}-[0-9]{4}$", examples=["BX-1001"])]


class StockLevel(BaseModel):
    """How much of an item lies at a site."""

    sku: str
    name: str
    site: Site
    quantity: int = Field(ge=0)
    reorder_point: int = Field(ge=0, description="Below this, more is ordered.")


class StockPage(BaseModel):
    """A part of the stock levels."""

    total: int
    items: list[StockLevel]


class ReorderPoint(BaseModel):
    """When an item is ordered again."""

    site: Site
    reorder_point: int = Field(ge=0, le=100_000)


class NewMovement(BaseModel):
    """A quantity that goes from one site to another, or, without a target, to a customer."""

    sku: str
    source: Site
    target: Site | None = None
    quantity: int = Field(gt=0)
    note: str | None = Field(None, max_length=200)


class Movement(NewMovement):
    """A movement that was booked."""

    number: int


class SiteInfo(BaseModel):
    """A building with shelves."""

    site: Site
    city: str


class Capacity(BaseModel):
    """How full a site is."""

    site: Site
    shelves: int
    units: int
    used_percent: float


_CITIES: dict[Site, str] = {"AMS": "Amsterdam", "HAM": "Hamburg", "LYS": "Lyon"}
_SHELVES: dict[Site, int] = {"AMS": 120, "HAM": 200, "LYS": 80}
_UNITS_PER_SHELF = 40
_ITEMS = {"BX-1001": "Box, small", "BX-1002": "Box, large", "PL-2001": "Pallet", "TP-3001": "Tape", "FL-4001": "Foil"}


class Stock:
    """What lies where; all revisions of the service share it. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._movements: dict[int, Movement] = {}
        pairs = enumerate(itertools.product(_ITEMS.items(), _CITIES))
        self._levels = {
            (sku, site): StockLevel(sku=sku, name=name, site=site, quantity=17 * at % 200, reorder_point=40)
            for at, ((sku, name), site) in pairs
        }

    def levels(self) -> list[StockLevel]:
        with self._lock:
            return list(self._levels.values())

    def set_reorder_point(self, sku: str, wanted: ReorderPoint) -> StockLevel:
        with self._lock:
            level = self._level(sku, wanted.site).model_copy(update={"reorder_point": wanted.reorder_point})
            self._levels[sku, wanted.site] = level
            return level

    def move(self, wanted: NewMovement) -> Movement:
        with self._lock:
            self._change(wanted.sku, wanted.source, -wanted.quantity)
            if wanted.target is not None:
                self._change(wanted.sku, wanted.target, wanted.quantity)
            movement = Movement(**wanted.model_dump(), number=next(self._numbers))
            self._movements[movement.number] = movement
            return movement

    def movement(self, number: int) -> Movement:
        with self._lock:
            if number not in self._movements:
                raise HTTPException(404, f"There is no movement {number}.")
            return self._movements[number]

    def _change(self, sku: str, site: Site, by: int) -> None:
        level = self._level(sku, site)
        if level.quantity + by < 0:
            raise HTTPException(409, f"Only {level.quantity} of {sku} are at {site}.")
        self._levels[sku, site] = level.model_copy(update={"quantity": level.quantity + by})

    def _level(self, sku: str, site: Site) -> StockLevel:
        if (sku, site) not in self._levels:
            raise HTTPException(404, f"There is no item {sku} at {site}.")
        return self._levels[sku, site]


def build_warehouse(stock: Stock, token: str, revision: int = FIRST) -> FastAPI:
    """The service as an ASGI application. Everything but its health needs the token, its document too."""
    app = FastAPI(
        title="Warehouse",
        version=f"1.{revision - FIRST}.0",
        description="What lies where, and how it moves.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )

    @app.get("/health", include_in_schema=False)
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    guarded = [Depends(_bearer(token))]
    app.include_router(_stock_routes(stock), tags=["stock"], dependencies=guarded)
    app.include_router(_site_routes(stock, revision), tags=["sites"], dependencies=guarded)

    @app.get("/openapi.json", include_in_schema=False, dependencies=guarded)
    async def document(request: Request) -> Response:
        return document_response(request, app.openapi())

    return app


def _stock_routes(stock: Stock) -> APIRouter:
    routes = APIRouter()

    @routes.get("/stock", operation_id="list_stock")
    def list_stock(
        site: Annotated[list[Site] | None, Query(description="Only these sites.")] = None,
        low_only: Annotated[bool, Query(description="Only what is below its reorder point.")] = False,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        offset: Annotated[int, Query(ge=0)] = 0,
    ) -> StockPage:
        """The stock levels, item by item and site by site."""
        wanted = [
            level
            for level in stock.levels()
            if (not site or level.site in site) and (not low_only or level.quantity < level.reorder_point)
        ]
        return StockPage(total=len(wanted), items=wanted[offset : offset + limit])

    @routes.get("/stock/{sku}", operation_id="get_stock", responses={404: {"description": "No such item."}})
    def get_stock(sku: Sku) -> list[StockLevel]:
        """Where an item lies."""
        found = [level for level in stock.levels() if level.sku == sku]
        if not found:
            raise HTTPException(404, f"There is no item {sku}.")
        return found

    @routes.put("/stock/{sku}/reorder-point", operation_id="set_reorder_point")
    def set_reorder_point(sku: Sku, wanted: ReorderPoint) -> StockLevel:
        """Says when an item is ordered again at a site."""
        return stock.set_reorder_point(sku, wanted)

    @routes.post("/movements", operation_id="book_movement", status_code=201)
    def book_movement(wanted: NewMovement) -> Movement:
        """Moves a quantity of an item."""
        return stock.move(wanted)

    @routes.get("/movements/{number}", operation_id="get_movement")
    def get_movement(number: int) -> Movement:
        """One movement."""
        return stock.movement(number)

    return routes


def _site_routes(stock: Stock, revision: int) -> APIRouter:
    routes = APIRouter()

    @routes.get("/sites", operation_id="list_sites")
    def list_sites() -> list[SiteInfo]:
        """The buildings."""
        return [SiteInfo(site=site, city=city) for site, city in _CITIES.items()]

    if revision >= SECOND:

        @routes.get("/sites/{site}/capacity", operation_id="get_site_capacity")
        def get_site_capacity(site: Site) -> Capacity:
            """How full a building is."""
            units = sum(level.quantity for level in stock.levels() if level.site == site)
            used = 100 * units / (_SHELVES[site] * _UNITS_PER_SHELF)
            return Capacity(site=site, shelves=_SHELVES[site], units=units, used_percent=round(used, 1))

    return routes


def _bearer(token: str) -> Callable[..., Awaitable[None]]:
    """A dependency that refuses a request without the token. Compares in constant time."""
    scheme = HTTPBearer(auto_error=False, description="The token of .syncflow/demo/warehouse.token")

    async def check(sent: Annotated[HTTPAuthorizationCredentials | None, Depends(scheme)]) -> None:
        if sent is None or not hmac.compare_digest(sent.credentials.encode(), token.encode()):
            raise HTTPException(401, "A valid bearer token is needed.", {"WWW-Authenticate": "Bearer"})

    return check
