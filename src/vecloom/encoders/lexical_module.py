"""The sentence-transformers module behind a saved LexicalEncoder; imported by sentence-transformers only (torch)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from sentence_transformers.base.modules import InputModule

from vecloom.encoders.lexical import LexicalEncoder
from vecloom.encoders.protocol import Kind


class LexicalModule(InputModule):  # type: ignore[misc]
    """Counts words in ``preprocess``; ``forward`` has nothing left to do."""

    def __init__(self, encoder: LexicalEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def preprocess(self, inputs: list[str], prompt: str | None = None, **settings: Any) -> dict[str, Any]:
        """Dense unnormalised vectors; ``task="query"``, which ``encode_query`` sets, weights them as queries."""
        kind: Kind = "query" if settings.get("task") == "query" else "document"
        vectors = self.encoder.encode(inputs, kind=kind, prompt=prompt, normalize=False)
        return {"sentence_embedding": torch.from_numpy(vectors)}

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Return the features as they are."""
        return features

    def get_embedding_dimension(self) -> int:
        """Number of columns."""
        return self.encoder.dim

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Write the encoder's own directory; sentence-transformers then writes its ``modules.json``."""
        self.encoder.save(output_path)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **hub: Any) -> LexicalModule:
        """Read a local directory or a Hub repository."""
        settings = {key: hub.get(key) for key in ("token", "cache_folder", "revision")}
        local = bool(hub.get("local_files_only"))
        folder = cls.load_dir_path(model_name_or_path, subfolder=subfolder, local_files_only=local, **settings)
        return cls(LexicalEncoder.load(Path(folder)))
