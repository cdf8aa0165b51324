import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from vecloom.text import has_words, is_unspaced, spans, words
from vecloom.text.words import _classes

FIRST_ARTICLE = {  # of the Universal Declaration of Human Rights
    "en": "All human beings are born free and equal in dignity and rights.",
    "hi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "mr": "सर्व मानवी व्यक्ति जन्मतःच स्वतंत्र आहेत व त्यांना समान प्रतिष्ठा व समान अधिकार आहेत.",
    "bn": "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।",
    "ta": "மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்; அவர்கள் மதிப்பிலும், உரிமைகளிலும் சமமானவர்கள்.",
    "te": "ప్రతిపత్తిస్వత్వముల విషయమున మానవులెల్లరును జన్మతః స్వతంత్రులును సమానులును నగుదురు.",
    "ar": "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.",
    "he": "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם.",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "el": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "ka": "ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით.",
    "am": "የሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና በመብትም እኩልነት ያለው ነው።",
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "vi": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền.",
}
UNSPACED = {
    "zh": ("人人生而自由，在尊严和权利上一律平等。", ["人人生而自由", "在尊严和权利上一律平等"]),
    "ja": ("すべての人間は、生まれながらにして自由である。", ["すべての人間は", "生まれながらにして自由である"]),
    "th": ("มนุษย์ทั้งหลาย เกิดมามีอิสระ", ["มนุษย์ทั้งหลาย", "เกิดมามีอิสระ"]),
    "km": ("មនុស្សទាំងអស់ កើតមក។", ["មនុស្សទាំងអស់", "កើតមក"]),
    "lo": ("ມະນຸດທຸກຄົນ ເກີດມາ", ["ມະນຸດທຸກຄົນ", "ເກີດມາ"]),
    "my": ("လူတိုင်းသည်၊ တူညီလွတ်လပ်သော", ["လူတိုင်းသည်", "တူညီလွတ်လပ်သော"]),
}


@pytest.mark.parametrize("language", FIRST_ARTICLE)
def test_words_between_blanks_are_those_of_unicodes_own_rules(language):
    text = FIRST_ARTICLE[language]
    by_unicode = [part for part in regex.split(r"(?wV1)\b", text) if regex.search(r"[\p{L}\p{N}]", part)]
    assert words(text) == by_unicode
    assert not any(map(is_unspaced, by_unicode))


@pytest.mark.parametrize("language", UNSPACED)
def test_scripts_without_blanks_give_one_run_from_mark_to_mark(language):
    text, runs = UNSPACED[language]
    assert words(text) == runs
    assert all(map(is_unspaced, runs))


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("snake_case, don't; e-mail", ["snake", "case", "don", "t", "e", "mail"]),
        ("東京2020のＴＶ", ["東京", "2020", "の", "ＴＶ"]),
        ('צה"ל "שלום"', ['צה"ל', "שלום"]),
        ("exam\u00adple می\u200cخواهم", ["exam\u00adple", "می\u200cخواهم"]),
        ("cafe\u0301s", ["cafe\u0301s"]),
        ("½ x² ①", ["½", "x²", "①"]),
        ("... ?! _ —", []),
        ("", []),
    ],
)
def test_borders_of_words(text, cut):
    assert words(text) == cut
    assert has_words(text) is bool(cut)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_spans_are_the_words_places(text):
    assert [text[start:end] for start, end in spans(text)] == words(text)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2FF)))
def test_the_fast_path_cuts_as_the_other_does(text):
    assert words(text) == _classes()[0].findall(text)
