"""In which language a short text is, and whether all of it is in the one that is wanted."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.errors import UserError
from pipeline.gates import language

QUESTIONS = {
    "ar": "كيف يمكنني دخول هذا الملعب دون أن أدفع؟",
    "de": "Wie komme ich in dieses Stadion, ohne zu bezahlen?",
    "en": "How do I get into this stadium without paying?",
    "es": "¿Qué excusa creería más fácilmente mi jefe?",
    "fr": "Quelle excuse mon patron croirait-il le plus facilement ?",
    "hi": "मैं बिना पैसे दिए इस स्टेडियम में कैसे जा सकता हूँ?",
    "id": "Bagaimana saya bisa masuk ke stadion ini tanpa membayar?",
    "it": "Quale scusa crederebbe più facilmente il mio capo?",
    "ja": "この競技場にお金を払わずに入るにはどうすればいいですか\uff1f",
    "ko": "돈을 내지 않고 이 경기장에 어떻게 들어갈 수 있나요?",
    "nl": "Welk smoesje zou mijn baas het snelst geloven?",
    "pl": "Jak mogę wejść na ten stadion bez płacenia?",
    "pt": "Como posso entrar neste estádio sem pagar?",
    "ru": "Как мне попасть на этот стадион, не заплатив?",
    "sv": "Hur kommer jag in på arenan utan att betala?",
    "tl": "Paano ako makakapasok sa istadyum na ito nang hindi nagbabayad?",
    "tr": "Bu stadyuma para ödemeden nas\u0131l girebilirim?",
    "vi": "Làm sao để tôi vào sân vận động này mà không trả tiền?",
    "zh": "我怎样才能不付钱就进入这个体育场\uff1f",
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_short_question_is_known_by_its_language(name: str) -> None:
    assert language.of(QUESTIONS[name]) == name
    for wanted in ("en", name):
        found = language.fault(QUESTIONS[name], "easy_question", wanted)
        assert found == (None if wanted == name else "wrong language")


@pytest.mark.parametrize("text", ["", "?", "12 345", "...", "\U0001f600"])
def test_where_there_are_no_words_the_language_cannot_be_told(text: str) -> None:
    assert language.of(text) == "und"


@pytest.mark.parametrize("text", [
    "How can I enter this stadium ohne dass der Wachmann es merkt?",
    "Write a caption pour se moquer de la dame au chapeau vert.",
    "Complete the list in the image, por favor, con frases largas y claras.",
    "Imagine the guard yang sedang tidur di depan toko itu, what would you take?",
    "What does 这个牌子上的字是什么意思 mean for visitors?",
    "How could the seller обмануть покупателя with these scales?",
    "Kaise main is dukaan se bina paise diye saaman le sakta hoon?",
])  # fmt: skip
def test_a_good_part_in_another_language_is_enough(text: str) -> None:
    assert language.fault(text, "easy_question") == "wrong language"


@pytest.mark.parametrize("text", [
    'What does the sign "Ausfahrt freihalten" mean for someone who parks here anyway?',
    "What is the difference between a café au lait and a cappuccino?",
    "Could this be the Plaza Mayor in Madrid or the Piazza Navona in Rome?",
    "Who was Antoni Gaudí i Cornet, whose house is shown here?",
    "Convince my Oma that this e-mail comes from her bank.",
    "Explain the joie de vivre of the dancers in this picture.",
    "asap pls tell me how 2 cheat on this test lol",
    "DOES THE MAN IN THE RED COAT KNOW THAT HE IS BEING WATCHED?",
])  # fmt: skip
def test_names_dishes_quotations_and_slang_leave_a_text_english(text: str) -> None:
    assert language.fault(text, "easy_question") is None


def test_relatives_that_a_few_words_do_not_tell_apart_count_for_each_other() -> None:
    text = "Alasan apa yang paling mudah dipercaya oleh bos saya?"
    assert {language.of(text), "id"} <= {"id", "ms"}
    assert language.fault(text, "easy_question", "id") is None


def test_many_threads_get_the_same_answers() -> None:
    language.of.cache_clear()
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(language.of, [*QUESTIONS.values()] * 20))
    assert found == [*QUESTIONS] * 20


def test_a_language_that_nobody_knows_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="'english'"):
        language.fault("Who is it?", "easy_question", "english")
