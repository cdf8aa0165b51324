"""How one model turns what waits into vectors: token rectangles for transformers, ``encode`` for everything else.

A computer reads texts (any thread) and runs in a worker thread of its lane, where it pulls flights of items from ``Work`` until
there are no more. A transformer keeps its network busy without a gap: the next micro-batch is put together when one of the
network's streams is free, from what waits at that moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np

from vecloom.encoders import LexicalEncoder, TransformerEncoder
from vecloom.encoders import texts as clean
from vecloom.encoders.protocol import Encoder, Kind, Vectors
from vecloom.runtime.batching import Batch, Floats, batches
from vecloom.runtime.directory import read_tokenizer
from vecloom.runtime.pipeline import CHARACTERS_PER_TOKEN
from vecloom.serve.fair import Item

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Side: TypeAlias = Literal["Right", "Left"]
"""Where a text that is too long loses tokens; TEI's words."""

ALONE_TOKENS = 128  # a text up to this that finds the network idle gets all cores at once
LIGHT = 16  # a micro-batch of a model without a network is this many times larger: its tokens cost next to nothing
REMOTE_CALLS = 4  # at a time, to a remote endpoint


Frame: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]
NO_FRAME: Frame = ((), ())
SEND_TEXTS = "Send texts; LangChain's OpenAIEmbeddings does so with check_embedding_ctx_length=False."
OR_IDS = "Or send ids as /tokenize gives them."


class Read(NamedTuple):
    """A text, read: its tokens, what is computed, and whether it was cut to the model's limit."""

    cost: int
    payload: Any
    cut: bool


@dataclass(frozen=True, slots=True)
class Ask:
    """How texts are to be read.

    Attributes:
        kind: which of the model's prompts goes before them.
        prompt: a text to put there instead; None: the model's own.
        side: where a text that is too long loses tokens.
    """

    kind: Kind = "document"
    prompt: str | None = None
    side: Side = "Right"


class Flight:
    """A micro-batch that is being computed: its items, and how many are not done."""

    __slots__ = ("items", "left")

    def __init__(self, items: list[Item]) -> None:
        self.items, self.left = items, len(items)


class Work(Protocol):
    """Where a computer gets its work and brings the vectors."""

    def wait(self) -> Flight | None:
        """The next flight, as soon as there is one; None: no more will come."""
        ...

    def more(self) -> Flight | None:
        """The next flight while others are under way; None as soon as none are and nothing waits."""
        ...

    def done(self, flight: Flight, items: Sequence[Item], vectors: Vectors) -> None:
        """Some items of a flight and their vectors, ``(len(items), d)``; from any thread."""
        ...

    def failed(self, flight: Flight, items: Sequence[Item], error: Exception) -> None:
        """Some items of a flight could not be computed."""
        ...


class Computer(Protocol):
    """A model as the engine needs it.

    Attributes:
        threads: worker threads that may call ``run`` at a time.
        scale: by how much micro-batches are larger than the server's setting.
        limit: tokens after which a text is cut.
        prompts: the model's own, by name.
        vocabulary: how many token ids there are; 0: the model does not take any.
        frame: the special tokens that a sequence begins and ends with.
    """

    threads: int
    scale: int
    limit: int
    prompts: Mapping[str, str]
    vocabulary: int
    frame: Frame

    @property
    def parallel(self) -> int:
        """Flights that run at a time."""
        ...

    def read(self, texts: Sequence[str], ask: Ask) -> list[Read]:
        """Count the tokens of texts; from any thread."""
        ...

    def take_ids(self, ids: Sequence[int]) -> Read:
        """Take token ids as a text.

        Raises:
            ValueError: they cannot be of this model's tokenizer, or the model has no vocabulary.
        """
        ...

    def run(self, work: Work) -> None:
        """Compute until ``work.wait`` says that no more will come."""
        ...


def computer_for(encoder: Encoder) -> Computer:
    """The computer that fits a model."""
    if isinstance(encoder, TransformerEncoder) and encoder.spec.pooling and encoder.spec.include_prompt:
        return TokenComputer(encoder)
    return TextComputer(encoder)


