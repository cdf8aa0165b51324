"""The table of methods for longer texts: what each fits, what comes out, and the function that does it.

Every function is ``(source, made, target, **options) -> what it found``: it changes ``made``, a copy of the source's
directory. What it takes as options is read off its signature.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vecloom.errors import ModelError, UsageError
from vecloom.extend.parallel_windows import parallel_windows
from vecloom.extend.positions import grouped, interpolate, recurrent
from vecloom.extend.rotary import linear, ntk, self_extend, yarn
from vecloom.extend.source import Source
from vecloom.extend.tuning import tune


@dataclass(frozen=True)
class Method:
    """One way to read longer texts.

    Attributes:
        run: ``(source, made, target, **options) -> found``.
        does: in a few words.
        source: where it comes from.
        positions: the kinds of model that it fits: "absolute", "rotary", "" for all others.
        plain: whether stock libraries run the result, of the source's positions and the options.
    """

    run: Callable[..., dict[str, Any]]
    does: str
    source: str
    positions: tuple[str, ...]
    plain: Callable[[str, Mapping[str, Any]], bool] = lambda positions, options: True

    @property
    def options(self) -> dict[str, Any]:
        """Options that a user can set, with their defaults."""
        found = inspect.signature(self.run).parameters.values()
        return {item.name: item.default for item in found if item.kind is item.KEYWORD_ONLY and item.name != "progress"}

    def result(self, positions: str, options: Mapping[str, Any]) -> str:
        """What comes out for a model of this kind: "plain" (any library runs it), or "module" (needs vecloom and torch)."""
        return "plain" if self.plain(positions, options) and not options.get("attention_scaling") else "module"

    @property
    def takes_time(self) -> bool:
        """Whether it tells how far it is."""
        return "progress" in inspect.signature(self.run).parameters


_PAPER = "arXiv:2404.12096"
_ABSOLUTE, _ROTARY = ("absolute",), ("rotary",)

METHODS: dict[str, Method] = {
    "windows": Method(
        parallel_windows,
        "mean over windows of the old length",
        "arXiv:2212.10947",
        ("absolute", "rotary", ""),
        lambda positions, options: False,
    ),
    "grouped": Method(
        grouped,
        "neighbouring positions share a number",
        _PAPER,
        ("absolute", "rotary"),
        lambda positions, options: positions == "absolute" and options["by"] == "target",
    ),
    "recurrent": Method(recurrent, "positions begin anew after the last", _PAPER, _ABSOLUTE),
    "interpolate": Method(
        interpolate,
        "new rows on the line between old ones",
        _PAPER,
        _ABSOLUTE,
        lambda positions, options: options["short"] == "squeezed",
    ),
    "tune": Method(
        tune,
        "only the new rows are trained, on pairs of texts",
        _PAPER,
        _ABSOLUTE,
        lambda positions, options: options["start"] == "recurrent",
    ),
    "linear": Method(linear, "every rotation slower by the factor", "arXiv:2306.15595", _ROTARY),
    "ntk": Method(ntk, "a larger base: only slow rotations become slower", _PAPER, _ROTARY),
    "yarn": Method(yarn, "slow rotations interpolated, fast ones kept", "arXiv:2309.00071", _ROTARY),
    "self_extend": Method(
        self_extend,
        "true distances nearby, grouped ones beyond",
        "arXiv:2401.01325",
        _ROTARY,
        lambda positions, options: False,
    ),
}
"""Every method by name."""

DEFAULTS = {"absolute": "interpolate", "rotary": "self_extend", "": "windows"}
"""For each kind of positions, the method that needs no data and leaves short texts alone."""

ALIASES = {
    "pcw": "windows", "parallel_windows": "windows", "gp": "grouped", "rp": "recurrent", "pi": "interpolate",
    "ntk_aware": "ntk", "se": "self_extend", "selfextend": "self_extend",
}  # fmt: skip


def canonical(name: str) -> str:
    """The table's name for a name as people write it."""
    plain = name.strip().lower().replace("-", "_")
    return ALIASES.get(plain, plain)


def method_of(name: str) -> Method:
    """The method of a name.

    Raises:
        UsageError: there is none; the sentence offers close names.
    """
    found = METHODS.get(canonical(name))
    if found is None:
        close = difflib.get_close_matches(canonical(name), [*METHODS, *ALIASES], n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(close)}?" if close else f"There are {', '.join(METHODS)}."
        raise UsageError(f"There is no method {name!r} for longer texts.", hint)
    return found


def check_call(name: str, source: Source, target: int, options: Mapping[str, Any]) -> Method:
    """Have what a method needs, before work.

    Returns:
        the method.

    Raises:
        UsageError: the target is not longer than the source, or an option is not the method's.
        ModelError: the method does not fit the model's positions.
    """
    method = method_of(name)
    for option in options:
        if option not in method.options:
            close = difflib.get_close_matches(option, method.options, n=2, cutoff=0.5)
            hint = f"Did you mean {' or '.join(close)}?" if close else f"It has {', '.join(method.options) or 'none'}."
            raise UsageError(f"{canonical(name)} has no option {option!r}.", hint)
    if target <= source.length:
        raise UsageError(
            f"{source.name} reads {source.length} tokens already, and --to {target} is not more.",
            f"Give a target above {source.length}.",
        )
    if source.positions not in method.positions:
        raise ModelError(f"{canonical(name)} does not fit {source.name}: {_unfit(source)}.", _fitting(source))
    return method


def _unfit(source: Source) -> str:
    has = {"absolute": "a position table", "rotary": "rotary positions"}.get(source.positions)
    return f"the family {source.family} has {has or 'positions that vecloom does not know'}"


def _fitting(source: Source) -> str:
    fit = [name for name, method in METHODS.items() if source.positions in method.positions]
    return f"Use {', '.join(fit)}." if fit else "Give a model of the BERT family, or one with rotary positions."
