"""sentence-transformers' trainer with our batches, made ahead and encoded leanly, and checkpoints that are whole or not there.

Source: ``SentenceTransformerTrainer`` (sentence-transformers 6, on transformers' ``Trainer``) does the training: optimiser,
schedule, accumulation, several processes, logging. Overridden here: where batches come from (``sampling``), how a batch is
tokenised (in a thread, ahead of the network), how it is encoded (``lean``), and what a checkpoint holds (also the losses' own
state: queues, momentum weights, heads).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformerTrainer
from torch.utils.data import DataLoader, Dataset

from vecloom.train.data import VALUE_COLUMNS, Table
from vecloom.train.lean import densify, lean
from vecloom.train.lora import has_lora, load_trained, save_trained
from vecloom.train.runs import LOSS_STATE, RunFolder
from vecloom.train.sampling import BatchSampler
from vecloom.train.watch import DivergenceError, Tracker

AHEAD = 2  # batches tokenised before they are needed


class Rows(Dataset[Any]):  # type: ignore[misc]
    """Tables one after another, read a batch at a time."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self.tables = list(tables)
        self._starts = np.cumsum([0, *map(len, self.tables)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Any]:
        """Columns of these rows, in this order, and under "" the number of each row's table."""
        homes = np.searchsorted(self._starts, indices, side="right") - 1
        wanted = np.asarray(indices)
        columns: dict[str, list[Any]] = {}
        for home in np.unique(homes):
            places = np.flatnonzero(homes == home)
            found = self.tables[home].rows[(wanted[places] - self._starts[home]).tolist()]
            for name, values in found.items():
                column = columns.setdefault(name, [None] * len(wanted))
                for place, value in zip(places, values, strict=True):
                    column[place] = value
        return {**columns, "": homes.tolist()}


class Collator:
    """A batch of rows becomes what the trainer feeds to the loss: tokens of each column, and the label.

    Args:
        tables: the data sets.
        preprocess: the model's tokeniser: texts and a prompt to tensors.
        named: whether each data set has a loss of its own, which the trainer then finds by its name.
    """

    def __init__(self, tables: Sequence[Table], preprocess: Callable[..., Mapping[str, Any]], *, named: bool) -> None:
        self._tables = list(tables)
        self._preprocess = preprocess
        self._named = named
        self.valid_label_columns = sorted(set(VALUE_COLUMNS.values()))

    def __call__(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Tokenise; every column is padded to its own longest text."""
        homes = columns[""]
        table = self._tables[homes[0]]
        batch: dict[str, Any] = {"dataset_name": table.name} if self._named else {}
        for name in table.text_columns:
            prompts = [self._tables[home].prompts.get(name, "") for home in homes]
            for key, value in self._tokens(columns[name], prompts).items():
                batch[f"{name}_{key}"] = value
        value_column = VALUE_COLUMNS.get(table.shape)
        if value_column:
            batch["label"] = torch.tensor(columns[value_column])
        return batch

    def _tokens(self, texts: list[str], prompts: list[str]) -> Mapping[str, Any]:
        if len(set(prompts)) == 1:
            return self._preprocess(texts, prompt=prompts[0] or None)
        return self._preprocess([prompt + text for prompt, text in zip(prompts, texts, strict=True)])


class Loader(DataLoader[Any]):  # type: ignore[misc]
    """A loader whose sampler learns which epoch it is."""

    def set_epoch(self, epoch: int) -> None:
        """Pass the epoch's number on."""
        self.batch_sampler.set_epoch(epoch)


class Ahead:
    """The next items of an iterator, made in a thread while the caller works.

    One thread, so items come in order; tokenisers release the interpreter's lock.
    """

    def __init__(self, source: Iterator[Any], depth: int) -> None:
        self._source = source
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._pending: deque[Future[Any]] = deque(self._thread.submit(self._next) for _ in range(depth))

    def _next(self) -> Any:
        return next(self._source, self)

    def __iter__(self) -> Ahead:
        return self

    def __next__(self) -> Any:
        item = self._pending.popleft().result()
        if item is self:
            self._pending.appendleft(self._thread.submit(lambda: self))
            raise StopIteration
        self._pending.append(self._thread.submit(self._next))
        return item

    def settle(self) -> None:
        """Wait until the thread rests: a tokeniser must not be used by two threads."""
        for future in self._pending:
            future.exception()

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=True, cancel_futures=True)


class Trainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """The trainer that ``run`` uses.

    Args:
        rows: all data.
        batches: which rows stand in which batch, for this process.
        collator: makes a batch of them.
        folder: where checkpoints go.
        tracker: what was measured; its state is saved with each checkpoint.
        keep: how many checkpoints stay.
        precision: "bf16" or "fp32".
        split: whether batches are encoded in pieces of like length.
        given: what ``SentenceTransformerTrainer`` takes.
    """

    def __init__(
        self,
        *,
        rows: Rows,
        batches: BatchSampler,
        collator: Collator,
        folder: RunFolder,
        tracker: Tracker,
        keep: int,
        precision: str,
        split: bool,
        **given: Any,
    ) -> None:
        from datasets import DatasetDict
        from transformers import PrinterCallback

        self._rows, self._batches, self._folder = rows, batches, folder
        self._tracker, self._keep = tracker, keep
        self._precision, self._split = precision, split
        self.tokens = self.squares = 0  # through this process in this call: their sum, and that of texts' squares
        self._ahead: Ahead | None = None
        self._source: Any = None
        tables = DatasetDict({table.name: table.rows for table in rows.tables})
        super().__init__(train_dataset=tables, data_collator=collator, **given)
        self.remove_callback(PrinterCallback)

    # --- batches -------------------------------------------------------------------------------------------------

    def preprocess_dataset(self, dataset: Any = None, dataset_name: str | None = None) -> Any:
        """Leave the data as it is: the collator adds what the losses need."""
        return dataset

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Gather nothing for sentence-transformers' card: ``card`` writes ours."""

    def get_train_dataloader(self) -> Any:
        """Our batches. Not handed to accelerate: the sampler has cut them for the processes already."""
        return Loader(
            self._rows,
            batch_sampler=self._batches,
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory and self.args.device.type == "cuda",
        )

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        """Take batches that a thread has made meanwhile."""
        if self._source is not epoch_iterator:
            self._close_ahead()
            self._source = epoch_iterator
            self._ahead = Ahead(epoch_iterator, AHEAD + num_batches - 1)
        return super().get_batch_samples(self._ahead, num_batches, device)

    def _close_ahead(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
        self._ahead = self._source = None

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Measure while no batch is being tokenised."""
        if self._ahead is not None:
            self._ahead.settle()
        return super().evaluate(*args, **kwargs)

    # --- steps ---------------------------------------------------------------------------------------------------

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Train with lean encoding."""
        alone = self.args.world_size == 1
        try:
            with lean(self.model, self._precision, split=self._split, sparse=alone):
                return super().train(*args, **kwargs)
        finally:
            self._close_ahead()

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """One batch forward and back.

        Raises:
            DivergenceError: the loss is no finite number.
        """
        self._count(inputs)
        loss = super().training_step(model, inputs, num_items_in_batch)
        densify(self.model.parameters())
        if not torch.isfinite(loss):
            raise DivergenceError.of_loss(
                float(loss), self.state.global_step + 1, self.args.learning_rate, self._folder
            )
        return loss

    def _count(self, inputs: Mapping[str, Any]) -> None:
        for name, value in inputs.items():
            if name.endswith("attention_mask") and isinstance(value, torch.Tensor) and value.ndim == 2:
                lengths = value.sum(1)
                self.tokens += int(lengths.sum())
                self.squares += int((lengths * lengths).sum())

    # --- checkpoints ---------------------------------------------------------------------------------------------

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        if has_lora(self.model):
            save_trained(self.model, Path(output_dir or self.args.output_dir))
            return
        self.model.save_pretrained(output_dir or self.args.output_dir, create_model_card=False)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        self.args.distributed_state.wait_for_everyone()
        if self.args.should_save:
            place = self._folder.checkpoint(self.state.global_step)
            torch.save(self._loss_state(), place / LOSS_STATE)
            self._folder.complete(place, {"step": self.state.global_step, "tracker": self._tracker.state()})
            self._folder.keep(self._keep)

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        if has_lora(self.model):
            load_trained(self.model, Path(checkpoint_path))
        else:
            super()._load_from_checkpoint(checkpoint_path)
        states = torch.load(Path(checkpoint_path) / LOSS_STATE, map_location="cpu", weights_only=True)
        for name, loss in self._losses().items():
            loss.load_state_dict(states[name], strict=False)

    def _losses(self) -> dict[str, Any]:
        return dict(self.loss) if isinstance(self.loss, dict) else {"loss": self.loss}

    def _loss_state(self) -> dict[str, dict[str, Any]]:
        """What the losses hold beside the model: its own tensors are in the checkpoint already."""
        shared = {id(tensor) for tensor in [*self.model.parameters(), *self.model.buffers()]}
        return {
            name: {
                key: value.detach() for key, value in loss.state_dict(keep_vars=True).items() if id(value) not in shared
            }
            for name, loss in self._losses().items()
        }
