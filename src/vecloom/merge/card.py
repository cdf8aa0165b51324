"""The card of a merged model: what went in, by digest, how, and with which coefficients."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vecloom.errors import DataError
from vecloom.merge.directory import ModelDirectory
from vecloom.merge.recipe import Recipe
from vecloom.merge.table import method_of

_RECORD = re.compile(r"^## Merge record\n+```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def merge_record(
    recipe: Recipe,
    models: Sequence[ModelDirectory],
    base: ModelDirectory | None,
    digests: Mapping[str, str],
    found: Mapping[str, Any],
) -> dict[str, Any]:
    """What one needs to know to make the model again.

    Args:
        recipe: as it was given.
        models: in the recipe's order.
        base: or None.
        digests: SHA-256 of the weights by model name.
        found: what the method found out: coefficients, members, a and lambda.
    """
    inputs = [{"model": model.name, "sha256": digests[model.name]} for model in models]
    record: dict[str, Any] = {"method": recipe.method, "inputs": inputs}
    if base:
        record["base"] = {"model": base.name, "sha256": digests[base.name]}
    return record | {"found": dict(found), "recipe": recipe.as_dict(), "vecloom": version("vecloom")}


def write_card(name: str, record: Mapping[str, Any], models: Sequence[ModelDirectory]) -> str:
    """The text of README.md."""
    method = method_of(str(record["method"]))
    origins = [item["model"] for item in [*record["inputs"], *([record["base"]] if "base" in record else [])]]
    head: dict[str, Any] = {"library_name": "sentence-transformers", "pipeline_tag": "sentence-similarity"}
    head["tags"] = ["sentence-transformers", "feature-extraction", "merge", "vecloom"]
    head["base_model"] = list(dict.fromkeys(origins))
    licence = _licence(models)
    if licence:
        head["license"] = licence
    parts = [
        f"---\n{_yaml(head)}---",
        f"# {name}",
        f"Merged by `{record['method']}` ({method.does}; {method.source}) from {_listed(record)}.",
        "## Use\n\n```python\nfrom sentence_transformers import SentenceTransformer\n\n"
        f'model = SentenceTransformer("{name}")\nvectors = model.encode(["a text", "another"])\n```',
        f"## Merge record\n\n```yaml\n{_yaml(record)}```",
    ]
    return "\n\n".join(parts) + "\n"


def read_record(path: Path) -> dict[str, Any]:
    """The merge record in a model's card.

    Raises:
        DataError: there is none.
    """
    import yaml

    card = path / "README.md"
    found = _RECORD.search(card.read_text(encoding="utf-8")) if card.is_file() else None
    if not found:
        raise DataError(f"{path} has no merge record in its README.md.", "Give a model that vecloom merge wrote.")
    record: dict[str, Any] = yaml.safe_load(found.group(1))
    return record


def _listed(record: Mapping[str, Any]) -> str:
    names = [f"`{item['model']}`" for item in record["inputs"]]
    base = f", with `{record['base']['model']}` as the base" if "base" in record else ""
    return f"{', '.join(names)}{base}"


def _licence(models: Sequence[ModelDirectory]) -> str:
    """The licence that all cards name, or ""."""
    return found.pop() if len(found := {_licence_of(model.path) for model in models}) == 1 else ""


def _licence_of(path: Path) -> str:
    card = path / "README.md"
    lines = card.read_text(encoding="utf-8", errors="replace").splitlines()[:40] if card.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("license:")), "")


def _yaml(values: Mapping[str, Any]) -> str:
    import yaml

    text: str = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=120)
    return text
