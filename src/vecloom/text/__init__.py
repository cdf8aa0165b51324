"""Words, sentences and normal forms of text in every script: one notion of each, for all that counts, indexes or shows them."""

from vecloom.text.folding import fold
from vecloom.text.languages import LANGUAGES, language_of
from vecloom.text.marking import marked
from vecloom.text.repeats import repeats
from vecloom.text.sentences import sentences
from vecloom.text.terms import RULES, cut, joined_stems, query_stems, stems, terms
from vecloom.text.words import has_words, is_unspaced, letters, spans, spoken_words, word_count, words

__all__ = [
    "LANGUAGES", "RULES", "cut", "fold", "has_words", "is_unspaced", "joined_stems", "language_of", "letters", "marked",
    "query_stems", "repeats", "sentences", "spans", "spoken_words", "stems", "terms", "word_count", "words",
]  # fmt: skip
