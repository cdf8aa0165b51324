"""The card of an extended model: from which model, by its digest, how, and how to open it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vecloom.extend.context import Plan

_TAGS = ("sentence-transformers", "feature-extraction", "extend", "vecloom")


def write_card(name: str, plan: Plan, found: Mapping[str, Any]) -> str:
    """The text of README.md for a model that reads longer texts."""
    record = {
        "method": plan.method,
        "source": {
            "model": plan.source.name,
            "fingerprint": plan.source.spec.fingerprint,
            "length": plan.source.length,
        },
        "target_length": plan.target,
        "options": plan.options,
        "found": dict(found),
    }
    does = f"Reads {plan.target:,} tokens where `{plan.source.name}` reads {plan.source.length:,}: "
    does += f"`{plan.method}` ({plan.entry.does}; {plan.entry.source})."
    return card_text(name, plan.source.name, plan.source.path, does, record, module=plan.result == "module")


def card_text(
    name: str, origin: str, directory: Path, does: str, record: Mapping[str, Any], *, module: bool = False
) -> str:
    """The text of README.md for a model that was made out of another.

    Args:
        name: of the new model.
        origin: name of the old.
        directory: of the old, for its licence.
        does: a sentence on what was done.
        record: what one needs to make it again; JSON values.
        module: whether sentence-transformers has to import vecloom to load it.
    """
    licence = licence_of(directory)
    head = [
        "---",
        "library_name: sentence-transformers",
        "pipeline_tag: sentence-similarity",
        "tags:",
        *(f"- {tag}" for tag in _TAGS),
        f"base_model: {json.dumps(origin)}",
        *([f"license: {licence}"] if licence else []),
        "---",
    ]
    trusted = ", trust_remote_code=True" if module else ""
    note = "It has a module of vecloom, which has to be installed.\n\n" if module else ""
    return (
        "\n".join(head) + f"\n\n# {name}\n\n{does}\n\n## Use\n\n{note}```python\n"
        "from sentence_transformers import SentenceTransformer\n\n"
        f'model = SentenceTransformer("{name}"{trusted})\nvectors = model.encode(["a text", "another"])\n```\n\n'
        f"## Record\n\n```json\n{json.dumps({**record, 'vecloom': version('vecloom')}, indent=1)}\n```\n"
    )


def licence_of(directory: Path) -> str:
    """The licence that a model's card names, or ""."""
    card = directory / "README.md"
    lines = card.read_text(encoding="utf-8", errors="replace").splitlines()[:40] if card.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("license:")), "")
