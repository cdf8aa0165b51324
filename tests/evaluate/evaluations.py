"""Evaluations made by hand, with numbers that are easy to follow through a report."""

from __future__ import annotations

from dataclasses import replace

from vecloom.evaluate.compare import ALL_TASKS, Comparison
from vecloom.evaluate.details import Details
from vecloom.evaluate.evaluation import Evaluation, Failure, ModelInfo, PartScore, Score, TaskInfo

NASTY = "<script>alert('x')</script> & \"quoted\" | pipe"

MODELS = (
    ModelInfo("large", "local/large", "r1", 384, False, 100.0, {"pairs": "named on its card"}),
    ModelInfo("large@64", "local/large-64d", "r1", 64, False, 100.0),
    ModelInfo("words", "baseline/words", "words-1", None, True),
)
TASKS = (
    TaskInfo(
        "search", "Retrieval", "ndcg_at_10", 50, "query", ("2 queries without a relevant document are left out.",)
    ),
    TaskInfo("pairs", "STS", "cosine_spearman", 40, "pair"),
    TaskInfo("titles", "STS", "cosine_spearman", 40, "pair"),
    TaskInfo("topics", "Classification", "accuracy", 80, "document"),
)
# by task: large, large@64, words
SCORES = {
    "search": (0.60, 0.58, 0.65),
    "pairs": (0.80, 0.78, 0.50),
    "titles": (0.90, 0.88, 0.40),
    "topics": (0.70, 0.68, 0.50),
}
# adjusted p of large against large@64, large against words, large@64 against words
P_ADJUSTED = {
    "search": (0.20, 0.30, 0.01),
    "pairs": (0.04, 0.001, 0.001),
    "titles": (0.60, 0.001, 0.001),
    "topics": (0.01, 0.001, 0.001),
    ALL_TASKS: (0.25, 0.002, 0.002),
}
# means: large 75, large@64 73, words 51.25
MEANS = (0.75, 0.73, 0.5125)


def hardest_query(text: str = "where do eels spawn") -> dict[str, object]:
    return {
        "text": text,
        "score": 0.125,
        "found": [{"rank": 1, "text": f"eel recipes {NASTY}"}, {"rank": 2, "text": "salmon spawn in rivers"}],
        "expected": [{"rank": 7, "text": "eels spawn in the Sargasso Sea"}, {"rank": None, "text": "a lost document"}],
    }


DETAILS = {
    "search": Details(
        [hardest_query(), hardest_query(NASTY)],
        # of 4 that belong together 1 is in the lower bin and 3 in the upper, of the 4 others 3 and 1
        {"edges": [0.0, 0.5, 1.0], "positive": [1, 3], "negative": [3, 1]},
        [{"from": 2, "to": 5, "units": 25, "score": 0.7}, {"from": 6, "to": 19, "units": 25, "score": 0.5}],
    ),
    "pairs": Details([{"text": "a | b", "score": 0.91, "gold": 1.2, "note": "ranked too high"}]),
    "titles": Details(),
    "topics": Details([{"text": "stocks fall", "score": 0.2, "gold": "business", "note": "mostly taken for sport"}]),
}


def evaluation() -> Evaluation:
    """Three models, one of which counts words, on four tasks; words win the search."""
    scores = tuple(
        _score(task.name, model.label, value)
        for task in TASKS
        for model, value in zip(MODELS, SCORES[task.name], strict=True)
    )
    comparisons = tuple(found for task in (*SCORES, ALL_TASKS) for found in _comparisons(task))
    failures = (
        Failure("broken", "", "broken/ has no qrels. Add qrels/test.tsv."),
        Failure("clusters", "large", f"ValueError: {NASTY}."),
        Failure("clusters", "large@64", f"ValueError: {NASTY}."),
    )
    settings = {"seed": 7, "samples": 1000, "rounds": 10000, "mteb": "2.26.24", "seconds": 75.0}
    return Evaluation(MODELS, TASKS, scores, comparisons, failures, (("huge", 5400.0),), settings)


