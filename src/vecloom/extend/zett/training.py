"""Train a hypernetwork for a sentence encoder.

Source: ZeTT (arXiv:2405.07883), section 3.3 and appendix. Stage 1 predicts the model's own rows from its own tokens. In stage 2
each step draws texts and a tokenizer made from their substrings, predicts the rows of that vocabulary, runs the frozen model
with them, and changes the hypernetwork alone, by ``main + 0.5 auxiliary``.

Only rows that a step's texts use get a gradient from the main loss (an encoder has no softmax over the vocabulary), so only
these and the sample for the auxiliary loss are predicted. Every draw depends on the seed and the step's number alone, which is
why a resumed run is the uninterrupted one, bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from vecloom.errors import MissingExtraError, ModelError, UsageError, VecloomError, first_line
from vecloom.extend.vocabulary.surfaces import Surfaces
from vecloom.extend.zett.corpus import digest
from vecloom.extend.zett.encoder import FrozenEncoder, frame_ids
from vecloom.extend.zett.examples import Examples
from vecloom.extend.zett.forms import as_array
from vecloom.extend.zett.losses import auxiliary_loss, distillation_loss, identity_loss
from vecloom.extend.zett.network import Hypernetwork, Shape, fresh, rows_by_length
from vecloom.extend.zett.run_folder import RunFolder
from vecloom.extend.zett.settings import Settings
from vecloom.extend.zett.storage import Trained, layout, save
from vecloom.files import check_output

if TYPE_CHECKING:
    from torch import Tensor

    from vecloom.extend.vocabulary.transfer import Opened

HEAD = 64  # width of an attention head
_BETAS = (0.9, 0.95)


@dataclass(frozen=True)
class Step:
    """What a step came to.

    Attributes:
        step: counted from 1.
        steps: in all.
        stage: 1 or 2.
        loss: what was minimised.
        main: of stage 2: 1 minus the mean cosine to the model's own vectors; 0 in stage 1.
        auxiliary: of stage 2; 0 in stage 1.
        rate: learning rate.
    """

    step: int
    steps: int
    stage: int
    loss: float
    main: float
    auxiliary: float
    rate: float


Progress: TypeAlias = Callable[[Step], None]


@dataclass(frozen=True)
class HypernetworkSummary:
    """What was done.

    Attributes:
        model: as it was given.
        output: the folder.
        texts: passages.
        steps: in all.
        resumed_from: steps that lay in a checkpoint.
        parameters: that were trained.
        main: mean main loss of the last tenth of the steps.
        auxiliary: mean auxiliary loss of them.
        seconds: in this call.
    """

    model: str
    output: str
    texts: int
    steps: int
    resumed_from: int
    parameters: int
    main: float
    auxiliary: float
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def default_shape(vocabulary: int, widths: tuple[int, ...], bias: bool, settings: Settings) -> Shape:
    """A hypernetwork as wide as its model, in whole attention heads of 64."""
    hidden = settings.hidden or -(-widths[0] // HEAD) * HEAD
    if hidden % HEAD:
        raise UsageError(f"hidden={hidden} is not possible.", f"Use a multiple of {HEAD}, the width of a head.")
    inner = settings.inner or 2 * hidden
    return Shape(vocabulary, widths, bias, hidden, inner, settings.layers, hidden // HEAD, settings.length)


def check_torch() -> None:
    """Say which extra is missing.

    Raises:
        MissingExtraError: sentence-transformers is not installed.
    """
    import importlib.util

    if importlib.util.find_spec("sentence_transformers") is None:
        raise MissingExtraError("Training a hypernetwork needs torch and sentence-transformers.", "torch")


def check_device(name: str) -> None:
    """Have a device that torch can use here.

    Raises:
        UsageError: it cannot.
    """
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:  # torch: an unknown name, no driver, a build without it
        raise UsageError(f"The device {name!r} cannot be used: {first_line(error)}.", "Use cpu.") from error


def train_hypernetwork(
    model: str,
    texts: Sequence[str],
    output: str | PathLike[str],
    settings: Settings | None = None,
    *,
    device: str = "cpu",
    resume: bool = True,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> HypernetworkSummary:
    """Train and write a hypernetwork; a killed call goes on from its last checkpoint.

    Args:
        model: a name from ``vecloom models``, a directory, or a Hub id; a sentence encoder on a transformer.
        texts: passages that fit the model, see ``corpus.read_texts``.
        output: the folder to write; the run lives in ``OUTPUT.run`` until it is whole.
        settings: the default ones where None.
        device: as torch names it.
        resume: go on where the same training stopped; otherwise begin anew.
        overwrite: replace ``output``.
        progress: told of every step.

    Raises:
        UsageError: no texts, or another training lies there.
        ModelNotFoundError: there is no such model.
        ModelError: it is no transformer, or cannot be run with rows of our own.
        OutputError: the disk is full, ...
    """
    began = time.perf_counter()
    chosen, target = settings or Settings(), Path(output)
    check_torch()
    check_device(device)
    check_output(target, overwrite=overwrite)
    folder = RunFolder(target)
    with folder.locked():
        if not resume:
            folder.remove()
        training = Training(model, texts, chosen, device)
        folder.claim({**chosen.as_dict(), "model": training.fingerprint, "texts": digest(texts)})
        resumed = training.restore(folder.load())
        training.run(folder, progress)
        save(training.trained(model), target)
        folder.remove()
    last = training.curve[-max(len(training.curve) // 10, 1) :]
    return HypernetworkSummary(
        model=model,
        output=str(output),
        texts=len(texts),
        steps=chosen.steps,
        resumed_from=resumed,
        parameters=sum(parameter.numel() for parameter in training.network.parameters()),
        main=float(np.mean([step[1] for step in last])),
        auxiliary=float(np.mean([step[2] for step in last])),
        seconds=time.perf_counter() - began,
    )


class Training:
    """A training in memory.

    Args:
        model: as for ``train_hypernetwork``.
        texts: as for it.
        settings: as for it.
        device: as for it.

    Attributes:
        network: what is trained.
        step: steps done.
        curve: loss, main loss and auxiliary loss of each step.
    """

    def __init__(self, model: str, texts: Sequence[str], settings: Settings, device: str = "cpu") -> None:
        from vecloom.extend.vocabulary.transfer import open_model

        if not texts:
            raise UsageError("There are no texts to train on.", "Give files with texts.")
        self._settings, self._device = settings, device
        self._opened: Opened = open_model(model)
        self.fingerprint: str = self._opened.spec.fingerprint
        tables = self._opened.tables()
        self._places, bias = layout(tables)
        own = np.concatenate([tables.rows[:, start:stop] for start, stop in self._places], axis=1)
        widths = tuple(stop - start for start, stop in self._places[: len(self._places) - bias])
        shape = default_shape(len(own), widths, bias, settings)
        self.network: Hypernetwork = fresh(shape, torch.from_numpy(own), settings.seed, settings.start).to(device)  # type: ignore[arg-type]
        self._encoder = FrozenEncoder(self._opened.spec.path, device, settings.precision)
        if self._encoder.table.shape != (len(own), widths[0]):
            raise ModelError(f"The network of {model} has another token table than its file.", "Copy the model again.")
        self._optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=settings.identity_rate, betas=_BETAS, weight_decay=settings.weight_decay
        )
        source = Surfaces(self._opened.tokenizer)
        self._ordinary = np.array(sorted(number for number, found in source.by_id.items() if found is not None))
        self._frame = frame_ids(self._opened.tokenizer)
        room = self._opened.spec.max_length - sum(map(len, self._frame))
        self._examples = Examples(texts, source, len(own), room, settings)
        self.step = 0
        self.curve: list[tuple[float, float, float]] = []

    def restore(self, state: dict[str, Any] | None) -> int:
        """Take up a checkpoint; steps that it holds."""
        if state is not None:
            self.network.load_state_dict(state["network"], strict=False)
            self._optimiser.load_state_dict(state["optimiser"])
            self.step = int(state["step"])
            self.curve = [tuple(row) for row in state["curve"]]
        return self.step

    def state(self) -> dict[str, Any]:
        """A checkpoint: all that ``restore`` needs and that the model does not have."""
        network = {name: tensor for name, tensor in self.network.state_dict().items() if name != "source"}
        optimiser = self._optimiser.state_dict()
        return {"network": network, "optimiser": optimiser, "step": self.step, "curve": self.curve}

    def trained(self, name: str) -> Trained:
        """What is written."""
        record = {
            "model": {"name": name, "fingerprint": self.fingerprint},
            "settings": self._settings.as_dict(),
            "curve": [[round(value, 6) for value in step] for step in self.curve[:: max(len(self.curve) // 100, 1)]],
        }
        return Trained(self.network.cpu(), self._opened.tokenizer, self._places, record)

    def run(self, folder: RunFolder, progress: Progress | None = None) -> None:
        """Train to the end, with checkpoints on the way."""
        while self.step < self._settings.steps:
            done = self.advance()
            if self.step % self._settings.checkpoint_every == 0 and self.step < self._settings.steps:
                folder.save(self.state())
            if progress:
                progress(done)

    def advance(self) -> Step:
        """One step.

        Raises:
            VecloomError: the loss is no finite number.
        """
        first = self.step < self._settings.first_steps
        loss, main, auxiliary = self._identity() if first else self._distillation()
        rate = self._settings.rate(self.step)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self._settings.clip)
        self._optimiser.step()
        self.step += 1
        value = loss.item()
        if not np.isfinite(value):
            raise VecloomError(
                f"The loss is {value} in step {self.step}.", "Lower learning_rate and train with --no-resume."
            )
        self.curve.append((value, main, auxiliary))
        return Step(self.step, self._settings.steps, 1 if first else 2, value, main, auxiliary, rate)

    def _identity(self) -> tuple[Tensor, float, float]:
        """Stage 1: the model's own tokens."""
        count = min(self._settings.identity_tokens, len(self._ordinary))
        draw = np.random.default_rng((self._settings.seed, self.step))
        ids = torch.from_numpy(draw.choice(self._ordinary, count, replace=False)).to(self._device)
        rows = self.network.source[ids]
        return identity_loss(self.network(ids[:, None]), rows, self.network.shape.parts), 0.0, 0.0

    def _distillation(self) -> tuple[Tensor, float, float]:
        """Stage 2: texts under a tokenizer of their own."""
        example = self._examples.draw(self.step - self._settings.first_steps)
        distinct = list(dict.fromkeys([form for forms in example.used for form in forms] + example.shared))
        numbers = {form: number for number, form in enumerate(distinct)}
        predicted = rows_by_length(self.network, torch.from_numpy(as_array(distinct)).to(self._device))
        vectors = self._vectors([[numbers[form] for form in forms] for forms in example.used], predicted)
        main = distillation_loss(vectors, self._wanted(example.texts))
        places = [numbers[form] for form in example.shared]
        auxiliary = self._auxiliary(predicted[places], [form[0] for form in example.shared])
        return main + self._settings.auxiliary_weight * auxiliary, main.item(), auxiliary.item()

    def _auxiliary(self, predicted: Tensor, ids: list[int]) -> Tensor:
        """The auxiliary loss; 0 for a vocabulary that shares nothing."""
        if not ids:
            return torch.zeros((), device=self._device)
        return auxiliary_loss(predicted, self.network.source[ids], self.network.shape.parts)

    def _vectors(self, numbers: list[list[int]], predicted: Tensor) -> Tensor:
        """Vectors of texts of predicted rows, in the model's own frame of special tokens."""
        before, behind = self._frame
        frame = self._encoder.table[torch.tensor([*before, *behind], dtype=torch.long, device=self._device)]
        rows = torch.cat([frame, predicted[:, : self.network.shape.widths[0]]])
        opened, closed = list(range(len(before))), list(range(len(before), len(frame)))
        sequences = [[*opened, *(number + len(frame) for number in ids), *closed] for ids in numbers]
        return self._encoder.vectors(sequences, rows)

    def _wanted(self, texts: list[str]) -> Tensor:
        """The model's own vectors."""
        limit = self._opened.spec.max_length
        encodings = self._opened.tokenizer.encode_batch(texts)
        with torch.no_grad():
            return self._encoder.vectors([encoding.ids[:limit] for encoding in encodings], self._encoder.table)
