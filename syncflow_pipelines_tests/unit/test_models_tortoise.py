"""What is read of Tortoise ORM's models."""

from pathlib import Path

import pytest
from tortoise import fields as tortoise_fields

from syncflow_pipelines.errors import ModelsError
from syncflow_pipelines.schemas.introspection.running import Introspector
from syncflow_pipelines.schemas.model import (
    Default,
    EnumOf,
    EnumSpec,
    FieldType,
    ListOf,
    ModelOf,
    Scalar,
    SchemaSource,
)
from syncflow_pipelines_tests.unit.model_projects import TORTOISE, field, model, of_text, write

INT = Scalar("int", ge=-(2**31), le=2**31 - 1)
EVERY_FIELD = """
    from tortoise.contrib.mysql.fields import GeometryField, UUIDField as MysqlUUID
    from tortoise.contrib.postgres.fields import ArrayField, TSVectorField
    class Colour(str, enum.Enum):
        red = "r"
        blue = "b"
    class Size(enum.IntEnum):
        small = 1
        large = 2
    class Every(Model):
        id = fields.BigIntField(primary_key=True)
        small = fields.SmallIntField()
        number = fields.IntField()
        char = fields.CharField(max_length=40)
        text = fields.TextField()
        flag = fields.BooleanField()
        price = fields.DecimalField(max_digits=10, decimal_places=2)
        moment = fields.DatetimeField()
        day = fields.DateField()
        clock = fields.TimeField()
        lasting = fields.TimeDeltaField()
        ratio = fields.FloatField()
        anything = fields.JSONField()
        mapping = fields.JSONField(field_type=dict)
        listing = fields.JSONField(field_type=list[int])
        said: dict[str, int] | None = fields.JSONField(null=True)
        guid = fields.UUIDField()
        mysql_guid = MysqlUUID()
        blob = fields.BinaryField()
        colour = fields.CharEnumField(Colour)
        size = fields.IntEnumField(Size)
        names = ArrayField("varchar(20)")
        grid = ArrayField("int[]")
        strange = ArrayField("polygon")
        prices = ArrayField("numeric(8,3)")
        words = TSVectorField(source_fields=["char"])
        area = GeometryField()
"""
TYPES: dict[str, FieldType] = {
    "id": Scalar("int", ge=-(2**63), le=2**63 - 1),
    "small": Scalar("int", ge=-(2**15), le=2**15 - 1),
    "number": INT,
    "char": Scalar("str", max_length=40),
    "text": Scalar("str"),
    "flag": Scalar("bool"),
    "price": Scalar("decimal", max_digits=10, decimal_places=2),
    "moment": Scalar("datetime"),
    "day": Scalar("date"),
    "clock": Scalar("time"),
    "lasting": Scalar("timedelta"),
    "ratio": Scalar("float"),
    "anything": Scalar("json"),
    "mapping": Scalar("json_object"),
    "listing": Scalar("json_array"),
    "said": Scalar("json_object"),
    "guid": Scalar("uuid"),
    "mysql_guid": Scalar("uuid"),
    "blob": Scalar("bytes"),
    "colour": EnumOf("Colour"),
    "size": EnumOf("Size"),
    "names": ListOf(Scalar("str", max_length=20)),
    "grid": ListOf(ListOf(INT)),
    "strange": ListOf(Scalar("any")),
    "prices": ListOf(Scalar("decimal", max_digits=8, decimal_places=3)),
    "words": Scalar("str"),
    "area": Scalar("any"),
}


@pytest.fixture(scope="module")
def every(tortoise_models: Introspector, tmp_path_factory: pytest.TempPathFactory) -> SchemaSource:
    return of_text(tortoise_models, tmp_path_factory.mktemp("every"), TORTOISE, EVERY_FIELD)


def test_every_field_type_has_its_type(every: SchemaSource) -> None:
    assert {found.name: found.type for found in model(every, "Every").fields} == TYPES


def test_every_field_type_of_the_installed_version_is_looked_at() -> None:
    makers = {name: getattr(tortoise_fields, name) for name in tortoise_fields.__all__ if name.endswith("Field")}
    relations = ("ForeignKeyField", "OneToOneField", "ManyToManyField", "Field")
    wanted = {made for name, made in makers.items() if name not in relations}
    assert wanted == {made for name, made in makers.items() if f"fields.{name}(" in EVERY_FIELD}


def test_enumerations_are_shared_and_keep_names_values_and_order(every: SchemaSource) -> None:
    colour = EnumSpec("Colour", (("red", "r"), ("blue", "b")))
    assert every.enums == (colour, EnumSpec("Size", (("small", 1), ("large", 2))))
    assert field(every, "Every.colour").description == ""