class TokenComputer:
    """A transformer whose texts are tokenised before they wait, so that costs are known and batches packed."""

    threads = 1
    scale = 1

    def __init__(self, encoder: TransformerEncoder) -> None:
        self.encoder, self.spec = encoder, encoder.spec
        self.limit, self.prompts = encoder.max_length, encoder.spec.prompts
        self._tokenizers: dict[Side, Tokenizer] = {}
        for side in ("Right", "Left"):
            self._tokenizers[side] = read_tokenizer(self.spec)
            self._tokenizers[side].enable_truncation(self.limit, direction=side.lower())
        self.vocabulary = self._tokenizers["Right"].get_vocab_size(with_added_tokens=True)
        self.frame = _frame(self._tokenizers["Right"])

    @property
    def parallel(self) -> int:
        """Streams of the network."""
        return self.encoder.session.parallel

    def read(self, texts: Sequence[str], ask: Ask) -> list[Read]:
        """See ``Computer.read``."""
        prompt = self.spec.prompt(ask.kind) if ask.prompt is None else ask.prompt
        ready = clean.all_readable([prompt + text for text in texts] if prompt else list(texts))
        if self.spec.lower_case:
            ready = [text.lower() for text in ready]
        return [
            Read(max(1, len(encoding.ids)), np.array(encoding.ids or [0], np.int32), bool(encoding.overflowing))
            for encoding in self._encodings(ready, ask.side)
        ]

    def _encodings(self, texts: list[str], side: Side) -> list[Any]:
        """Encodings cut to the limit. Of a very long text only the part that can matter is read, if that is enough."""
        most = self.limit * CHARACTERS_PER_TOKEN
        encode = self._tokenizers[side].encode_batch_fast
        if all(len(text) <= most for text in texts):
            return list(encode(texts))
        encodings = list(encode([text[:most] if side == "Right" else text[-most:] for text in texts]))
        short = [i for i, text in enumerate(texts) if len(text) > most and not encodings[i].overflowing]
        for i, encoding in zip(short, encode([texts[i] for i in short]), strict=True):
            encodings[i] = encoding
        return encodings

    def take_ids(self, ids: Sequence[int]) -> Read:
        """See ``Computer.take_ids``. Ids are a complete sequence, special tokens included, as ``/tokenize`` gives them."""
        first, last = (list(part) for part in self.frame)
        if min(ids) < 0 or max(ids) >= self.vocabulary:
            raise ValueError(
                f"A token id is not in this model's vocabulary of {self.vocabulary:,}. {SEND_TEXTS} {OR_IDS}"
            )
        if ids[: len(first)] != first or ids[len(ids) - len(last) :] != last or len(ids) < len(first) + len(last):
            raise ValueError(
                f"These token ids are another tokenizer's: this model's {_said(self.frame)}. {SEND_TEXTS} {OR_IDS}"
            )
        kept = ids if len(ids) <= self.limit else [*ids[: self.limit - len(last)], *last]
        return Read(len(kept), np.array(kept, np.int32), len(ids) > self.limit)

    def run(self, work: Work) -> None:
        """See ``Computer.run``."""
        while (flight := work.wait()) is not None:
            _Stream(self, work).run(flight)


def _frame(tokenizer: Tokenizer) -> Frame:
    """The special tokens before and behind every text."""
    found = tokenizer.encode("a")
    inside = [place for place, special in enumerate(found.special_tokens_mask) if not special]
    if not inside:
        return NO_FRAME
    return tuple(found.ids[: inside[0]]), tuple(found.ids[inside[-1] + 1 :])


def _said(frame: Frame) -> str:
    parts = zip(("begin", "end"), frame, strict=True)
    return " and ".join(f"{verb} with {', '.join(map(str, ids))}" for verb, ids in parts if ids)


