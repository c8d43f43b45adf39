"""A row of a model of Tortoise goes in through Create, is changed through Update, and comes out through Response."""

import asyncio
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tortoise import Tortoise

from syncflow_pipelines.schemas.introspection.running import Introspector
from syncflow_pipelines_tests.unit.schema_columns import Attribute, all_same, changes, models, rows
from syncflow_pipelines_tests.unit.schema_worlds import imported, rendered

HEADER = """\
import enum
from tortoise.fields import *
from tortoise.models import Model

class Status(str, enum.Enum):
    NEW = "new"
    title = "title"

class Level(enum.IntEnum):
    LOW = 1
    HIGH = 3

class Thing(Model):
    id = IntField(primary_key=True)
"""


def declared(attribute: Attribute) -> str:
    """The attribute as models of Tortoise have it."""
    call = attribute.column.tortoise.removesuffix(")")
    separator = "" if call.endswith("(") else ", "
    return f"    {attribute.name} = {call}{separator}null={attribute.is_nullable})\n"


async def round_trip(orm: ModuleType, schemas: ModuleType, row: dict[str, Any], change: dict[str, Any]) -> None:
    await Tortoise.init(db_url="sqlite://:memory:", modules={"models": [orm.__name__]})
    try:
        await Tortoise.generate_schemas()
        created = schemas.ThingCreate.model_validate(row)
        stored = await orm.Thing.create(**created.model_dump(exclude_unset=True))
        before = await come_out(orm, schemas, stored.pk)
        assert all_same(row, before)
        sent = schemas.ThingUpdate.model_validate(change).model_dump(exclude_unset=True)
        await stored.update_from_dict(sent).save()
        after = await come_out(orm, schemas, stored.pk)
        assert all_same({**before, **change}, after)
    finally:
        await Tortoise.close_connections()


async def come_out(orm: ModuleType, schemas: ModuleType, key: int) -> dict[str, Any]:
    response = schemas.ThingResponse.model_validate(await orm.Thing.get(pk=key))
    text = response.model_dump_json()
    assert schemas.ThingResponse.model_validate_json(text).model_dump_json() == text
    return dict(response.model_dump())


def test_a_random_row_of_a_random_model_of_tortoise_comes_out_as_it_went_in(tmp_path: Path) -> None:
    file, numbers = tmp_path / "models_of_a_test.py", count()

    @settings(max_examples=12, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
    @given(st.data())
    def attempt(data: st.DataObject) -> None:
        drawn = [each for each in data.draw(models) if each.column.tortoise]
        model = [replace(each, name=f"a_{each.name}", is_left_to_the_server=False) for each in drawn]
        row, change = data.draw(rows(model)), data.draw(changes(model))
        # Tortoise keeps what it knows of a table
        text = HEADER + "".join(map(declared, model)) + f"    class Meta:\n        table = 'thing_{next(numbers)}'\n"
        file.write_text(text)
        with imported(text) as orm, imported(rendered(introspector.read(file).source)) as schemas:
            asyncio.run(round_trip(orm, schemas, row, change))

    with Introspector("tortoise") as introspector:
        attempt()