def test_a_type_that_is_not_known_is_anything_with_a_note(every: SchemaSource) -> None:
    assert field(every, "Every.area").note == "the type GeometryField is not known"
    assert field(every, "Every.strange").note == "the type ArrayField of POLYGON is not known"


def test_what_the_database_or_the_orm_makes_is_generated(every: SchemaSource) -> None:
    assert [found.name for found in model(every, "Every").fields if found.generated] == ["id", "words"]


def test_keys_that_are_made_and_keys_that_are_given(tortoise_models: Introspector, tmp_path: Path) -> None:
    source = of_text(
        tortoise_models,
        tmp_path,
        TORTOISE,
        """
        class Made(Model): name = fields.TextField()
        class Given(Model): code = fields.CharField(max_length=3, primary_key=True)
        class Guid(Model): key = fields.UUIDField(primary_key=True)
        """,
    )
    made, given, guid = field(source, "Made.id"), field(source, "Given.code"), field(source, "Guid.key")
    assert (made.primary_key, made.generated, made.default) == (True, True, None)
    assert (given.primary_key, given.generated, given.default) == (True, False, None)
    assert (guid.primary_key, guid.generated, guid.default) == (True, False, Default("factory"))


def test_defaults_nulls_and_times_that_are_set(tortoise_models: Introspector, tmp_path: Path) -> None:
    source = of_text(
        tortoise_models,
        tmp_path,
        TORTOISE,
        """
        from decimal import Decimal
        from tortoise.fields.db_defaults import Now
        class Level(enum.IntEnum):
            low = 1
        class Row(Model):
            text = fields.CharField(max_length=9, default="x")
            price = fields.DecimalField(max_digits=4, decimal_places=2, default=Decimal("1.50"))
            level = fields.IntEnumField(Level, default=Level.low)
            data = fields.JSONField(default=dict)
            code = fields.CharField(max_length=9, default=lambda: "made")
            blob = fields.BinaryField(default=b"\\x00\\x01")
            lasting = fields.TimeDeltaField(default=dt.timedelta(hours=1))
            at = fields.DatetimeField(db_default=Now())
            note = fields.TextField(null=True)
            made_at = fields.DatetimeField(auto_now_add=True)
            changed_at = fields.DatetimeField(auto_now=True)
        """,
    )
    defaults = {found.name: found.default for found in model(source, "Row").fields}
    assert defaults == {
        "id": None,
        "text": Default("constant", "x"),
        "price": Default("constant", "1.50"),
        "level": Default("constant", 1),
        "data": Default("constant", {}),
        "code": Default("factory"),
        "blob": Default("constant", "AAE="),
        "lasting": Default("constant", "P0DT3600.000000S"),
        "at": Default("server"),
        "note": Default("constant", None),
        "made_at": None,
        "changed_at": None,
    }
    assert field(source, "Row.note").nullable
    assert [found.name for found in model(source, "Row").fields if found.generated] == ["id", "made_at", "changed_at"]


def test_validators_become_bounds_as_far_as_a_schema_can_say_them(
    tortoise_models: Introspector, tmp_path: Path
) -> None:
    source = of_text(
        tortoise_models,
        tmp_path,
        TORTOISE,
        """
        def even(value): pass
        class Row(Model):
            price = fields.DecimalField(max_digits=6, decimal_places=2, validators=[validators.MinValueValidator(0)])
            stock = fields.IntField(validators=[validators.MinValueValidator(1), validators.MaxValueValidator(9), even])
            name = fields.CharField(max_length=20, validators=[
                validators.MinLengthValidator(2), validators.RegexValidator("[a-z]+", re.I)])
            listed = fields.CharField(max_length=20, validators=[validators.CommaSeparatedIntegerListValidator()])
        """,
    )
    assert field(source, "Row.price").type == Scalar("decimal", ge=0, max_digits=6, decimal_places=2)
    assert field(source, "Row.stock").type == Scalar("int", ge=1, le=9)
    assert field(source, "Row.name").type == Scalar("str", min_length=2, max_length=20, pattern="(?i)^(?:[a-z]+)")
    assert field(source, "Row.listed").type == Scalar("str", max_length=20, pattern=r"^\d+(?:,\d+)*$")
    assert [(found.where, found.is_fatal) for found in source.findings] == [("Row.stock", False)]


