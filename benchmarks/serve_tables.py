"""The tables of ``benchmarks/serve.py``."""

from __future__ import annotations

from typing import Any

HEAD = [
    "| load | clients | system | texts/s | x | p50 ms | p99 ms | refused, wrong or late |",
    "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
]
HEAD_BESIDE = [
    "| system | one client alone, p50 / p99 ms | beside 10,000 texts, p50 / p99 ms | queries | the job took |",
    "| --- | ---: | ---: | ---: | ---: |",
]


def tables(report: dict[str, Any]) -> str:
    """Markdown of all pieces, and of the machine."""
    machine, pieces = report["machine"], report["pieces"]
    cosines = ", ".join(f"{name} {cosine:.5f}" for name, cosine in report["min_cosine_to_vecloom"].items())
    loads = [piece["load_average"] for piece in pieces.values()] or [0.0]
    lines = [
        f"Made by `python benchmarks/serve.py --infinity COMMAND --rounds {report['rounds']}` on {machine['date']}: "
        f"{machine['cores']} cores of {machine['cpu']}; the load average was {min(loads):.1f} to {max(loads):.1f} when the "
        f"pieces began. Smallest cosine to vecloom's vectors: {cosines}.",
        "",
    ]
    levels = {name: piece["systems"] for name, piece in sorted(pieces.items(), key=order) if ", " in name}
    if levels:
        rows = [row for name, systems in levels.items() for row in level_rows(name, systems)]
        lines += [*HEAD, *rows, "", "`x`: vecloom's texts/s divided by the system's.", ""]
    for systems in (piece["systems"] for name, piece in pieces.items() if ", " not in name):
        lines += [*HEAD_BESIDE, *(beside_row(name, told) for name, told in systems.items())]
    return "\n".join(lines).rstrip() + "\n"


def order(piece: tuple[str, Any]) -> tuple[bool, int]:
    """Single queries first, then by clients."""
    shape, _, clients = piece[0].rpartition(", ")
    return not shape.startswith("single"), int(clients) if clients.isdigit() else 0


def level_rows(level: str, systems: dict[str, Any]) -> list[str]:
    """A row for each system."""
    shape, clients = level.rsplit(", ", 1)
    ours, rows = systems["vecloom"]["texts_per_second"], []
    for name, told in systems.items():
        rate = told["texts_per_second"]
        ratio = "" if name == "vecloom" else f"{ours / rate:.1f}" if rate else "-"
        numbers = f"{rate:,.0f} | {ratio} | {told['p50_ms']:,.1f} | {told['p99_ms']:,.1f}"
        rows.append(f"| {shape} | {clients} | {name} | {numbers} | {sum(told['wrong'].values())} |")
    return rows


def beside_row(name: str, told: dict[str, Any]) -> str:
    """A system's row of the second table."""
    alone, beside = (
        f"{one['p50_ms']:,.1f} / {one['p99_ms']:,.1f}" if one else "-" for one in (told["alone"], told["beside"])
    )
    count = told["beside"]["requests"] if told["beside"] else 0
    return f"| {name} | {alone} | {beside} | {count} | {told['job_seconds']:.1f} s |"