def without(found: Evaluation, task: str, model: str) -> Evaluation:
    """The same where a model has no score on a task."""
    kept = tuple(score for score in found.scores if (score.task, score.model) != (task, model))
    tested = tuple(c for c in found.comparisons if c.task != task or model not in (c.first, c.second))
    return replace(found, scores=kept, comparisons=tested)


def only_models(found: Evaluation, *labels: str) -> Evaluation:
    """The same with some of the models."""
    return replace(
        found,
        models=tuple(model for model in found.models if model.label in labels),
        scores=tuple(score for score in found.scores if score.model in labels),
        comparisons=tuple(c for c in found.comparisons if {c.first, c.second} <= set(labels)),
    )


def only_tasks(found: Evaluation, *names: str) -> Evaluation:
    """The same with some of the tasks; over one task there is no comparison of means."""
    return replace(
        found,
        tasks=tuple(task for task in found.tasks if task.name in names),
        scores=tuple(score for score in found.scores if score.task in names),
        comparisons=tuple(c for c in found.comparisons if c.task in names),
    )


def with_parts(found: Evaluation, task: str, parts: dict[str, tuple[PartScore, ...]]) -> Evaluation:
    """The same with other splits and subsets of a task, by model."""
    scores = tuple(
        replace(score, parts=parts[score.model]) if score.task == task and score.model in parts else score
        for score in found.scores
    )
    return replace(found, scores=scores)


def part(
    split: str = "test", subset: str = "default", languages: tuple[str, ...] = ("eng-Latn",), **given: object
) -> PartScore:
    values = {"score": 0.5, "low": 0.4, "high": 0.6, "metrics": {}, "details": Details(), **given}
    return PartScore(split, subset, languages, **values)  # type: ignore[arg-type]


def many(models: int, tasks: int) -> Evaluation:
    """A large evaluation: every model on every task, scores rising with the model, differences of neighbours not significant."""
    labels = [f"organisation-model-{number}" for number in range(models)]
    infos = tuple(
        ModelInfo(label, f"local/{label}", "r", 64 * 2 ** (n % 4), False, 10.0 * (n + 1))
        for n, label in enumerate(labels)
    )
    kinds = ("Retrieval", "STS", "Classification", "Clustering", "Reranking")
    names = tuple(TaskInfo(f"LongTaskNameNumber{n}", kinds[n % 5], "main_score", 100, "text") for n in range(tasks))
    edges = [number / 40 for number in range(41)]
    details = Details(
        [hardest_query("query " * 50) for _ in range(20)],
        {"edges": edges, "positive": list(range(40)), "negative": list(range(40, 0, -1))},
        [{"from": 5 * n, "to": 5 * n + 4, "units": 25, "score": 0.5 + n / 10} for n in range(4)],
    )
    scores = tuple(
        Score(t.name, label, v := 0.3 + 0.02 * n, v - 0.02, v + 0.02, 1.0, (part(score=v, details=details),))
        for t in names
        for n, label in enumerate(labels)
    )
    comparisons = tuple(
        Comparison(
            name,
            labels[i],
            labels[j],
            0.02 * (i - j),
            -0.3,
            0.3,
            0.01,
            0.2 if j - i == 1 else 0.01,
            0.1,
            "randomisation",
        )
        for name in (*(t.name for t in names), ALL_TASKS)
        for i in range(models)
        for j in range(i + 1, models)
    )
    return Evaluation(infos, names, scores, comparisons, (), (), {"seed": 0})


def _score(task: str, model: str, value: float) -> Score:
    own = part(score=value, low=value - 0.03, high=value + 0.04, details=DETAILS[task])
    return Score(task, model, value, value - 0.03, value + 0.04, 1.5, (own,))


def _comparisons(task: str) -> list[Comparison]:
    values = SCORES.get(task, MEANS)
    labels = [model.label for model in MODELS]
    pairs = [(0, 1), (0, 2), (1, 2)]
    return [
        Comparison(
            task,
            labels[i],
            labels[j],
            values[i] - values[j],
            values[i] - values[j] - 0.01,
            values[i] - values[j] + 0.02,
            p / 10,
            p,
            0.5,
            "bootstrap" if task == ALL_TASKS else "randomisation",
        )
        for (i, j), p in zip(pairs, P_ADJUSTED[task], strict=True)
    ]