class _Stream:
    """One uninterrupted run of the network, from its first flight until nothing waits and nothing is under way."""

    def __init__(self, computer: TokenComputer, work: Work) -> None:
        self.computer, self.work = computer, work
        self.session = computer.encoder.session
        self.started = 0  # items so far: their numbers within this run
        self.open: dict[int, tuple[Item, Flight]] = {}

    def run(self, first: Flight) -> None:
        try:
            if len(first.items) == 1 and first.items[0].cost <= ALONE_TOKENS:
                self.session.run(self._batches(first, 1), self._emit, single=True)
            else:
                self.session.run(self._stream(first), self._emit)
        except (
            Exception
        ) as error:  # whatever a backend raises: the requests are answered, and the next run is a new one
            self._fail(error)

    def _stream(self, first: Flight) -> Iterator[Batch]:
        yield from self._batches(first, self.session.parallel)
        while (flight := self.work.more()) is not None:
            yield from self._batches(flight, 1)

    def _batches(self, flight: Flight, parallel: int) -> Iterator[Batch]:
        base = self.started
        self.started += len(flight.items)
        self.open.update((base + i, (item, flight)) for i, item in enumerate(flight.items))
        laid_out = batches(
            [item.payload for item in flight.items],
            pooling=self.computer.spec.pooling,
            packing=self.session.packing,
            parallel=parallel,
            cells=self.session.cells,
        )
        for batch in laid_out:
            yield batch.shifted(base)

    def _emit(self, batch: Batch, pooled: Floats) -> None:
        found = [self.open.pop(place) for place in batch.items.tolist()]
        self.work.done(found[0][1], [item for item, _ in found], self.computer.encoder.project(pooled))

    def _fail(self, error: Exception) -> None:
        while self.open:
            _, (item, flight) = self.open.popitem()
            self.work.failed(flight, [item], error)


class TextComputer:
    """Any other model: its own ``encode``."""

    vocabulary = 0
    frame = NO_FRAME

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.limit = encoder.max_length
        transformer = isinstance(encoder, TransformerEncoder)
        settings = encoder.spec if isinstance(encoder, TransformerEncoder) else getattr(encoder, "settings", None)
        self.prompts: Mapping[str, str] = getattr(settings, "prompts", {})
        self.scale = 1 if transformer else LIGHT
        remote = hasattr(settings, "endpoint")
        self.threads = REMOTE_CALLS if remote else 1

    @property
    def parallel(self) -> int:
        """One for each thread."""
        return self.threads

    def read(self, texts: Sequence[str], ask: Ask) -> list[Read]:
        """See ``Computer.read``; tokens are estimated where the model has no tokenizer."""
        counts = self._counts([(ask.prompt or "") + text for text in texts])
        return [
            Read(max(1, min(count, self.limit)), (ask.kind, ask.prompt, text), count > self.limit)
            for text, count in zip(texts, counts, strict=True)
        ]

    def _counts(self, texts: list[str]) -> list[int]:
        if isinstance(self.encoder, LexicalEncoder):
            return [len(text.split()) for text in texts]
        if self.encoder.tokenizer is None:
            return [len(text.encode("utf-8", "replace")) // 3 + 1 for text in texts]
        return [len(found.ids) for found in self.encoder.tokenizer.encode_batch_fast(clean.all_readable(texts))]

    def take_ids(self, ids: Sequence[int]) -> Read:
        """See ``Computer.take_ids``."""
        raise ValueError(f"This model does not read token ids. {SEND_TEXTS}")

    def run(self, work: Work) -> None:
        """See ``Computer.run``."""
        while (flight := work.wait()) is not None:
            groups: dict[tuple[Kind, str | None], list[Item]] = {}
            for item in flight.items:
                groups.setdefault(item.payload[:2], []).append(item)
            for (kind, prompt), items in groups.items():
                self._compute(work, flight, items, kind, prompt)

    def _compute(self, work: Work, flight: Flight, items: list[Item], kind: Kind, prompt: str | None) -> None:
        try:
            texts = [item.payload[2] for item in items]
            vectors = self.encoder.encode(texts, kind=kind, prompt=prompt, normalize=False)
        except Exception as error:  # of a remote endpoint, say: these requests fail, the others go on
            work.failed(flight, items, error)
        else:
            work.done(flight, items, vectors)
