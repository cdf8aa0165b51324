"""The language of a text in Latin letters, by its commonest words; what to stem it with.

A text is in the language whose function words it holds most of. That needs no model, takes microseconds on words that are folded
already, and is right wherever a paragraph is; a title of three words is often undecided, and then the answer is "".
What several languages share counts for each of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

from vecloom.text.folding import fold, has_tones

# Articles, pronouns, prepositions, conjunctions, auxiliaries and words that ask, of each language.
_FUNCTION_WORDS = {
    "ca": """
        el la els les de del dels en un una que per amb no es és són al als ha va més com però seva seu aquest
        aquesta on ser també des""",
    "cs": """
        se na v je že o s z jsou který která které jako by pro za po ale jeho byl byla bylo od k při ve ze není
        nebo jsem jak""",
    "da": """
        og i at det en den til er som på de med for af der ikke han har et var jeg men sig hun om ved blev fra
        også efter kan hvor""",
    "de": """
        der die das und in den von zu mit sich des auf für ist im dem nicht ein eine als auch es an er hat aus
        bei nach wie wird sind einer einem einen war wurde zur zum oder über was wer welche""",
    "en": """
        the of and to in a is that for it was on as with he be by at are this from his had not but have which or
        an they were their been has one what who when where how did does its""",
    "es": """
        de la que el en y a los se del las un por con no una su para es al lo como más o pero sus le ha me si
        sin sobre este ya entre cuando todo esta ser son dos también fue había qué cuál quién cómo""",
    "et": """
        ja on ei et see ta kui oli ka mis aga ning oma või nii siis seda mida kes selle tema ma pole olid kuid
        välja üle veel juba ole""",
    "fi": """
        ja on ei että se hän oli mutta myös kun ovat joka niin tai kuin ole sen jos mitä olla ovat hänen sekä
        jotka tämä jo vain sitä""",
    "fr": """
        de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec ou
        son aux mais cette ses comme été ont elle être à l d qu n quel quelle quand où""",
    "hu": """
        a az és hogy nem is egy ez meg de volt csak már el ki mint még azt vagy van ha ami aki ezt le fel kell
        lehet után""",
    "id": """
        yang dan di dari untuk dengan pada ini itu dalam adalah tidak oleh sebagai ke akan juga telah ada dapat
        mereka bisa saat lebih karena kita para""",
    "it": """
        di e il la che in a per un è del non si con una i da le al della sono come dei ha più su nel alla anche
        gli lo ma dalla delle questo o era l d dell quale chi quando cosa""",
    "lt": """
        ir yra kad tai į iš bet buvo kaip apie po jo jis savo nuo už dėl per ar tik jau jie dar ji prie buvo
        taip""",
    "nl": """
        de het een van en in is dat op te zijn met voor niet die er aan ook als door om bij maar uit naar dan
        nog wordt werd deze heeft hebben over hij ze wie wat waar""",
    "no": """
        og i det som en er på til av for at med de har ikke den han om et var jeg men seg fra hun ble kan eller
        etter være også""",
    "pl": """
        w i na się z nie jest że o jak za po od przez ale co są był oraz dla było jego który która które tym być
        może czy przy""",
    "pt": """
        de o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das tem à seu
        sua ou ser são também pelo pela quem qual quando onde""",
    "ro": """
        de și în a la cu o pe că din un care mai nu se este pentru sau ca au fost sunt prin lui al ale după cel
        cea ce unei unui acest această era dar între cine când""",
    "sv": """
        och i att det som en på är av för med den till inte om ett han men de har jag var sig från så kan man
        när eller hade ska också vid""",
    "tr": """
        ve bir bu da de için ile o olarak daha çok gibi en olan kadar ne sonra var ama her ise olduğu ya değil
        ki mi onun tarafından hangi nasıl göre kim""",
    "vi": """
        và của là các trong có được cho một những với không người để khi này đã từ ở về như cũng đến vào năm nào
        ra sự bị gì ông tại""",
}
STEMMERS = {  # Snowball's, which has none for Vietnamese
    "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "en": "english", "es": "spanish", "et": "estonian",
    "fi": "finnish", "fr": "french", "hu": "hungarian", "id": "indonesian", "it": "italian", "lt": "lithuanian",
    "nl": "dutch", "no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip
LANGUAGES = tuple(sorted(_FUNCTION_WORDS))
_LEAST, _LEAST_UNUSUAL = 2, 3  # different function words that a language must show
_SHARE = 0.1  # of a text's words that are function words of its language; of an English one it is 0.4
_TONED = 0.15  # of a text's words that have letters of Vietnamese alone; of a Vietnamese one it is 0.5
_LATIN = 0.5  # of a text's words that are in Latin letters; a name in a Greek text tells nothing
_AHEAD, _AHEAD_UNUSUAL = 1.2, 1.5  # times as many occurrences as the next language, or as the usual one


def language_of(words: Sequence[str], usual: str = "") -> str:
    """The language of a text by its words, in small letters or as they are written.

    Args:
        words: of the text.
        usual: the language of the texts around it: the answer where the text itself shows nothing else clearly.

    Returns:
        One of ``LANGUAGES``; ``usual`` where it is undecided or none of them.

    >>> language_of("der hund und die katze sind nicht im haus".split())
    'de'
    """
    if usual and sum(map(_own_words(usual).__contains__, words)) > _SHARE * len(words):
        return usual  # as nearly every text: found out quickly
    known = _known()
    scores: Counter[str] = Counter()
    kinds: dict[str, set[str]] = {}
    for word, count in Counter(filter(known.__contains__, words)).items():
        folded, languages = known[word]
        for language in languages:
            scores[language] += count
            kinds.setdefault(language, set()).add(folded)
    if usual != "vi" and _is_toned(words):
        return "vi"
    if not scores:
        return usual
    best, second = [*scores.most_common(2), ("", 0)][:2]
    least, ahead = (_LEAST_UNUSUAL, _AHEAD_UNUSUAL) if usual else (_LEAST, _AHEAD)
    rival = scores[usual] if usual and best[0] != usual else second[1]
    clear = best[1] >= max(_AHEAD * second[1], ahead * rival, _SHARE * len(words))
    return best[0] if clear and len(kinds[best[0]]) >= least and _is_latin(words) else usual


def _is_toned(words: Sequence[str]) -> bool:
    """Whether so many words are Vietnamese by their letters that the text is: titles hold few function words."""
    return has_tones(" ".join(words)) and sum(map(has_tones, words)) >= _TONED * len(words)


def _is_latin(words: Sequence[str]) -> bool:
    return "".join(words).isascii() or sum(word < "\u0250" for word in words) >= _LATIN * len(words)


def function_words(language: str) -> frozenset[str]:
    """The commonest words of a language, folded; none where it is not known."""
    return frozenset(map(fold, _FUNCTION_WORDS.get(language, "").split()))


@cache
def _own_words(language: str) -> frozenset[str]:
    """The function words, in small letters, that are those of this language alone."""
    return frozenset(form for form, (_, languages) in _known().items() if languages == (language,) and form.islower())


@cache
def _known() -> dict[str, tuple[str, tuple[str, ...]]]:
    """A function word, as it is written, at a sentence's start and without accents -> its normal form and its languages."""
    owners: dict[str, tuple[str, ...]] = {}
    for language in LANGUAGES:
        for word in sorted(function_words(language)):
            owners[word] = (*owners.get(word, ()), language)
    written = [word for words in _FUNCTION_WORDS.values() for word in words.split()]
    forms = {form: fold(word) for word in written for form in (word, word.capitalize(), fold(word))}
    return {form: (word, owners[word]) for form, word in forms.items()}
