"""What the routes of ``/v1/indexes`` take and give, for checking and for the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from vecloom.search.results import Mode
from vecloom.serve.bodies import Taken
from vecloom.serve.documents import LIMITED, WHOLE, openai_errors

MOST_HITS = 1000  # hits of one answer; with the offset twice that is ranked
MOST_FIELDS = 100  # each becomes a column of the table
MOST_MEMBERS = 1000  # of a list in a field
DEEPEST = 10_000  # last place that an offset can reach


def _storable(value: Any) -> Any:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("a whole number of a field has to fit into 64 bits; send it as a text")
    return value


BY_VECTOR: dict[str, Any] = {"enum": ["vector", None]}
Finite: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Members: TypeAlias = Annotated[list[str], Field(max_length=MOST_MEMBERS)]
Value: TypeAlias = Annotated[str | bool | int | Finite | Members | None, BeforeValidator(_storable)]
FieldName: TypeAlias = Annotated[str, Field(min_length=1, max_length=128)]


class Strict(Taken):
    """A mistyped name is an error, not a setting that has no effect."""

    model_config = ConfigDict(extra="forbid")


class Search(Strict):
    """A question: ``query`` or ``vector``."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["query"], "properties": {"query": {"type": "string"}, "vector": {"type": "null"}}},
                {
                    "required": ["vector"],
                    "properties": {"vector": {"type": "array"}, "query": {"type": "null"}, "mode": BY_VECTOR},
                },
            ],
            "examples": [{"query": "how to resume a job", "k": 5, "where": "year > 2020 AND lang = 'en'"}],
        },
    )

    query: str | None = Field(None, min_length=1, max_length=100_000, description="Any text; it has no syntax.")
    vector: list[Finite] | None = Field(
        None, min_length=1, max_length=65_536, description="As many numbers as dimensions."
    )
    k: Annotated[int, Field(ge=1, le=MOST_HITS), WHOLE] = Field(10, description="How many hits.")
    offset: Annotated[int, Field(ge=0, le=DEEPEST - MOST_HITS), WHOLE] = Field(
        0, description="How many of the best hits are left out."
    )
    mode: Mode | None = Field(
        None,
        description="By meaning (vector), by words (keyword, BM25) or both (hybrid, the default for a query).",
    )
    where: str | None = Field(None, max_length=10_000, description="A filter: year > 2020 AND lang = 'en'.")

    @model_validator(mode="after")
    def _one_question(self) -> Search:
        if (self.query is None) == (self.vector is None):
            raise ValueError("either query or vector is needed")
        return self


class DocumentIn(Strict):
    """A document to add, or to put in the place of the one with its id: with a text, a title, or both."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": [name], "properties": {name: {"type": "string"}}} for name in ("text", "title")]
        }
    )

    id: Annotated[str, Field(min_length=1, max_length=1024)] | int | None = Field(
        None, description="Its name; made from the content where there is none."
    )
    text: str = Field("", json_schema_extra=LIMITED)
    title: str = Field(
        "", max_length=10_000, description="Is encoded and searched with each chunk; alone it is a document, too."
    )
    fields: dict[FieldName, Value] = Field(
        default_factory=dict, max_length=MOST_FIELDS, description="Whatever filters are to know."
    )

    @model_validator(mode="after")
    def _not_nothing(self) -> DocumentIn:
        if not {"text", "title"} & self.model_fields_set:
            raise ValueError("a document needs a text or a title")
        return self


class Documents(Strict):
    """Documents to add; of two with one id the later one stays."""

    documents: list[DocumentIn] = Field(min_length=1, json_schema_extra=LIMITED)


class HitOut(BaseModel):
    """A chunk that answers."""

    id: str = Field(description="document_id#position")
    document_id: str
    score: float = Field(description="Comparable within one answer; higher is better.")
    text: str
    title: str
    heading: str
    source: str
    position: int
    fields: dict[str, str | bool | int | float | list[str] | None]
    vector_rank: int | None
    keyword_rank: int | None
    cosine: float | None = Field(None, description="Of query and chunk in every mode but keyword.")


class Found(BaseModel):
    """Hits, best first."""

    index: str
    mode: Mode
    k: int
    offset: int
    seconds: float
    hits: list[HitOut]


class Added(BaseModel):
    """What became of the documents, by number; chunks are what was written."""

    added: int
    replaced: int
    unchanged: int
    empty: int = Field(description="Without any text or title; they are not kept.")
    chunks: int
    ids: list[str] = Field(description="Of the documents, in their order, with those that were made.")
    repeated: list[str] = Field(description="Ids that came more than once; the last document of each stays.")


class Passage(BaseModel):
    """A chunk of a document."""

    id: str = Field(description="document_id#position")
    position: int
    heading: str
    text: str


class DocumentOut(BaseModel):
    """A document as the index keeps it."""

    id: str
    title: str
    source: str
    fields: dict[str, str | bool | int | float | None]
    chunks: list[Passage]


class Deleted(BaseModel):
    """A document that is gone."""

    id: str
    deleted: Literal[True]


class Graph(BaseModel):
    """An approximate index and its measured recall."""

    rows: int
    recall: float
    expansion: int
    connectivity: int
    sample: int


class Described(BaseModel):
    """What is inside an index."""

    id: str
    object: Literal["index"]
    model: str
    fingerprint: str
    dim: int
    rows: int
    documents: int
    size_bytes: int
    kind: Literal["exact", "ann"]
    ann: Graph | None
    unsearchable: int
    fields: dict[str, str]
    chunk_tokens: int
    overlap: int
    created: str
    vecloom: str
    format: int


class Indexes(BaseModel):
    """All of them."""

    object: Literal["list"]
    data: list[Described]


def answers(model: type[BaseModel], *refusals: int) -> dict[int | str, dict[str, Any]]:
    """The answers of a route, for its OpenAPI document."""
    return {200: {"model": model}, **openai_errors(*refusals, 429)}


INDEXES = answers(Indexes)
SEARCHED = answers(Found, 400, 404, 413)
SIMILAR = answers(Found, 400, 404)
DOCUMENT = answers(DocumentOut, 400, 404)
DOCUMENTS = answers(Added, 400, 404, 413, 503)
DELETED = answers(Deleted, 400, 404, 503)
