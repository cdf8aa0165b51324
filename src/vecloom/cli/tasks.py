"""``vecloom tasks``: what can be evaluated here, and making tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vecloom.cli import options, show
from vecloom.cli.evaluate import Numbers, check_extra
from vecloom.wording import counted

HEADER = ("name", "type", "splits", "path")


@click.group(short_help="List the tasks that can run here; make new ones.", invoke_without_command=True)
@options.json_option
@options.debug_option
@click.pass_context
def tasks(ctx: click.Context, as_json: bool) -> None:
    """List the tasks that can run here, and make new ones.

    \b
    Examples:
      vecloom tasks
      vecloom tasks list my-data/
      vecloom tasks make longembed long/ --lengths 256,512,1024

    By itself it lists the data sets in $VECLOOM_DATA, and mteb's tasks whose data are in the Hub's cache.

    A task is a folder, or one file of rows, in one of these forms (JSON lines, CSV, TSV or Parquet; .gz too):

    \b
      corpus, queries, qrels/test.tsv       retrieval (BEIR: _id, title, text; query-id, corpus-id, score)
        ... and top_ranked                  reranking (query-id, corpus-ids)
        ... and queries with instruction,
            changed_qrels                   instruction-retrieval
      query, text, label                    reranking
      sentence1, sentence2, score           sts
      sentence1, sentence2, label           pair-classification (also premise, hypothesis, label)
      text, label                           classification, of train and test; or clustering
      text, label (a list)                  multilabel-classification
      sentences, labels (lists)             clustering by sets
      sentence1, sentence2                  bitext-mining
      text, human_summaries,
        machine_summaries, relevance        summarization

    A task.yaml beside the files may say: name, type, description, languages (eng-Latn), domains, licence, reference,
    prompt, main_score, splits, text_column, label_column, min_score, max_score, downsample,
    classifier (knn), without_train.
    """  # noqa: D301 - click wants the character \b, not a backslash
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_tasks, folder=None, as_json=as_json)


@tasks.command("list", short_help="List the tasks that can run here.")
@click.argument("folder", required=False)
@options.json_option
@options.debug_option
def list_tasks(folder: str | None, as_json: bool) -> None:
    """List data sets in FOLDER (by default in $VECLOOM_DATA), and mteb's tasks whose data are in the Hub's cache.

    \b
    Examples:
      vecloom tasks list my-data/
      vecloom tasks list --json
    """  # noqa: D301 - click wants the character \b, not a backslash
    check_extra()
    from vecloom.errors import UsageError
    from vecloom.evaluate.tasks.find import here

    if folder and not Path(folder).is_dir():
        raise UsageError(f"There is no folder {folder!r}.", "Correct the path.")
    found = [described(source) for source in here(Path(folder) if folder else None)]
    if as_json:
        show.as_json(found)
    elif found:
        show.echo(show.columns([[str(task[name]) for name in HEADER] for task in found], HEADER))
    else:
        show.echo("There is no task here. Name a folder of data sets, or set VECLOOM_DATA.")


def described(source: Any) -> dict[str, str]:
    """A task as a row."""
    local = source.local
    return {
        "name": source.name,
        "type": source.type,
        "splits": " ".join(local.splits) if local else "",
        "path": str(local.path) if local else "mteb",
    }


@tasks.group(short_help="Make a task.")
def make() -> None:
    """Make a task: LongEmbed's synthetic ones, those of a taxonomy, or a smaller one of a retrieval set."""


@make.command(short_help="LongEmbed's passkey and needle tasks.")
@click.argument("directory")
@click.option("--haystack", metavar="PATH", help="Running text (a file, or a folder of .txt) to hide needles in.")
@click.option("--lengths", type=Numbers(), metavar="N,N...", help="In tokens; 256,512,...,32768 by default.")
@click.option("--queries", type=click.IntRange(min=1), default=50, show_default=True, help="For each length.")
@click.option("--documents", type=click.IntRange(min=2), default=100, show_default=True, help="For each length.")
@click.option("--seed", type=click.IntRange(min=0), default=42, show_default=True)
@options.json_option
@options.debug_option
def longembed(
    directory: str,
    haystack: str | None,
    lengths: tuple[int, ...] | None,
    queries: int,
    documents: int,
    seed: int,
    as_json: bool,
) -> None:
    """Make LongEmbed's passkey task in DIRECTORY, and its needle task where a haystack is given.

    \b
    Examples:
      vecloom tasks make longembed long/ --lengths 256,512,1024
      vecloom tasks make longembed long/ --haystack essays/
      vecloom eval -m minilm long/
    """  # noqa: D301 - click wants the character \b, not a backslash
    from vecloom.evaluate.make.longembed import LENGTHS, make_longembed

    made = make_longembed(
        directory,
        lengths=lengths or LENGTHS,
        queries=queries,
        documents=documents,
        haystack=haystack,
        seed=seed,
        tasks=("passkey", "needle") if haystack else ("passkey",),
    )
    if as_json:
        show.as_json({"tasks": [str(folder) for folder in made], "seed": seed})
        return
    show.echo("\n".join(f"Made {folder}" for folder in made))
    if not haystack:
        show.echo("The needle task needs running text to hide needles in: give it with --haystack.")


