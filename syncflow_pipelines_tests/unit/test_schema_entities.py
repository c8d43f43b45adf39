"""What is made of the entities of a connector, and which fields are secrets."""

from pathlib import Path
from uuid import UUID

import pytest

from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.schemas.entities import entity_schemas, read_entities, type_of_column
from syncflow_pipelines.schemas.model import Default, FieldSpec, FieldType, ListOf, ModelSpec, Scalar, SchemaSource
from syncflow_pipelines.schemas.secrets import is_secret, keep_secrets
from syncflow_pipelines.sync.model import Entity, EntitySpec, Table
from syncflow_pipelines.sync.schema.types import _PLAIN, postgres_type
from syncflow_pipelines.sync.state import EntityState, StateColumn, write_catalogue_state
from syncflow_pipelines_tests.unit.catalogues import entity, parse

INT = Scalar("int", ge=-(2**31), le=2**31 - 1)
COLUMNS: dict[str, FieldType | None] = {
    "text": Scalar("str"),
    "character varying(50)": Scalar("str", max_length=50),
    "character(3)": Scalar("str", max_length=3),
    "smallint": Scalar("int", ge=-(2**15), le=2**15 - 1),
    "integer": INT,
    "bigint": Scalar("int", ge=-(2**63), le=2**63 - 1),
    "numeric": Scalar("decimal"),
    "numeric(10,2)": Scalar("decimal", max_digits=10, decimal_places=2),
    "numeric(20,0)": Scalar("decimal", max_digits=20, decimal_places=0),
    "numeric(3,5)": Scalar("decimal"),
    "real": Scalar("float"),
    "double precision": Scalar("float"),
    "boolean": Scalar("bool"),
    "date": Scalar("date"),
    "time without time zone": Scalar("time"),
    "time(3) with time zone": Scalar("time"),
    "timestamp without time zone": Scalar("naive_datetime"),
    "timestamp(6) with time zone": Scalar("datetime"),
    "bytea": Scalar("bytes"),
    "jsonb": Scalar("json"),
    "uuid": Scalar("uuid"),
    "integer[]": ListOf(INT),
    "polygon": None,
    "polygon[]": None,
    "hstore": None,
}


@pytest.mark.parametrize("pg_type", list(COLUMNS))
def test_columns_have_the_types_of_their_table(pg_type: str) -> None:
    assert type_of_column(pg_type) == COLUMNS[pg_type]


def test_every_type_that_a_table_may_have_is_known() -> None:
    made = {mapping.pg_type for mapping in _PLAIN.values()} | {
        postgres_type(name).pg_type for name in ("VARCHAR(9)", "NUMBER(12,3)", "NUMBER(*)", "NUMBER(30)", "anything")
    }
    assert not [pg_type for pg_type in made if type_of_column(pg_type) is None]


def known(home: Path, *entries: object) -> None:
    specs = parse(*entries).entities
    write_catalogue_state(home, "erp", [_entity(spec) for spec in specs])


def _entity(spec: EntitySpec) -> Entity:
    return Entity(
        uid=UUID(int=0),
        connector="erp",
        spec=spec,
        table=Table("erp", spec.slug),
        strategy=spec.strategy,
        enabled=True,
        interval_s=300,
        is_present=True,
        schema_error=None,
        last_rowversion=None,
        last_sync_at=None,
        last_sync_status=None,
        consecutive_failures=0,
        next_attempt_at=None,
        live_rows=None,
    )


def test_an_entity_becomes_a_model_with_its_keys_nulls_and_descriptions(tmp_path: Path) -> None:
    known(tmp_path, entity("order_items"), entity("items"))
    source = read_entities(tmp_path, "erp")
    assert [(model.name, model.table, model.origin) for model in source.models] == [
        ("Items", "erp.items", "erp/items"),
        ("OrderItems", "erp.order_items", "erp/order_items"),
    ]
    assert source.models[0].description == "Product master data"
    assert source.models[0].fields == (
        FieldSpec("item_number", Scalar("str", max_length=50), description="The number", primary_key=True),
        FieldSpec(
            "weight_per_unit",
            Scalar("decimal", max_digits=10, decimal_places=3),
            nullable=True,
            default=Default("constant", None),
        ),
        FieldSpec("erp_rowversion", Scalar("str", max_length=50), nullable=True, default=Default("constant", None)),
    )


def test_audit_columns_come_only_when_asked_for(tmp_path: Path) -> None:
    known(tmp_path, entity("items"))
    plain, whole = (read_entities(tmp_path, "erp", with_audit=asked).models[0] for asked in (False, True))
    added = [field.name.removeprefix("_bridge_") for field in whole.fields if field not in plain.fields]
    assert added == ["id", "created_at", "updated_at", "hash", "deleted", "rowversion"]
    assert all(field.generated for field in whole.fields if field.name.startswith("_bridge_"))


def test_a_connector_that_was_never_discovered_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownEntity, match="nothing is known of crm; `syncflow discover crm`"):
        read_entities(tmp_path, "crm")


def state(slug: str, *columns: StateColumn, is_present: bool = True) -> EntityState:
    return EntityState(slug, slug, None, "full", False, (), columns, f"erp.{slug}", 300, True, is_present)


def test_names_are_unique_and_entities_that_are_gone_are_left_out() -> None:
    states = [state("a_b"), state("a-b"), state("gone", is_present=False), state("€"), state("9_lives")]
    names = {model.origin: model.name for model in entity_schemas("erp", states).models}
    assert names == {"erp/a-b": "AB", "erp/a_b": "AB2", "erp/9_lives": "9Lives", "erp/€": "Entity"}


def test_a_column_of_a_type_that_is_not_known_is_anything_with_a_note() -> None:
    (model,) = entity_schemas("erp", [state("shapes", StateColumn("shape", "polygon", None, True))]).models
    assert (model.fields[0].type, model.fields[0].note) == (Scalar("any"), "the type polygon is not known")


@pytest.mark.parametrize(
    ("name", "is_kept"),
    [
        ("password", True),
        ("Password", True),
        ("password_hash", True),
        ("passwordHash", True),
        ("PASSWORD_HASH", True),
        ("db_password", True),
        ("client_secret", True),
        ("api_key", True),
        ("access_token", True),
        ("userAPIKey", True),
        ("APIKey", True),
        ("Password Hash", True),
        ("stripe_access_token", True),
        ("secretary", False),
        ("password_changed_at", False),
        ("token_count", False),
        ("key", False),
    ],
)
def test_secrets_are_known_by_their_names(name: str, is_kept: bool) -> None:
    source = SchemaSource((ModelSpec("User", (FieldSpec(name, Scalar("str")),)),))
    assert keep_secrets(source).models[0].fields[0].write_only is is_kept


def test_patterns_of_secrets_are_spelled_as_the_names_are() -> None:
    assert is_secret("PassportNumber", ["passportNumber"])
    assert is_secret("PassportNumber", ["passport_number"])
    assert not is_secret("PassportNumber", ["passport"])


def test_the_patterns_of_secrets_may_be_others_and_keys_are_never_secret() -> None:
    fields = (FieldSpec("password", Scalar("str")), FieldSpec("ssn_no", Scalar("str")))
    source = SchemaSource((ModelSpec("User", (FieldSpec("ssn_key", Scalar("str"), primary_key=True), *fields)),))
    kept = keep_secrets(source, ["ssn_*"]).models[0].fields
    assert [field.name for field in kept if field.write_only] == ["ssn_no"]
