import pytest

from vecloom.text import language_of, words

SENTENCES = {
    "en": "It was the best of times, and they had not been there when he was born.",
    "de": "Der Vertrag wird nicht verlängert, wenn er bis zum Ende des Jahres gekündigt wird.",
    "es": "La ciudad es conocida por sus museos y por el puente que cruza el río.",
    "fr": "Les enfants ne sont pas dans la maison, mais ils jouent sur la plage.",
    "it": "Il libro è stato scritto da una donna che non ha mai lasciato la sua città.",
    "pt": "O livro não foi escrito pelo autor que dá nome à rua em que ele mora.",
    "nl": "Het huis staat niet in de stad, maar aan een weg die naar zee gaat.",
    "ro": "Cartea a fost scrisă de un autor care nu mai este în viață și care a trăit la București.",
    "sv": "Det är inte en bok som jag har läst, men den ska vara bra för dem som kan läsa.",
    "tr": "Bu kitap bir yazar tarafından yazılmış ve çok daha sonra okunmuş olan bir eser.",
    "pl": "Książka nie jest w domu, ale była tam przez cały dzień i jest jak nowa.",
    "vi": "Cuốn sách này được viết bởi một người không có tên trong danh sách của các tác giả.",
}


def of(text, usual=""):
    return language_of(words(text), usual)


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_tells_its_language(language):
    assert of(SENTENCES[language]) == language


def test_a_title_tells_nothing_and_counts_as_what_is_usual():
    assert of("Kernel density estimation") == ""
    assert of("Kernel density estimation", "de") == "de"


def test_the_usual_language_yields_to_clear_signs_only():
    assert of("La dolce vita", "en") == "en"
    assert of(SENTENCES["it"], "en") == "it"


def test_a_name_among_other_letters_tells_no_language():
    assert of("Το βιβλίο του Charles de Gaulle: «le fil de l'épée» και οι άλλες σελίδες του για τη Γαλλία") == ""