@make.command(short_help="Six data sets from a classification dictionary.")
@click.argument("file")
@click.option("-o", "--output", required=True, metavar="DIR", help="Where the tasks' folders are made.")
@click.option("--target", metavar="FILE", help="A second dictionary, whose entries are the queries.")
@click.option("--mapping", metavar="COLUMN", help="Column of FILE that names a code of the target.")
@click.option("--code", metavar="COLUMN", help="Column with the code, where it has no usual name.")
@click.option("--title", metavar="COLUMN", help="Column with the title.")
@click.option("--description", metavar="COLUMN", help="Column with the description.")
@click.option("--parent", metavar="COLUMN", help="Column with the parent's code.")
@click.option("--name", help="Begins the tasks' names; the file's name by default.")
@click.option("--seed", type=click.IntRange(min=0), default=42, show_default=True)
@options.model_option
@options.speed_options
@options.json_option
@options.debug_option
def taxonomy(
    file: str,
    output: str,
    target: str | None,
    mapping: str | None,
    code: str | None,
    title: str | None,
    description: str | None,
    parent: str | None,
    name: str | None,
    seed: int,
    model: str,
    backend: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Make clustering, retrieval and reranking tasks from a classification dictionary, as BuiltBench does.

    FILE is CSV or TSV with a code, a title, a description and a parent (or level columns). The model chooses texts that
    differ and negatives that are hard, so compare it with others only knowing that.

    \b
    Examples:
      vecloom tasks make taxonomy codes.csv -o tasks/
      vecloom tasks make taxonomy products.csv -o tasks/ --target types.csv --mapping type
    """  # noqa: D301 - click wants the character \b, not a backslash
    check_extra()
    from vecloom import load
    from vecloom.evaluate.make.dictionary import TaxonomyColumns
    from vecloom.evaluate.make.taxonomy import make_taxonomy

    report = make_taxonomy(
        file,
        output,
        encoder=load(model, backend=backend, threads=threads),
        target=target,
        mapping=mapping,
        columns=TaxonomyColumns(code=code, title=title, description=description, parent=parent),
        name=name,
        seed=seed,
    )
    if as_json:
        show.as_json(
            {"tasks": [str(task) for task in report.tasks], "skipped": dict(report.skipped), "seed": report.seed}
        )
        return
    lines = [f"Made {task}" for task in report.tasks]
    lines += [f"Not made: {what}: {why}" for what, why in report.skipped.items()]
    if report.misses:
        lines.append(
            f"{show.count(len(report.misses), 'mapping')} name no entry of the target; see the report beside the tasks."
        )
    show.echo("\n".join(lines))


@make.command(short_help="A smaller retrieval set that keeps the order of models.")
@click.argument("folder")
@click.option("-o", "--output", required=True, metavar="DIR", help="Where the new task's folder is made.")
@click.option("-m", "--model", "models", multiple=True, metavar="MODEL", help="Pool these models' hits, beside BM25's.")
@click.option("--depth", type=click.IntRange(min=1), default=250, show_default=True, help="Hits of each for a query.")
@click.option("--queries", type=click.IntRange(min=1), default=1000, show_default=True, help="Queries at most.")
@click.option("--seed", type=click.IntRange(min=0), default=42, show_default=True)
@options.speed_options
@options.json_option
@options.debug_option
def subset(
    folder: str,
    output: str,
    models: tuple[str, ...],
    depth: int,
    queries: int,
    seed: int,
    backend: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Make a smaller task of a retrieval set: for each query the best hits of BM25 and some models, and all relevant texts.

    Scores on it are higher than on the whole set and compare only with each other; models keep their order, as far as the
    pool holds what fools them, so pool models unlike those to be compared.

    \b
    Examples:
      vecloom tasks make subset big/ -o small/ -m minilm
      vecloom eval -m minilm -m ./my-model small/
    """  # noqa: D301 - click wants the character \b, not a backslash
    check_extra()
    from vecloom import load
    from vecloom.errors import UsageError
    from vecloom.evaluate.benchmark.downsample import bm25_retriever, encoder_retriever
    from vecloom.evaluate.make.subset import make_subset
    from vecloom.evaluate.tasks.local import open_task

    if not Path(folder).is_dir():
        raise UsageError(f"There is no folder {folder!r}.", "Correct the path.")
    task = open_task(Path(folder))
    pooled = [bm25_retriever(), *(encoder_retriever(load(m, backend=backend, threads=threads)) for m in models)]
    report = make_subset(task, output, pooled, depth=depth, max_queries=queries, seed=seed)
    if as_json:
        show.as_json(
            {"task": str(report.folder), "documents": report.documents, "queries": report.queries, "seed": seed}
        )
        return
    show.echo(
        f"Made {report.folder}: {report.documents:,} of {counted(report.all_documents, 'document')}, "
        f"{report.queries:,} of {counted(report.all_queries, 'query')}."
    )
