"""What may be created, what may be updated, and what comes out."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import ip_interface
from types import ModuleType, SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, ValidationError, field_validator
from tortoise.fields import CharEnumField

from syncflow_pipelines.schemas.model import Default, FieldSpec, ListOf, ModelOf, ModelSpec, Scalar, SchemaSource
from syncflow_pipelines_tests.unit.schema_worlds import every_kind, imported, rendered

SMALLEST = {"name": "a", "price": "1.50", "shape": {}, "sku": "A1", "secret": "s"}


@pytest.fixture(scope="module")
def shop() -> Iterator[ModuleType]:
    """The schemas of every kind of field, imported."""
    with imported(rendered(every_kind, with_relations=True)) as module:
        yield module


def source_of(*fields: FieldSpec) -> SchemaSource:
    return SchemaSource((ModelSpec("Thing", fields),))


def refused(schema: type[BaseModel], **values: Any) -> list[str]:
    with pytest.raises(ValidationError) as error:
        schema.model_validate(values)
    return [".".join(map(str, each["loc"])) for each in error.value.errors()]


def test_create_takes_no_generated_fields_and_no_relations(shop: ModuleType) -> None:
    fields = set(shop.ProductCreate.model_fields)
    assert fields & {"id", "created_at", "category"} == set()
    assert {"category_id", "secret", "name"} <= fields


def test_create_requires_what_has_no_default_and_cannot_be_null(shop: ModuleType) -> None:
    assert set(refused(shop.ProductCreate)) == set(SMALLEST)
    created = shop.ProductCreate(**SMALLEST)
    assert (created.stock, created.sold, created.status, created.weight) == (0, False, "new", None)
    assert (created.seen_at, created.lasts) == (datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC), timedelta(days=1, hours=2))
    assert (created.host, created.kept) == (ip_interface("10.0.0.1/8"), UUID("12345678-1234-4234-8234-123456789abc"))
    assert (created.icon, created.ratio, created.levels) == (b"icon", Decimal("0.10"), [1, 3])


def test_mutable_defaults_are_made_anew(shop: ModuleType) -> None:
    first, second = shop.ProductCreate(**SMALLEST), shop.ProductCreate(**SMALLEST)
    first.tags.append("x")
    first.data["a"].append(1)
    assert (second.tags, second.data) == ([], {"a": [1, None, "x"]})


def test_what_the_database_or_the_orm_makes_may_be_left_out_and_is_in_no_dump_then(shop: ModuleType) -> None:
    created = shop.ProductCreate(**SMALLEST)
    assert {"token", "local_at"} & set(created.model_dump()) == set()
    assert {"token", "local_at"} & set(json.loads(created.model_dump_json())) == set()
    assert refused(shop.ProductCreate, **SMALLEST, token=None, local_at=None) == ["token", "local_at"]
    token = "12345678-1234-4234-8234-123456789abc"
    assert shop.ProductCreate(**SMALLEST, token=token).model_dump()["token"] == UUID(token)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 256),
        ("price", "-0.01"),
        ("price", "1.001"),
        ("price", "10000000000.00"),
        ("weight", 0),
        ("stock", 2**31),
        ("huge", "-9999999999999999.995"),
        ("status", "unknown"),
        ("levels", [2]),
        ("tags", ["x" * 21]),
        ("tags", ["x"] * 6),
        ("picture", "bm8gYmFzZTY0"[:-1]),
        ("picture", b"x" * 1001),
        ("seen_at", "2020-01-01T00:00:00"),
        ("local_at", "2020-01-01T00:00:00Z"),
        ("date", "2020-02-30"),
        ("opens", "25:00"),
        ("host", "300.0.0.1"),
        ("data", []),
        ("items", {}),
        ("sku", "lower"),
    ],
)
@pytest.mark.parametrize("variant", ["ProductCreate", "ProductUpdate"])
def test_what_would_not_fit_is_refused(shop: ModuleType, variant: str, field: str, value: Any) -> None:
    (where,) = refused(getattr(shop, variant), **{**SMALLEST, field: value})
    assert where.partition(".")[0] == field


@pytest.mark.parametrize(
    ("name", "noun"), [("User", "a user"), ("Item", "an item"), ("OrderItem", "an order item"), ("Unit", "a unit")]
)
def test_what_a_class_is_for_is_said_as_people_say_it(name: str, noun: str) -> None:
    with imported(rendered(SchemaSource((ModelSpec(name, (FieldSpec("x", Scalar("str")),)),)))) as module:
        assert getattr(module, f"{name}Update").__doc__ == f"Schema for updating {noun}."


def test_update_gives_what_was_sent_and_nothing_else(shop: ModuleType) -> None:
    assert shop.ProductUpdate().model_dump(exclude_unset=True) == {}
    sent = shop.ProductUpdate(name="b", weight=None, **{"class": "c"})
    assert sent.model_dump(exclude_unset=True) == {"name": "b", "weight": None, "class": "c"}
    assert "price" not in sent.model_dump()


def test_update_takes_null_only_where_it_can_be_stored(shop: ModuleType) -> None:
    names = {name for name, field in shop.ProductUpdate.model_fields.items()}
    aliases = {field.validation_alias or name for name, field in shop.ProductUpdate.model_fields.items()}
    nullable = {field.name for field in every_kind.models[0].fields if field.nullable and not field.relation}
    assert set(refused(shop.ProductUpdate, **dict.fromkeys(aliases))) == aliases - nullable
    assert len(names) == len(aliases)


def test_the_json_schema_of_an_update_says_the_same(shop: ModuleType) -> None:
    schema = shop.ProductUpdate.model_json_schema()
    assert schema.get("required", []) == []
    assert schema["properties"]["name"] == {
        "description": 'What it is "called"', "maxLength": 255, "minLength": 1, "title": "Name", "type": "string",
    }  # fmt: skip
    assert {"type": "null"} in schema["properties"]["weight"]["anyOf"]


def test_a_primary_key_is_created_where_nobody_makes_it_and_never_updated(shop: ModuleType) -> None:
    assert set(shop.CategoryCreate.model_fields) == {"code"}
    assert set(shop.CategoryUpdate.model_fields) == set()
    assert set(shop.CategoryResponse.model_fields) == {"code"}


def stored(**changed: Any) -> SimpleNamespace:
    """A row as an ORM has it, of which much would not be let in today."""
    row = {
        "id": 1, "name": "x" * 300, "price": Decimal("-1.12345"), "weight": -1.0, "stock": 2**40, "huge": None,
        "sold": True, "status": "old", "levels": [1], "tags": ["x"] * 9, "grid": None, "picture": b"\xff", "icon": b"",
        "token": UUID(int=1), "kept": UUID(int=2), "created_at": datetime(2020, 1, 1, tzinfo=UTC),
        "seen_at": datetime(2020, 1, 1), "local_at": datetime(2020, 1, 1, tzinfo=UTC), "date": "2020-01-01",  # noqa: DTZ001
        "due": None, "opens": "10:00", "lasts": timedelta(1), "host": "10.0.0.1/8", "net": "10.0.0.0/8",
        "ratio": Decimal("NaN"), "factor": float("inf"), "json": {1, 2}, "data": {}, "items": [], "shape": object,
        "sku": "", "note": None, "secret": "s3cret", "class": "c", "model_year": None, "Order Date": None,
        "category_id": 7,
    }  # fmt: skip
    return SimpleNamespace(**{**row, **changed})


def test_response_gives_every_row_that_there_is_but_no_secret(shop: ModuleType) -> None:
    response = shop.ProductResponse.model_validate(stored())
    assert (response.class_, response.picture, response.stock) == ("c", b"\xff", 2**40)
    assert "secret" not in response.model_dump()
    assert {"id", "created_at", "category_id", "json", "Order Date"} <= set(response.model_dump())
    assert "category" not in response.model_dump()


def test_response_takes_the_enumerations_of_the_orm(shop: ModuleType) -> None:
    class Plain(Enum):
        OLD = "old"

    assert shop.ProductResponse.model_validate(stored(status=Plain.OLD)).status is shop.Status.OLD


def test_response_in_json_can_be_read_again(shop: ModuleType) -> None:
    response = shop.ProductResponse.model_validate(stored(json=[None], shape={"x": 1}))
    text = response.model_dump_json()
    again = shop.ProductResponse.model_validate_json(text)
    assert again.model_dump_json() == text
    assert json.loads(text)["picture"] == "/w=="
    assert (again.picture, again.factor) == (b"\xff", float("inf"))


def test_orms_take_the_enumerations_of_the_schemas(shop: ModuleType) -> None:
    class Theirs(str, Enum):  # noqa: UP042 - as most models have it
        OLD = "old"

    class Plain(Enum):
        OLD = "old"

    table = sa.Table("things", sa.MetaData(), sa.Column("status", sa.Enum(Theirs)))
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        table.metadata.create_all(connection)
        connection.execute(table.insert().values(status=shop.Status.OLD))
        assert connection.execute(table.select()).scalar() is Theirs.OLD
    engine.dispose()
    for enum in (Theirs, Plain):
        assert CharEnumField(enum).to_db_value(shop.Status.OLD, None) == "old"  # type: ignore[arg-type]


class Collection:
    """What an ORM has for a relation: neither a list nor a sequence."""

    def __init__(self, *rows: Any) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)


def test_relations_come_out_when_asked_for_and_only_one_deep(shop: ModuleType) -> None:
    category = SimpleNamespace(code="abc")
    category.products = Collection(stored(category=category))
    assert shop.CategoryWithRelations.model_validate(category).products[0].id == 1
    assert "category" not in shop.CategoryWithRelations.model_validate(category).products[0].model_dump()
    assert shop.ProductWithRelations.model_validate(stored(category=category)).category.code == "abc"
    assert shop.ProductWithRelations.model_validate(stored(category=None)).category is None
    with imported(rendered(every_kind)) as without:
        assert not hasattr(without, "ProductWithRelations")


def test_models_that_refer_to_each_other_and_themselves_have_a_json_schema() -> None:
    fields = (FieldSpec("id", Scalar("int")), FieldSpec("parts", ListOf(ModelOf("Thing")), relation=True))
    with imported(rendered(source_of(*fields), with_relations=True)) as module:
        assert "ThingResponse" in module.ThingWithRelations.model_json_schema()["$defs"]


def test_a_field_may_be_called_like_its_type() -> None:
    fields = [FieldSpec(kind, Scalar(kind), nullable=True) for kind in ("date", "time", "uuid", "bool", "float")]
    with imported(rendered(source_of(*fields, FieldSpec("_dt", Scalar("date"), nullable=True)))) as module:
        made = module.ThingCreate.model_validate({"date": "2020-01-01", "bool": True, "float": 1, "_dt": "2020-01-02"})
        assert made.model_dump_json(exclude_unset=True) == (
            '{"date":"2020-01-01","bool":true,"float":1.0,"_dt":"2020-01-02"}'
        )


def test_a_field_goes_by_its_own_name_and_by_the_one_in_python(shop: ModuleType) -> None:
    for sent in ({"Order Date": "2020-01-01"}, {"Order_Date": "2020-01-01"}):
        assert shop.ProductUpdate(**sent).model_dump_json(exclude_unset=True) == '{"Order Date":"2020-01-01"}'


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Scalar("int"), "1"),
        (Scalar("int"), True),
        (Scalar("bool"), 1),
        (Scalar("decimal"), "many"),
        (Scalar("uuid"), "1"),
        (Scalar("uuid"), []),
        (Scalar("ip_network"), True),
        (Scalar("date"), "yesterday"),
        (Scalar("datetime"), "2020-01-01T00:00:00"),
        (Scalar("bytes"), "?"),
        (Scalar("json_object"), []),
        (ListOf(Scalar("int")), ["a"]),
        (ListOf(Scalar("int")), {}),
        (Scalar("str"), None),
        (Scalar("json"), {"a": "\ud800"}),
        (Scalar("int", ge=1), 0),
        (Scalar("int", lt=1), 1),
        (Scalar("float", gt=0), 0.0),
        (Scalar("str", min_length=1), ""),
        (Scalar("str", max_length=2), "abc"),
        (Scalar("str", pattern="^a"), "b"),
        (Scalar("bytes", max_length=1), "YWE="),
        (Scalar("decimal", max_digits=3, decimal_places=1), "100.0"),
        (Scalar("decimal", max_digits=3, decimal_places=1), "1.05"),
        (Scalar("decimal", ge="0.1"), "0"),
        (Scalar("decimal"), "NaN"),
    ],
)
def test_a_default_that_does_not_fit_is_left_to_the_database(kind: Any, value: Any) -> None:
    text = rendered(source_of(FieldSpec("x", kind, default=Default("constant", value))))
    with imported(text) as module:
        assert module.ThingCreate().model_dump() == {}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Scalar("int", ge=1, le=1), 1),
        (Scalar("float"), "Infinity"),
        (Scalar("decimal", max_digits=3, decimal_places=1), "99.90"),
        (Scalar("decimal", max_digits=2, decimal_places=2), "0.05"),
        (Scalar("str", min_length=1, max_length=1, pattern="^a"), "a"),
    ],
)
def test_a_default_that_fits_is_one_that_can_be_sent(kind: Scalar, value: Any) -> None:
    with imported(rendered(source_of(FieldSpec("x", kind, default=Default("constant", value))))) as module:
        created = module.ThingCreate()
        assert module.ThingCreate.model_validate_json(created.model_dump_json()) == created
        assert "x" in created.model_dump()


def test_a_default_that_is_nested_too_deeply_is_left_to_the_database() -> None:
    deep: Any = []
    for _ in range(500):
        deep = [deep]
    with imported(rendered(source_of(FieldSpec("x", Scalar("json"), default=Default("constant", deep))))) as module:
        assert module.ThingCreate().model_dump() == {}


def test_a_derived_class_outlives_the_next_generation() -> None:
    before = source_of(FieldSpec("name", Scalar("str")))
    after = source_of(FieldSpec("name", Scalar("str")), FieldSpec("size", Scalar("int"), nullable=True))
    for source in (before, after):
        with imported(rendered(source)) as module:

            class ThingCreate(module.ThingCreate):  # type: ignore[name-defined,misc]
                @field_validator("name")
                @classmethod
                def validate_name(cls, v: str) -> str:
                    if "forbidden" in v.lower():
                        raise ValueError("Name contains forbidden word")
                    return v

            assert refused(ThingCreate, name="Forbidden") == ["name"]
            assert ThingCreate(name="fine").model_dump(exclude_unset=True) == {"name": "fine"}


def test_fastapi_takes_and_gives_them(shop: ModuleType) -> None:
    app = FastAPI()

    def update(change: Any) -> Any:
        return stored(ratio=Decimal(1), factor=1.0, json=None, shape=None, **change.model_dump(exclude_unset=True))

    update.__annotations__ = {"change": shop.ProductUpdate, "return": shop.ProductResponse}
    app.patch("/")(update)
    client = TestClient(app)
    answer = client.patch("/", json={"picture": "/w==", "class": "new", "status": "title"})
    assert answer.status_code == 200, answer.text
    assert {name: answer.json()[name] for name in ("picture", "class", "status")} == {
        "picture": "/w==", "class": "new", "status": "title",
    }  # fmt: skip
    assert client.patch("/", json={"name": None}).status_code == 422
    assert "ProductUpdate" in client.get("/openapi.json").text
