"""Catalogues for tests to begin with, and to spoil."""

import json
from typing import Any

from syncflow_pipelines.sync.model import Catalogue
from syncflow_pipelines.sync.schema.catalogue import parse_catalogue


def column(name: str = "PART_NO", data_type: str = "VARCHAR2(50)", **given: Any) -> dict[str, Any]:
    return {"name": name, "data_type": data_type, **given}


def entity(slug: str = "items", **given: Any) -> dict[str, Any]:
    return {
        "slug": slug,
        "name": "Items",
        "description": "Product master data",
        "delta_strategy": "rowversion",
        "business_key_columns": ["item_number"],
        "rowversion_column": "erp_rowversion",
        "columns": [
            column(output_alias="item_number", is_nullable=False, is_business_key=True, description="The number"),
            column("WEIGHT", "NUMBER(10,3)", output_alias="weight_per_unit"),
            column("ROWVERSION", "VARCHAR2(50)", output_alias="erp_rowversion"),
        ],
        **given,
    }


def parse(*entries: Any) -> Catalogue:
    return parse_catalogue(json.dumps(entries).encode())


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in entity("bad").items() if name != key}
