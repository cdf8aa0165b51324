"""One run's parts put together: model, data, batches, losses, trainer and callbacks, and what happens when it ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from transformers import set_seed

from vecloom.errors import UsageError
from vecloom.train import flops, setup
from vecloom.train.card import Outcome, recipe_yaml, write_card
from vecloom.train.cutting import count_cut
from vecloom.train.data import read_tables
from vecloom.train.evaluator import Evaluator
from vecloom.train.lora import merge
from vecloom.train.losses import LossContext, make_loss
from vecloom.train.machine import device_of, hardware, precision_of
from vecloom.train.recipe import Recipe
from vecloom.train.runs import RunFolder
from vecloom.train.sampling import BatchSampler
from vecloom.train.summary import TrainSummary, recent_loss
from vecloom.train.teacher import taught
from vecloom.train.trainer import Collator, Rows, Trainer
from vecloom.train.translated import check_signs, sample
from vecloom.train.watch import CollapseWatch, LogWithSave, Progress, Reporter, Share, Tracker, curve_of


class Session:
    """A run in the making. Data are read and checked, and the model opened, before anything is written.

    Args:
        recipe: what to do.
        folder: where it lives.

    Raises:
        what ``job.run`` names.
    """

    def __init__(self, recipe: Recipe, folder: RunFolder) -> None:
        self._recipe, self._folder = recipe, folder
        if recipe.batch_size % setup.processes():
            raise UsageError(
                f"batch_size is {recipe.batch_size}, over {setup.processes()} processes.",
                f"Use a multiple of {setup.processes()}.",
            )
        setup.reporters(recipe)
        self._device = device_of(recipe.device)
        self._precision = precision_of(recipe.precision, recipe.device)
        self._tables = taught(recipe, read_tables(recipe), self._device)
        self._evaluator = Evaluator(recipe.evaluation.tasks) if recipe.evaluation.tasks else None
        self._check_metric()
        self._batches = BatchSampler(setup.groups_of(self._tables), setup.drawing_of(recipe))
        set_seed(recipe.seed)
        self._model = setup.open_model(recipe, self._device)
        own_limit = setup.max_length(self._model)
        if recipe.max_length is not None:
            self._model.max_seq_length = recipe.max_length
        limit = setup.max_length(self._model)
        self.cutting = count_cut(self._model.tokenizer, self._tables, own_limit, limit, recipe.seed)
        self._arithmetic = flops.arithmetic_of(self._model)
        self._set_prompts()
        self._check_signs()

    def claim(self, *, resume: bool) -> None:
        """Take the folder, or find that another run has it."""
        from accelerate import PartialState

        decides = setup.decides(self._recipe)
        with PartialState(cpu=self._device == "cpu").main_process_first():
            if PartialState().is_main_process:
                self._folder.claim(decides, resume=resume)
                (self._folder.path / "recipe.yaml").write_text(recipe_yaml(self._recipe), encoding="utf-8")

    def train(self, progress: Progress | None) -> TrainSummary:
        """Train, keep the best, write the model, its card and the summary."""
        recipe, folder = self._recipe, self._folder
        steps = setup.total_steps(recipe, len(self._batches))
        arguments = setup.training_arguments(
            recipe, folder, steps, device=self._device, measured=self._evaluator is not None
        )
        whole = folder.checkpoints()
        before = self._scores_before(arguments)
        share = Share()
        reporter = Reporter(recipe.batch_size * recipe.gradient_accumulation, progress)
        tracker = Tracker(recipe.evaluation.metric, recipe.evaluation.patience, self._save_best)
        set_seed(recipe.seed)
        loss, callbacks = self._losses(steps, share)
        trainer = Trainer(
            rows=Rows(self._tables),
            batches=self._batches,
            collator=Collator(self._tables, self._model.preprocess, named=isinstance(loss, dict)),
            folder=folder,
            tracker=tracker,
            keep=recipe.checkpoints.keep,
            precision=self._precision,
            split=recipe.padding == "split",
            model=self._model,
            args=arguments,
            loss=loss,
            evaluator=self._evaluator,
            callbacks=[LogWithSave(), self._collapse_watch(), share, tracker, reporter, *callbacks],
        )
        resumed = 0
        if whole:
            kept = folder.state(whole[-1])
            tracker.restore(kept["tracker"])
            resumed = int(kept["step"])
        trainer.train(resume_from_checkpoint=str(whole[-1]) if whole else None)
        return self._finish(trainer, tracker, reporter, before, resumed)

    # --- before --------------------------------------------------------------------------------------------------

    def _check_metric(self) -> None:
        metric, evaluation = self._recipe.evaluation.metric, self._recipe.evaluation
        if self._evaluator is None and evaluation.patience is not None:
            raise UsageError("evaluation.patience needs something to measure on.", "Add evaluation.tasks.")
        if self._evaluator is not None and metric not in self._evaluator.names:
            raise UsageError(
                f"evaluation.metric is {metric!r}.", f"These tasks give {', '.join(self._evaluator.names)}."
            )

    def _set_prompts(self) -> None:
        """Where all data sets agree on prompts, the model that comes out knows them; check that mixed ones can be used."""
        queries = {table.prompts.get("anchor") for table in self._tables}
        documents = {table.prompts.get("positive") for table in self._tables}
        for name, found in (("query", queries), ("document", documents)):
            if len(found) == 1 and None not in found:
                self._model.prompts[name] = found.pop()
        texts = {tuple(sorted(table.prompts.items())) for table in self._tables}
        pooled = getattr(self._model[1] if len(self._model) > 1 else None, "include_prompt", True)
        if self._recipe.mixing.batches == "mixed" and len(texts) > 1 and not pooled:
            raise UsageError(
                "The model leaves prompts out of its pooling, so texts with different prompts cannot stand in one batch.",
                "Use mixing.batches: one-task.",
            )

    def _check_signs(self) -> None:
        """Whether the tokenizer keeps the vowel signs of translated texts."""
        backend = getattr(self._model.tokenizer, "backend_tokenizer", None)
        for source, table in zip(self._recipe.data, self._tables, strict=True):
            if source.translated and backend is not None:
                check_signs(backend, sample(list(table.rows[table.text_columns[0]])), self._recipe.model)

    def _losses(self, steps: int, share: Share) -> tuple[Any, list[Any]]:
        """The loss module, or one by data set; and the callbacks that they bring."""
        context = LossContext(
            total_steps=steps,
            mini_batch_size=self._recipe.mini_batch_size,
            gather=setup.processes() > 1,
            load_guide=self._guide,
            progress=share,
        )
        made: dict[Any, Any] = {}

        def make(choice: Any) -> Any:
            key = (choice.name, repr(sorted(choice.options.items())))
            if key not in made:
                made[key] = make_loss(self._model, choice.name, choice.options, context)
            return made[key]

        wanted = setup.named_losses(self._recipe)
        loss = {name: make(choice) for name, choice in wanted.items()} if isinstance(wanted, dict) else make(wanted)
        return loss, [callback for each in made.values() for callback in getattr(each, "callbacks", [])]

    def _guide(self, name: str) -> Any:
        from sentence_transformers import SentenceTransformer

        from vecloom.encoders.resolve import resolve

        return SentenceTransformer(str(resolve(name)), device=self._device).eval()

    def _collapse_watch(self) -> CollapseWatch:
        watch = self._recipe.watch
        texts = setup.probe_texts(self._tables, watch.probe, self._recipe.seed)

        def encode(probe: list[str]) -> Any:
            return self._model.encode(probe, show_progress_bar=False)

        return CollapseWatch(encode, texts, watch.collapse, watch.every, self._folder)

    def _scores_before(self, arguments: Any) -> dict[str, float]:
        """Scores of the model before the first step; measured once, and kept."""
        if self._evaluator is None:
            return {}
        known = self._folder.read("before.json")
        if known is None and arguments.should_save:
            known = self._evaluator(self._model)
            self._folder.write("before.json", known)
        arguments.distributed_state.wait_for_everyone()
        found: dict[str, float] = known or self._folder.read("before.json")
        return found

    def _save_best(self) -> None:
        setup.publish_model(self._model, self._folder.best, None)

    # --- after ---------------------------------------------------------------------------------------------------

    def _finish(
        self, trainer: Any, tracker: Tracker, reporter: Reporter, before: dict[str, float], resumed: int
    ) -> TrainSummary:
        state = trainer.args.distributed_state
        state.wait_for_everyone()
        curve = curve_of(trainer.state.log_history)
        stopped = f"stopped early, {tracker.stale} measurements without a better one" if tracker.stopped else ""
        scores: dict[str, float] = {}
        if trainer.args.should_save:
            scores = self._scores_after()
        rate = (
            reporter.steps * self._recipe.batch_size * self._recipe.gradient_accumulation / max(reporter.seconds, 1e-9)
        )
        steps = int(trainer.state.global_step)
        summary = TrainSummary(
            output=str(self._folder.output),
            run=str(self._folder.path),
            steps=steps,
            resumed_from=resumed,
            seconds=reporter.seconds,
            pairs_per_second=rate if reporter.steps else 0.0,
            loss=recent_loss(curve),
            curve=curve,
            before=before,
            scores=scores,
            best_step=tracker.best_step if self._evaluator is not None else steps,
            stopped=stopped,
            notes=self._notes(),
            **self._speed(trainer, reporter.seconds),
        )
        if trainer.args.should_save:
            self._write(summary)
        state.wait_for_everyone()
        # the first process has scored; all return the same
        return replace(summary, scores=folder_scores(self._folder))

    def _notes(self) -> tuple[str, ...]:
        """What the data checks counted, and what the model cuts."""
        counted = [f"{table.name}: {note}" for table in self._tables for note in table.checked.notes()]
        return tuple(note for note in [*counted, self.cutting.note()] if note)

    def _speed(self, trainer: Any, seconds: float) -> dict[str, Any]:
        """Tokens and operations per second, over all processes, and the share of the GPU's."""
        if not seconds:
            return {}
        here = setup.processes() / seconds
        operations = self._arithmetic.operations(trainer.tokens, trainer.squares) if self._arithmetic else 0.0
        top = flops.peak(hardware(), self._precision) if self._device.startswith("cuda") else None
        return {
            "tokens_per_second": trainer.tokens * here,
            "operations_per_second": operations * here,
            "utilisation": operations / seconds / top if top and operations else None,
        }

    def _scores_after(self) -> dict[str, float]:
        """Take the best weights and score them in float32."""
        merge(self._model)
        if self._evaluator is None:
            return {}
        if self._folder.best.is_dir():
            # our own file of a moment ago: its modules may be vecloom's
            best = type(self._model)(str(self._folder.best), device="cpu", trust_remote_code=True)
            self._model.load_state_dict(best.state_dict())
        return self._evaluator(self._model)

    def _write(self, summary: TrainSummary) -> None:
        first_last = (summary.curve[0][1], summary.loss) if summary.loss is not None else None
        outcome = Outcome(
            int(self._model.get_embedding_dimension() or 0), setup.max_length(self._model), self._precision,
            setup.processes(), summary.steps, summary.seconds, summary.pairs_per_second, first_last, summary.before,
            summary.scores, summary.best_step, summary.stopped, summary.tokens_per_second, summary.operations_per_second,
            summary.utilisation, self.cutting.note(),
            any(type(module).__module__.startswith("vecloom.") for module in self._model),
        )  # fmt: skip
        card = write_card(self._folder.output.name, self._recipe, self._tables, outcome)
        setup.publish_model(self._model, self._folder.output, card)
        self._folder.write("finished.json", summary.as_dict())


def folder_scores(folder: RunFolder) -> dict[str, float]:
    """The scores that a finished run has kept."""
    kept = folder.read("finished.json")
    return dict(kept["scores"])
