"""The rows of the demo ERP, by entity and number."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from syncflow_pipelines.demo import erp_entities
from syncflow_pipelines.demo.entity import SourceEntity
from syncflow_pipelines.demo.erp_words import (
    ADJECTIVES,
    CITIES,
    COMPANY_FORMS,
    CURRENCIES,
    FIRST_NAMES,
    LAST_NAMES,
    NOUNS,
    REMARKS,
    SITE_NAMES,
    STATES,
    UNITS,
    ascii_slug,
    clock_time,
    day,
    digits,
    local_time,
    maybe,
    moment,
    part_no,
    pick,
    uuid_text,
)

Row = dict[str, Any]
_FIRST_ORDER_NO = 1000
_LINES_OF_AN_ORDER = 4


def _item(rng: Random, number: int) -> Row:
    row: Row = {
        "item_number": part_no(number),
        "description": f"{pick(rng, ADJECTIVES)} {pick(rng, NOUNS)}",
        "unit": pick(rng, UNITS),
        "status": "ABX"[number % 3],
        "net_weight_kg": Decimal(int(rng.random() * 9_999_999)).scaleb(-3),
        "lead_time_days": int(rng.random() * 200),
        "standard_cost": Decimal(f"{digits(rng, 17)}.{digits(rng, 18)}"),
        "created_at": local_time(rng),
        "drawing_digest": None if maybe(rng, 0.3) else f"{rng.getrandbits(128):032X}",
    }
    if maybe(rng, 0.6):  # the others do not send the column at all
        row["catalogue_text"] = pick(rng, REMARKS)
    return row


def _customer(rng: Random, number: int) -> Row:
    is_company = maybe(rng, 0.4)
    last_name, city = pick(rng, LAST_NAMES), pick(rng, CITIES)
    return {
        "customer_id": uuid_text(rng),
        "name": f"{last_name} {pick(rng, COMPANY_FORMS)}" if is_company else f"{pick(rng, FIRST_NAMES)} {last_name}",
        "email": f"{ascii_slug(last_name)}.{number}@example.com",
        "is_company": is_company,
        "address": {"city": city, "zip": f"{number % 100_000:05}", "lines": [f"{number % 200} {last_name} St.", None]},
        "tags": ["vip", "tab\there"] if number % 7 == 0 else [],
        "credit_limit": f"{int(rng.random() * 10_000_000)}.{int(rng.random() * 100):02}",
        "discount": int(rng.random() * 64) / 64,
        "lifetime_value": rng.random() * 1e6,
        "born_on": None if is_company else day(rng),
        "calls_after": clock_time(rng),
        "registered_at": moment(rng).isoformat(),
    }


def _supplier(rng: Random, number: int) -> Row:
    return {
        "supplier_id": number + 1,
        "supplier_guid": uuid_text(rng).upper(),
        "name": f"{pick(rng, LAST_NAMES)} {pick(rng, NOUNS)} {pick(rng, COMPANY_FORMS)}",
        "vat_number": None if maybe(rng, 0.1) else f"{'DEPLCZ'[number % 3 * 2 :][:2]}{digits(rng, 9)}",
        "priority": int(rng.random() * 2000) - 1000,
        "minimum_order": Decimal(int(rng.random() * 1e9)).scaleb(-4),
        "is_blocked": int(maybe(rng, 0.05)),
        "contract_hash": b64encode(rng.randbytes(8)).decode(),
        "opens_at": clock_time(rng),
        "modified_at": moment(rng).isoformat()[:26].removesuffix("+00:00"),
        "notes": None if maybe(rng, 0.5) else pick(rng, REMARKS),
    }


def _order(rng: Random, number: int) -> Row:
    amount = Decimal(int(rng.random() * 1e10)).scaleb(-2)
    return {
        "order_no": _FIRST_ORDER_NO + number,
        "customer_reference": None if maybe(rng, 0.2) else f"PO {digits(rng, 6)}/{pick(rng, CITIES)}",
        "state": pick(rng, STATES),
        "currency": pick(rng, CURRENCIES),
        "total_amount": str(amount),
        "exact_total": Decimal(f"{digits(rng, 20)}.{digits(rng, 15)}"),
        "is_rush": maybe(rng, 0.1),
        "ordered_at": moment(rng).isoformat().replace("+00:00", "+02:00"),
        "wanted_at": local_time(rng),
        "delivery_terms": None
        if maybe(rng, 0.3)
        else {"incoterm": "DAP", "place": pick(rng, CITIES), "days": number % 30},
    }


def _order_line(rng: Random, number: int) -> Row:
    return {
        "order_no": _FIRST_ORDER_NO + number // _LINES_OF_AN_ORDER,
        "line_no": number % _LINES_OF_AN_ORDER + 1,
        "item_number": part_no(int(rng.random() * 2000)),
        "description": pick(rng, NOUNS),
        "quantity": Decimal(int(rng.random() * 1e7)).scaleb(-3),
        "unit_price": Decimal(int(rng.random() * 1e9)).scaleb(-4),
        "discount": round(rng.random(), 4),
        "planned_at": None if number % 11 == 0 else local_time(rng),
        "state": pick(rng, STATES),
    }


def _stock(rng: Random, number: int) -> Row:
    return {
        "site": SITE_NAMES[number % 8],
        "item_number": part_no(number // 8),
        "bin": f"{'ABC'[number % 3]}-{number % 40}/{number % 6}",
        "quantity_on_hand": Decimal(int(rng.random() * 1e8)).scaleb(-3),
        "quantity_reserved": None if maybe(rng, 0.5) else f"{rng.random() * 100:.3f}",
        "is_frozen": maybe(rng, 0.02),
        "counted_on": day(rng),
        "moved_at": moment(rng).isoformat(timespec="milliseconds"),
        "moves": rng.getrandbits(62),
        "lot_expires": {f"L{number}": day(rng)} if number % 9 == 0 else None,
    }


def _price(rng: Random, number: int) -> Row:
    return {
        "price_list": ("RETAIL", "WHOLESALE", "EXPORT €", "INTERN", "Ömer's")[number % 5],
        "item_number": part_no(number // 5),
        "valid_from": f"202{number % 6}-01-01",
        "amount": Decimal(f"{digits(rng, 18)}.{digits(rng, 12)}"),
        "min_quantity": 10 ** (number % 4),
        "is_net": maybe(rng, 0.5),
        "tiers": [{"from": 10, "percent": 2.5}, {"from": 100, "percent": 5}] if number % 3 == 0 else [],
        "conditions": None if number % 4 else {"season": "❄", "codes": ['a"b', "c\\d"], "until": None},
        "changed_at": moment(rng).isoformat().replace("+00:00", "Z"),
    }


def _employee(rng: Random, number: int) -> Row:
    return {
        "employee_no": f"E{number + 1:05}",
        "full_name": f"{pick(rng, FIRST_NAMES)} {pick(rng, LAST_NAMES)}",
        "hired_on": day(rng),
        "shift_start": clock_time(rng),
        "weekly_hours": 20 + int(rng.random() * 40) / 2,
        "manager_no": f"E{int(rng.random() * number) + 1:05}" if number else None,
        "badge": uuid_text(rng),
        "photo": None if maybe(rng, 0.2) else b64encode(rng.randbytes(64)).decode(),
        "skills": {"welding": number % 5, "languages": ["de", "pl", "日本語"][: number % 4]},
    }


def _rate(rng: Random, number: int) -> Row:
    value = f"{1 + int(rng.random() * 200)}.{digits(rng, 20)}"
    return {
        "rate_date": (date(2024, 1, 1) + timedelta(number // len(CURRENCIES))).isoformat(),
        "currency": CURRENCIES[number % len(CURRENCIES)],
        "rate": value,
        "inverse": f"0.{digits(rng, 25)}",
        "spread": f"{rng.random() / 100:.6f}",
        "quotes": str(int(rng.random() * 1000)),
    }


def _site(rng: Random, number: int) -> Row:
    return {
        "site": SITE_NAMES[number] if number < len(SITE_NAMES) else f"X{number:04}",
        "name": pick(rng, CITIES),
        "country": ("DE", "PL", "CZ", "SE", "JP")[number % 5],
        "geometry": f"POINT({rng.random() * 90:.5f} {rng.random() * 180:.5f})",
        "opened_at": local_time(rng),
        "is_open": int(maybe(rng, 0.9)),
    }


@dataclass(frozen=True, slots=True)
class ErpEntity:
    """An entity of the ERP with the means to make its rows and to change them."""

    spec: SourceEntity
    share: float
    """Its part of all rows; order lines take what the others leave."""
    row: Callable[[Random, int], Row]
    """The row that was entered as number so-and-so; every number has a key of its own."""
    changing: tuple[str, ...]
    """The columns that change in the daily business."""

    def changed(self, rng: Random, number: int, before: Mapping[str, Any]) -> Row:
        """Other values for `changing`, as of another row; at least one differs from `before`."""
        while True:
            fresh = self.row(rng, number)
            change = {name: fresh.get(name) for name in self.changing}
            if any(before.get(name) != value for name, value in change.items()):
                return change


ERP = (
    ErpEntity(erp_entities.ITEMS, 0.10, _item, ("description", "standard_cost", "lead_time_days")),
    ErpEntity(erp_entities.CUSTOMERS, 0.04, _customer, ("credit_limit", "address", "lifetime_value")),
    ErpEntity(erp_entities.SUPPLIERS, 0.01, _supplier, ("priority", "notes", "modified_at")),
    ErpEntity(erp_entities.ORDERS, 0.12, _order, ("state", "total_amount", "exact_total")),
    ErpEntity(erp_entities.ORDER_LINES, 0.0, _order_line, ("state", "quantity")),
    ErpEntity(erp_entities.INVENTORY, 0.20, _stock, ("quantity_on_hand", "moved_at")),
    ErpEntity(erp_entities.PRICES, 0.05, _price, ("amount", "changed_at")),
    ErpEntity(erp_entities.EMPLOYEES, 0.0025, _employee, ("weekly_hours", "skills")),
    ErpEntity(erp_entities.EXCHANGE_RATES, 0.02, _rate, ("rate", "inverse")),
    ErpEntity(erp_entities.SITES, 0.00006, _site, ("name", "is_open")),
)
