"""A smaller vocabulary: the tokens that a corpus or a script uses, and those without which they would not come about.

Most of a multilingual model's numbers are rows for tokens that one language never meets (Abdaoui, Pradel and Sigel 2020, "Load
what you need", arXiv:2010.05609). Removing them changes no vector of a text whose tokens are all kept, because the tokenizer
cuts it as before:

- WordPiece takes the longest token that fits; what it took is still there, and nothing longer came.
- BPE applies merges in their order. Kept are, with each token, both parts of every merge that makes it, and so on down; so every
  merge that took part in cutting such a text is there, and none is new.
- Unigram takes the likeliest path; it is still there. The score of unknown characters hangs on the lowest score of
  all, so that token is kept.

Kept beside what is seen: special and added tokens, bytes, and single characters of the corpus's scripts and without a script,
so that other words can still be spelled. A text with an unknown token is not covered: WordPiece gives up a word whose longest
beginning leads nowhere, and may not with fewer tokens.

What belongs to a script is Unicode's answer (Script_Extensions): not its letters alone, but also iteration and length marks
(々, ー, ゝ), narrow and wide forms, and combining marks. Punctuation, digits, symbols and joiners that scripts share belong to
each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, cast

from vecloom.errors import UsageError
from vecloom.extend.vocabulary.rules import Rules, built, merge_pairs, merged, model_tokens, rules_of, with_order
from vecloom.extend.vocabulary.surfaces import Surfaces, unknown_id

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_SEEN_SCRIPT = 0.01  # share of a corpus's letters below which a script is a quotation
_BATCH = 1000
# Unicode 15's scripts, the commonest first
_NAMES = """
    latin cyrillic greek han hiragana katakana hangul arabic hebrew devanagari bengali thai adlam ahom armenian
    avestan balinese bamum bassa_vah batak bhaiksuki bopomofo brahmi braille buginese buhid canadian_aboriginal
    carian caucasian_albanian chakma cham cherokee chorasmian coptic cuneiform cypriot cypro_minoan deseret
    dives_akuru dogra duployan egyptian_hieroglyphs elbasan elymaic ethiopic georgian glagolitic gothic grantha
    gujarati gunjala_gondi gurmukhi hanifi_rohingya hanunoo hatran imperial_aramaic inscriptional_pahlavi
    inscriptional_parthian javanese kaithi kannada kawi kayah_li kharoshthi khitan_small_script khmer khojki
    khudawadi lao lepcha limbu linear_a linear_b lisu lycian lydian mahajani makasar malayalam mandaic manichaean
    marchen masaram_gondi medefaidrin meetei_mayek mende_kikakui meroitic_cursive meroitic_hieroglyphs miao modi
    mongolian mro multani myanmar nabataean nag_mundari nandinagari new_tai_lue newa nko nushu
    nyiakeng_puachue_hmong ogham ol_chiki old_hungarian old_italic old_north_arabian old_permic old_persian
    old_sogdian old_south_arabian old_turkic old_uyghur oriya osage osmanya pahawh_hmong palmyrene pau_cin_hau
    phags_pa phoenician psalter_pahlavi rejang runic samaritan saurashtra sharada shavian siddham signwriting
    sinhala sogdian sora_sompeng soyombo sundanese syloti_nagri syriac tagalog tagbanwa tai_le tai_tham tai_viet
    takri tamil tangsa tangut telugu thaana tibetan tifinagh tirhuta toto ugaritic vai vithkuqi wancho warang_citi
    yezidi yi zanabazar_square
    """
SCRIPTS = tuple(_NAMES.split())
_SETS = {
    "cjk": ("han",),
    "japanese": ("han", "hiragana", "katakana"),
    "korean": ("hangul", "han"),
}


def token_counts(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[int]:
    """How often each id occurs in texts, special tokens aside."""
    counted: Counter[int] = Counter()
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == _BATCH:
            _count(tokenizer, batch, counted)
            batch = []
    _count(tokenizer, batch, counted)
    return counted


@lru_cache(maxsize=2**16)
def script_of(letter: str) -> str:
    """The script of a letter by its Unicode name ("latin", "han"); "" where it is not a letter, or of several scripts."""
    found = _script_pattern().match(letter) if letter.isalpha() else None
    return str(found.lastgroup) if found else ""


def scripts_in(texts: Iterable[str]) -> set[str]:
    """The scripts of at least 1 % of the letters in texts."""
    letters: Counter[str] = Counter()
    for text in texts:
        letters.update(text)
    scripts: Counter[str] = Counter()
    for letter, count in letters.items():
        scripts[script_of(letter)] += count
    scripts.pop("", None)
    total = sum(scripts.values())
    return {script for script, count in scripts.items() if count >= _SEEN_SCRIPT * total}


def tokens_to_keep(
    tokenizer: Tokenizer, texts: Sequence[str], *, least: int = 1, scripts: Collection[str] = ()
) -> set[str]:
    """The tokens that stay.

    Args:
        tokenizer: the model's.
        texts: of the corpus; may be empty where scripts are given.
        least: how often a token has to occur in them.
        scripts: names of scripts, as in "latin"; every token whose characters all belong to these stays too. "cjk" is
            han, "japanese" and "korean" are the scripts of these languages.

    Returns:
        tokens, with all that they need.

    Raises:
        UsageError: no text and no script, or a script that no token has.
    """
    if not texts and not scripts:
        raise UsageError("There is neither a corpus nor a script to trim to.", "Name texts, or give --script latin.")
    wanted = _named(scripts)
    surfaces = Surfaces(tokenizer)
    counted = token_counts(tokenizer, texts)
    rules = rules_of(tokenizer)
    kept = {row["content"] for row in rules.get("added_tokens") or ()}
    kept |= {token for token, number in surfaces.ids.items() if counted[number] >= least}
    in_wanted, spelled = _belongs_to(wanted), _belongs_to(wanted | scripts_in(texts))
    met: set[str] = set()
    for token, number in surfaces.ids.items():
        text = _text(surfaces.by_id[number])
        if text is None:  # special, or a byte
            kept.add(token)
            continue
        met.update(map(script_of, text))
        if (wanted and in_wanted(text)) or (len(text) <= 1 and spelled(text)):
            kept.add(token)
    for script in scripts:
        if not _named([script]) & met:
            offered = ", ".join(sorted(met - {""})[:12])
            raise UsageError(f"No token is written in the script {script.lower()!r}.", f"There are {offered}.")
    return with_needed(tokenizer, rules, kept)


def with_needed(tokenizer: Tokenizer, rules: Rules, kept: Collection[str]) -> set[str]:
    """Tokens and those without which they would not come about, or others would be cut otherwise."""
    found = set(kept)
    unknown = unknown_id(tokenizer, rules)
    if unknown is not None:
        found.add(str(tokenizer.id_to_token(unknown)))
    model = rules["model"]
    if model["type"] == "Unigram":
        found.add(min(model["vocab"], key=lambda row: row[1])[0])
    if model["type"] == "BPE":
        found = _with_parts(model, found)
    return found & set(tokenizer.get_vocab())


def trimmed(tokenizer: Tokenizer, kept: Collection[str]) -> Tokenizer:
    """The tokenizer with these tokens alone, in the old order.

    Args:
        tokenizer: the model's.
        kept: as ``tokens_to_keep`` gives them; added tokens stay in any case.

    Raises:
        UsageError: that is all of them.
    """
    rules = rules_of(tokenizer)
    order = [token for token in model_tokens(rules) if token in kept]
    if len(order) == len(model_tokens(rules)):
        raise UsageError(
            "There is nothing to trim: every token is used.", "Give a smaller corpus, or a higher --least."
        )
    return built(with_order(rules, order))


def _named(scripts: Collection[str]) -> set[str]:
    names = [script.lower().replace(" ", "_").replace("-", "_") for script in scripts]
    return {part for name in names for part in _SETS.get(name, (name,))}


def _belongs_to(scripts: Collection[str]) -> Callable[[str], Any]:
    """Whether each character of a text belongs to one of these scripts, or is shared by many."""
    import regex

    # A mark or a letter can be "common" and yet of a few scripts only, as kana's length mark is: Script_Extensions knows.
    shared = r"\p{scx=Zyyy}\p{scx=Zinh}[[\p{sc=Zyyy}\p{sc=Zinh}]--[\p{L}\p{M}]]"
    own = "".join(rf"\p{{scx={script}}}" for script in sorted(scripts) if script in SCRIPTS)
    return cast("Callable[[str], Any]", regex.compile(rf"(?V1)[{shared}{own}]*+").fullmatch)


@cache
def _script_pattern() -> Any:
    import regex

    return regex.compile("|".join(rf"(?P<{script}>\p{{sc={script}}})" for script in SCRIPTS))


def _with_parts(model: Rules, kept: set[str]) -> set[str]:
    parts: dict[str, list[str]] = {}
    prefix = model.get("continuing_subword_prefix") or ""
    for left, right in merge_pairs(model):
        parts.setdefault(merged(left, right, prefix), []).extend((left, right))
    found: set[str] = set()
    waiting = list(kept)
    while waiting:
        token = waiting.pop()
        if token not in found:
            found.add(token)
            waiting.extend(parts.get(token, ()))
    return found


def _text(surface: bytes | None) -> str | None:
    """A surface as text without its space; None for special tokens and for bytes of no whole character, which always stay."""
    if surface is None:
        return None
    try:
        return surface.decode().removeprefix(" ")
    except UnicodeDecodeError:
        return None if len(surface.removeprefix(b" ")) <= 1 else ""


def _count(tokenizer: Any, batch: list[str], counted: Counter[int]) -> None:
    for encoding in tokenizer.encode_batch(batch, add_special_tokens=False):
        counted.update(encoding.ids)
