"""The JSON Schema of items.yml, for editors."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from ferryman.items.document import FileKeys, ItemKeys, LegacyItemKeys, RegistryKeys

_MODELS: list[tuple[type[BaseModel], JsonSchemaMode]] = [
    (ItemKeys, "validation"),
    (LegacyItemKeys, "validation"),
    (RegistryKeys, "validation"),
    (FileKeys, "validation"),
]


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the full form, and of the first Ferryman's mapping by image name."""
    references, document = models_json_schema(_MODELS, schema_generator=_Generator)
    item, legacy, registry, whole = (references[model] for model in _MODELS)
    whole_keys = document["$defs"].pop(whole["$ref"].rpartition("/")[2])["properties"]
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "title": "items.yml",
        "description": "What Ferryman mirrors, from where and to where.",
        "type": "object",
        "if": {"anyOf": [{"required": [key]} for key in ("items", "defaults", "registries")]},
        "then": {
            "properties": {
                "defaults": {"description": "Any key of an item; every item inherits it.", "$ref": item["$ref"]},
                "registries": {
                    "description": "How to talk to a registry, keyed by its host. All optional.",
                    "type": "object",
                    "additionalProperties": registry,
                },
                **whole_keys,
                "items": {"description": "What to mirror.", "type": "array", "minItems": 1, "items": item},
            },
            "required": ["items"],
            "additionalProperties": False,
        },
        "else": {"minProperties": 1, "additionalProperties": legacy},
        "$defs": document["$defs"],
    }


class _Generator(GenerateJsonSchema):
    """Leaves out null (which means "not given" in Python only), and titles that repeat the key."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False
