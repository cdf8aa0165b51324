"""``vecloom similar``: the documents of an index that are nearest to one of them."""

from __future__ import annotations

import click

from vecloom.cli import options, show


@click.command(short_help="Documents like one of an index.")
@click.argument("index")
@click.argument("document_id", metavar="ID")
@click.option(
    "-k", "--hits", "k", type=click.IntRange(min=1), default=10, show_default=True, help="How many documents."
)
@click.option("--where", metavar="FILTER", help="Only among these, as in \"year > 2020 AND lang = 'en'\".")
@click.option("--full", is_flag=True, help="Print whole passages instead of their beginning.")
@options.json_option
@options.debug_option
def similar(index: str, document_id: str, k: int, where: str | None, full: bool, as_json: bool) -> None:
    """List the documents of INDEX that are nearest to document ID, by the cosine of their vectors.

    ID is a document's or a passage's, as 'vecloom search' shows it. No model is needed: the vectors are in the index.

    \b
    Examples:
      vecloom similar docs.index notes/router.md
      vecloom similar papers.index 2410.15035 --where "year >= 2024" -k 5
    """  # noqa: D301 - click wants the character \b, not a backslash
    from vecloom.cli import hits as looks
    from vecloom.search import Index
    from vecloom.search.results import grouped

    opened = Index.open(index)
    documents = grouped(opened.similar(document_id, k * looks.CHUNKS, where=where))[:k]
    if as_json:
        # what is near for a query is not near for a document, so there is no word for these cosines
        show.as_json({"id": document_id, "hits": looks.as_objects(documents, "")})
    else:
        show.styled(looks.readable(documents, "", "", full=full))
