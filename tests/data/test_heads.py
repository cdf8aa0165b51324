from hypothesis import given
from hypothesis import strategies as st

from vecloom.data import Chunker, Document
from vecloom.data.heads import cut, fitted

NAMES = st.lists(st.sampled_from(["tea", "of", "procedure", "日本", "x" * 70]), max_size=12).map(" ".join)


def words(text):
    return len(text.split())


def test_what_fits_is_left_as_it_is():
    assert fitted("Tea", "Green > Sencha", 4, words) == "Tea Green > Sencha"
    assert fitted("Tea", "Tea > Sencha", 3, words) == "Tea > Sencha"


def test_a_title_keeps_its_beginning_and_a_path_its_end():
    assert fitted("a b c d e f", "one > two > three", 8, words) == "a b c d e two > three"
    # of 6 words the title has 3, the link 1 and the path 2, which "below > deepest" exceeds; the title takes what is left
    assert fitted("a b c d", "a b c d > below > deepest", 6, words) == "a b c d > deepest"


def test_a_short_title_leaves_its_room_to_the_path():
    assert fitted("a", "one > two > three > four", 6, words) == "a two > three > four"


def test_a_word_longer_than_the_room_is_cut_inside():
    assert cut("abcdefgh", 3, len) == "abc"
    assert cut("", 3, len) == cut("abc", 0, len) == ""


@given(title=NAMES, headings=st.lists(NAMES.filter(bool), max_size=4), room=st.integers(1, 40))
def test_a_head_never_takes_more_than_its_room(title, headings, room):
    # characters as tokens: the strictest count, and additive
    assert len(fitted(title, " > ".join(headings), room, len)) <= room


@given(title=NAMES, headings=st.lists(NAMES.filter(bool), max_size=4), text=NAMES.filter(bool), markdown=st.booleans())
def test_title_and_path_take_a_quarter_at_most_and_the_text_is_whole(title, headings, text, markdown):
    body = "".join(f"{'#' * (1 + depth)} {heading}\n" for depth, heading in enumerate(headings)) + f"\n{text}"
    chunker = Chunker(None, 40, 0)  # 4 characters a token
    source = "d.md" if markdown else "d.txt"
    for chunk in chunker.chunk(Document("d", body, title, source=source)):
        assert chunk.passage.endswith(chunk.text)
        assert len(chunk.passage) - len(chunk.text) - 1 <= 10 * 4
        assert len(chunk.passage) <= 40 * 4 + 1


def test_a_title_without_a_text_has_the_whole_room():
    (chunk,) = Chunker(None, 8, 0).chunk(Document("d", "", "a title " * 20))
    assert (chunk.text, chunk.passage) == ("", ("a title " * 4).strip())
    assert Chunker(None).chunk(Document("d", " ", "Inversion of matrices"))[0].passage == "Inversion of matrices"


def test_without_text_and_title_there_is_no_chunk():
    assert Chunker(None).chunk(Document("d", " ", "\n")) == []
