"""RemoteEncoder: any endpoint that speaks OpenAI's ``/v1/embeddings``, hosted or local (vLLM, TEI, Ollama, llama.cpp).

POST {"model", "input": [texts], "encoding_format": "base64", "dimensions"} -> {"data": [{"index", "embedding"}]}.
Source: https://platform.openai.com/docs/api-reference/embeddings. Base64 of little-endian float32 is a quarter of the
size of decimal numbers and needs no parsing; an endpoint that refuses it is asked for numbers from then on.

The key is read from an environment variable at the first request. It is in no message, no repr and no saved file.
When to use it: a model that does not run here. When not: private texts and a server that is not yours: every text is
sent.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from vecloom.encoders.protocol import Kind, Progress, Vectors, finish
from vecloom.encoders.remote_calls import Caller, Pace, RefusedError
from vecloom.encoders.texts import NO_LIMIT, all_readable, checked, prompted, unique
from vecloom.errors import ModelError, RemoteError, UsageError, from_os_error
from vecloom.files import write_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FILE_NAME = "vecloom_remote.json"
FORMAT = "vecloom-remote-1"
_ODD_ANSWER = "Check that the endpoint is an OpenAI-compatible embeddings endpoint and serves this model."


@dataclass(frozen=True, slots=True)
class RemoteSettings:
    """Where the model is and how to ask it.

    Attributes:
        model: the endpoint's name of the model.
        endpoint: address up to ``/v1``, or the whole address ending in ``/embeddings``.
        dimensions: ask the endpoint for shorter vectors; None for the model's own.
        key_variable: environment variable with the key; where it is not set, none is sent.
        prompts: texts to put before a text, by name ("query", "document", ...).
        max_length: the model's limit in tokens where it is known, for chunking; nothing is cut here.
        batch_texts: most texts in a request (OpenAI's limit is 2,048).
        batch_tokens: most tokens in a request, estimated (OpenAI's limit is 300,000).
        in_flight: requests at the same time.
        requests_per_minute: limit, or None.
        timeout: seconds.
        tries: how often a request is tried in all.
        first_wait: seconds before the second try; doubled each time.
    """

    model: str
    endpoint: str = "https://api.openai.com/v1"
    dimensions: int | None = None
    key_variable: str = "OPENAI_API_KEY"
    prompts: Mapping[str, str] = field(default_factory=dict)
    max_length: int = NO_LIMIT
    batch_texts: int = 256
    batch_tokens: int = 100_000
    in_flight: int = 4
    requests_per_minute: float | None = None
    timeout: float = 60.0
    tries: int = 6
    first_wait: float = 0.5

    def __post_init__(self) -> None:
        address = urlsplit(self.endpoint)
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise UsageError("The endpoint is not an http or https address.", "Give one like https://host/v1.")
        if address.username or address.password:
            raise UsageError(
                "The endpoint holds a user name or password.", f"Put the key into the variable {self.key_variable}."
            )
        for name in (
            "dimensions",
            "batch_texts",
            "batch_tokens",
            "in_flight",
            "requests_per_minute",
            "timeout",
            "tries",
        ):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"{name}={value} is not possible.", "Use a number above 0.")

    @property
    def url(self) -> str:
        """Where requests go."""
        address = urlsplit(self.endpoint)
        path = address.path.rstrip("/")
        return address._replace(path=path if path.endswith("/embeddings") else f"{path}/embeddings").geturl()


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has, rather too many: one for 3 bytes of UTF-8."""
    return len(text.encode("utf-8", "replace")) // 3 + 1


def batches(texts: Sequence[str], most_texts: int, most_tokens: int) -> list[range]:
    """Runs of places that stay under both limits; a text above the second stands alone."""
    runs: list[range] = []
    start = tokens = 0
    for place, text in enumerate(texts):
        cost = estimate_tokens(text)
        if place > start and (place - start == most_texts or tokens + cost > most_tokens):
            runs.append(range(start, place))
            start, tokens = place, 0
        tokens += cost
    return [*runs, range(start, len(texts))] if texts else []


def parse_answer(answer: Any, count: int) -> Vectors:
    """Vectors of an answer in the order of the request, float32 ``(count, d)``.

    Raises:
        RemoteError: not one finite vector of equal length for each text.
    """
    rows = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "embedding" in row for row in rows):
        raise RemoteError(f'The answer has no list "data" of embeddings, but {_glimpse(answer)}.', _ODD_ANSWER)
    if len(rows) != count:
        raise RemoteError(f"{count} texts were sent, {len(rows)} vectors came back.", _ODD_ANSWER)
    places = [row.get("index", place) for place, row in enumerate(rows)]
    if sorted(places, key=str) != sorted(range(count), key=str):
        raise RemoteError(f"The vectors' indices are not 0 to {count - 1}.", _ODD_ANSWER)
    vectors: list[Vectors] = [np.empty(0, np.float32)] * count
    for place, row in zip(places, rows, strict=True):
        vectors[place] = _vector(row["embedding"])
    lengths = {len(vector) for vector in vectors}
    if len(lengths) != 1 or not lengths.pop():
        raise RemoteError("The answer's vectors are empty or of different lengths.", _ODD_ANSWER)
    stacked = np.stack(vectors)
    if not np.isfinite(stacked).all():
        raise RemoteError("The answer holds numbers that are not finite.", "Ask the endpoint's maker; try again later.")
    return stacked


class RemoteEncoder:
    """An ``Encoder`` that asks an endpoint.

    Args:
        settings: see there.
        dim: dimensions of the answers where they are known; otherwise they are learned from the first answer (``dim``
            and the encoding of nothing send one request to learn them).
        name: for people; the model's name by default.
    """

    tokenizer: Tokenizer | None = None

    def __init__(self, settings: RemoteSettings, *, dim: int | None = None, name: str | None = None) -> None:
        self.settings = settings
        self.name = name or settings.model
        self._dim = dim or settings.dimensions
        self._format = "base64"
        self._caller: Caller | None = None

    @classmethod
    def load(cls, directory: str | PathLike[str], *, name: str | None = None) -> RemoteEncoder:
        """Read what ``save`` wrote; the key comes from the environment.

        Raises:
            ModelError: the file is missing or broken.
        """
        path = Path(directory) / FILE_NAME
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            if stored.get("format") != FORMAT:
                raise ModelError(f"{path} is not of the format {FORMAT}.", "Update vecloom, or make the file again.")
            return cls(RemoteSettings(**stored["settings"]), dim=stored.get("dim"), name=name or stored["name"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(f"{path} cannot be read: {error!r}.", "Make it again with RemoteEncoder.save.") from error

    def __repr__(self) -> str:
        return f"RemoteEncoder(model={self.settings.model!r}, endpoint={self.settings.endpoint!r})"

    @property
    def dim(self) -> int:
        """Dimensions of a vector; asks the endpoint where they are not known yet."""
        if self._dim is None:
            self._ask(["dimensions"], Event())
        assert self._dim is not None
        return self._dim

    @property
    def max_length(self) -> int:
        """The model's limit in tokens, as it was given; nothing is cut here."""
        return self.settings.max_length

    @cached_property
    def fingerprint(self) -> str:
        """Digest of endpoint, model, dimensions and prompts: the weights behind them cannot be seen from here."""
        known = self.settings
        return hashlib.sha256(
            json.dumps([known.url, known.model, known.dimensions, dict(known.prompts)], sort_keys=True).encode()
        ).hexdigest()

    def encode(
        self,
        texts: Sequence[str],
        *,
        kind: Kind = "document",
        dim: int | None = None,
        normalize: bool = True,
        prompt: str | None = None,
        progress: Progress | None = None,
    ) -> Vectors:
        """Encode texts in input order; see ``Encoder.encode``. Empty texts are not sent and get the zero vector.

        Raises:
            RemoteError: the endpoint refused, failed after all tries, or answered nonsense. Nothing is returned then.
            UsageError: ``texts`` is a single string, or ``dim`` is not between 1 and ``self.dim``.
        """
        if dim is not None:  # before anything is sent and paid for
            finish(np.empty((0, self.dim), np.float32), dim, normalize=False)
        given = all_readable(prompted(checked(texts), kind, prompt, self.settings.prompts))
        different, places = unique(given)
        sent = [place for place, text in enumerate(different) if text]
        answers = self._ask_all([different[place] for place in sent], progress)
        vectors = np.zeros((len(different), self.dim), np.float32)
        vectors[sent] = answers
        if progress and len(given) > len(sent):
            progress(len(given) - len(sent))
        return finish(vectors if places is None else vectors[places], dim, normalize)

    def save(self, directory: str | PathLike[str]) -> None:
        """Write the settings, without the key. There are no weights, so only vecloom can load this.

        Raises:
            OutputError: the directory cannot be written.
        """
        stored = {"format": FORMAT, "name": self.name, "dim": self._dim, "settings": asdict(self.settings)}
        try:
            write_text(Path(directory) / FILE_NAME, json.dumps(stored, indent=2))
        except OSError as error:
            raise from_os_error(error, "writing the model", directory) from error

    def close(self) -> None:
        """Close the connections; the next request opens them again."""
        if self._caller is not None:
            self._caller.close()
            self._caller = None

    def _open(self) -> Caller:
        if self._caller is None:
            known = self.settings
            key = os.environ.get(known.key_variable, "").strip()
            if not (key.isascii() and key.isprintable()):
                raise UsageError(f"The key in {known.key_variable} holds characters that no key has.", "Copy it again.")
            hint = f"Put a valid key into the environment variable {known.key_variable}."
            pace = Pace(known.requests_per_minute)
            self._caller = Caller(
                known.url, key, hint, timeout=known.timeout, tries=known.tries, first_wait=known.first_wait, pace=pace
            )
        return self._caller

    def _ask_all(self, texts: list[str], progress: Progress | None) -> Vectors:
        """Vectors of texts, several requests at a time; the first failure ends all."""
        if not texts:
            return np.empty((0, self.dim), np.float32)
        self._open()  # once, before the threads share it
        runs = batches(texts, self.settings.batch_texts, self.settings.batch_tokens)
        parts: list[Vectors] = []
        stop = Event()
        with ThreadPoolExecutor(self.settings.in_flight, "vecloom-remote") as pool:
            futures = [pool.submit(self._ask, texts[run.start : run.stop], stop) for run in runs]
            try:
                for future in futures:
                    parts.append(future.result())
                    if progress:
                        progress(len(parts[-1]))
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return np.concatenate(parts)

    def _ask(self, texts: list[str], stop: Event) -> Vectors:
        """One request; in halves where it is too large for the endpoint, as numbers where that refuses base64."""
        asked = self._format
        body: dict[str, Any] = {"model": self.settings.model, "input": texts, "encoding_format": asked}
        if self.settings.dimensions:
            body["dimensions"] = self.settings.dimensions
        try:
            vectors = parse_answer(self._open().post(body, stop), len(texts))
        except RefusedError as refusal:
            if refusal.status == 413 and len(texts) > 1:
                half = len(texts) // 2
                return np.concatenate([self._ask(texts[:half], stop), self._ask(texts[half:], stop)])
            if refusal.status not in {400, 422} or asked == "float" or not _about_format(refusal):
                raise
            self._format = "float"
            return self._ask(texts, stop)
        if self._dim is None:
            self._dim = vectors.shape[1]
        if vectors.shape[1] != self._dim:
            raise RemoteError(
                f"The endpoint gives {vectors.shape[1]} dimensions, not {self._dim} as before or as asked.", _ODD_ANSWER
            )
        return vectors


def _about_format(refusal: RefusedError) -> bool:
    return "encoding_format" in refusal.what or "base64" in refusal.what


def _vector(embedding: object) -> Vectors:
    """One vector from base64 of float32 or from a list of numbers."""
    try:
        if isinstance(embedding, str):
            return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4").astype(np.float32)
        vector = np.asarray(embedding, dtype=np.float32)
    except (binascii.Error, ValueError, TypeError) as error:
        raise RemoteError(f"An embedding is neither base64 nor numbers: {_glimpse(embedding)}.", _ODD_ANSWER) from error
    if vector.ndim != 1:
        raise RemoteError(f"An embedding is not a list of numbers: {_glimpse(embedding)}.", _ODD_ANSWER)
    return vector


def _glimpse(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
