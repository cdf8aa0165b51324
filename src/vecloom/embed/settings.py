"""What an embed job writes, and how."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from vecloom.embed import quantize
from vecloom.embed.formats.layout import Layout
from vecloom.embed.quantize import DTYPES, Dtype
from vecloom.embed.rows import Limits
from vecloom.encoders.protocol import Encoder, Kind
from vecloom.errors import UsageError


@dataclass(frozen=True)
class Settings:
    """Everything besides model and input that decides the result.

    Attributes:
        kind: which of the model's stored prompts to use.
        prompt: text to put before each text instead.
        dim: keep the first ``dim`` dimensions, renormalised; None keeps all.
        dtype: how to store vectors.
        with_text: write the encoded text too.
        with_fields: write the records' other fields too.
        buffer: how much is encoded at once.
    """

    kind: Kind = "document"
    prompt: str | None = None
    dim: int | None = None
    dtype: Dtype = "float32"
    with_text: bool = False
    with_fields: bool = False
    buffer: Limits = field(default_factory=Limits)

    def fitted(self, encoder: Encoder) -> Settings:
        """Check against ``encoder`` and fill in its number of dimensions.

        Raises:
            UsageError: an unknown dtype, or a ``dim`` that the encoder cannot give.
        """
        if self.dtype not in DTYPES:
            raise UsageError(f"dtype {self.dtype!r} is not known.", f"Use one of {', '.join(DTYPES)}.")
        full = encoder.dim
        if self.dim is not None and not 1 <= self.dim <= full:
            raise UsageError(f"dim={self.dim} is not possible: {encoder.name} gives {full}.", f"Use 1 to {full}.")
        return replace(self, dim=self.dim or full)

    def layout(self, encoder: Encoder) -> Layout:
        """Shape and columns of the output."""
        dim = self.dim or encoder.dim
        return Layout(dim, quantize.width(dim, self.dtype), self.dtype, self.with_text, self.with_fields)