def test_relations_of_every_kind(tortoise_models: Introspector, tmp_path: Path) -> None:
    source = of_text(
        tortoise_models,
        tmp_path,
        TORTOISE,
        """
        class Org(Model):
            code = fields.CharField(max_length=8, primary_key=True)
        class User(Model):
            org = fields.ForeignKeyField("models.Org", related_name="users", description="whose")
            boss = fields.ForeignKeyField("models.User", null=True, related_name=False)
            groups = fields.ManyToManyField("other.Group", related_name="members")
        class Profile(Model):
            user = fields.OneToOneField("models.User", related_name="profile", primary_key=True)
        class Group(Model):
            id = fields.UUIDField(primary_key=True)
        """,
    )
    assert [found.name for found in model(source, "User").fields] == [
        "id", "org_id", "org", "boss_id", "boss", "groups", "profile",
    ]  # fmt: skip
    org = field(source, "User.org_id")
    assert (org.type, org.references, org.description) == (Scalar("str", max_length=8), "Org.code", "whose")
    boss = field(source, "User.boss_id")
    assert (boss.nullable, boss.default, boss.generated) == (True, Default("constant", None), False)
    relations = {
        f"{found.name}.{each.name}": (each.type, each.nullable)
        for found in source.models
        for each in found.fields
        if each.relation
    }
    assert relations == {
        "Group.members": (ListOf(ModelOf("User")), False),
        "Org.users": (ListOf(ModelOf("User")), False),
        "Profile.user": (ModelOf("User"), False),
        "User.org": (ModelOf("Org"), False),
        "User.boss": (ModelOf("User"), True),
        "User.groups": (ListOf(ModelOf("Group")), False),
        "User.profile": (ModelOf("Profile"), True),
    }
    key = field(source, "Profile.user_id")
    assert (key.primary_key, key.references) == (True, "User.id")


def test_inheritance_mixins_and_what_is_said_of_models(tortoise_models: Introspector, tmp_path: Path) -> None:
    source = of_text(
        tortoise_models,
        tmp_path,
        TORTOISE,
        '''
        class Stamped:
            made_at = fields.DatetimeField(auto_now_add=True)
        class Named(Model):
            name = fields.CharField(max_length=9)
            class Meta:
                abstract = True
        class Product(Stamped, Named):
            """A product.

            Of some weight.
            """
            #: In grams,
            #: always
            weight = fields.IntField()
            price = fields.IntField(description="in cents")
            hidden = fields.IntField(default=1)
            password_hash = fields.TextField()
            class Meta:
                table = "products"
                schema = "shop"
            class PydanticMeta:
                exclude = ("hidden",)
        ''',
    )
    (product,) = source.models
    assert {found.name for found in product.fields} == {"id", "made_at", "name", "weight", "price", "password_hash"}
    assert product.table == "shop.products"
    assert product.origin == "shop.Product"
    assert product.description == "A product.\n\nOf some weight."
    assert field(source, "Product.weight").description == "In grams,\nalways"
    assert field(source, "Product.price").description == "in cents"
    assert [found.name for found in product.fields if found.write_only] == ["password_hash"]


def test_a_key_to_a_missing_model_is_named_with_its_line(tortoise_models: Introspector, tmp_path: Path) -> None:
    text = """
    class Line(Model):
        number = fields.IntField()
        product = fields.ForeignKeyField("models.Product")
    """
    with pytest.raises(ModelsError, match=r"shop\.py:8: Line\.product refers to models\.Product"):
        of_text(tortoise_models, tmp_path, TORTOISE, text)


def test_what_tortoise_itself_refuses_is_named_with_its_model(tortoise_models: Introspector, tmp_path: Path) -> None:
    text = """
    class Org(Model):
        users = fields.IntField()
    class User(Model):
        org = fields.ForeignKeyField("models.Org", related_name="users")
    """
    with pytest.raises(ModelsError, match=r'shop\.py:8: ConfigurationError: backward relation "users" duplicates'):
        of_text(tortoise_models, tmp_path, TORTOISE, text)


def test_models_of_several_apps_and_modules_find_each_other(tortoise_models: Introspector, tmp_path: Path) -> None:
    orgs = """
    class Org(Model):
        class Meta:
            app = "core"
    """
    users = """
    from .orgs import Org
    class User(Model):
        org = fields.ForeignKeyField("core.Org")
        other = fields.ForeignKeyField("core.Org", related_name="others")
    """
    folder = write(tmp_path / "models", __init__="", orgs=TORTOISE + orgs, users=TORTOISE + users)
    source = tortoise_models.read(folder).source
    assert [(found.name, found.origin) for found in source.models] == [
        ("Org", "models.orgs.Org"),
        ("User", "models.users.User"),
    ]
    assert field(source, "User.other_id").references == "Org.id"
