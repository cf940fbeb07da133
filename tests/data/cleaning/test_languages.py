import pytest

from keras_mlm.data.cleaning.languages import LanguageFilter
from keras_mlm.data.documents import Document
from keras_mlm.data.left_out import LeftOut
from keras_mlm.errors import InputError

TEXTS = {
    "en": "The government said on Monday that it would raise taxes, because the budget needs it.",
    "zh": "国务院关于修改部分行政法规的决定自公布之日起施行，各级人民政府应当遵照执行。",
    "ja": "日本国民は、正当に選挙された国会における代表者を通じて行動し、われらとわれらの子孫のために。",
    "ko": "대한민국은 민주공화국이다. 대한민국의 주권은 국민에게 있고, 모든 권력은 국민으로부터 나온다.",
    "de": "Die Regierung erklärte am Montag, dass sie die Steuern erhöhen werde, weil der Haushalt es verlangt.",
    "fr": "Le gouvernement a annoncé lundi qu'il augmenterait les impôts parce que le budget l'exige.",
    "ru": "Правительство заявило в понедельник, что повысит налоги, потому что этого требует бюджет.",
}
# The language is not to be guessed from so little.
SHORT = ["Hello.", "第一条", "Bonjour !", "12 345 678 – 90", "https://example.com/a/b/c", "OK"]


@pytest.fixture(scope="module")
def english_and_chinese():
    return LanguageFilter(["en", "zh"])


@pytest.mark.parametrize("language", TEXTS)
def test_languages(english_and_chinese, language):
    verdict = "own" if language in ("en", "zh") else "foreign"
    assert english_and_chinese.judge(TEXTS[language]) == (verdict, language)


@pytest.mark.parametrize(
    "text",
    [
        "香港特別行政區政府總部位於香港島金鐘添馬，是香港特別行政區政府的行政總部。",
        "我哋今日去飲茶，你哋去唔去啊？佢話佢唔得閒，聽日先至可以去。",
        "却说宝玉因近日林黛玉懒怠理他，一时无聊，便往外边走来。",
    ],
)
def test_every_chinese_is_chinese(english_and_chinese, text):
    assert english_and_chinese.judge(text)[0] == "own"


def test_what_is_kept(english_and_chinese):
    documents = [Document("a", number, [text]) for number, text in enumerate([*TEXTS.values(), *SHORT], 1)]
    left_out = LeftOut()
    kept = [document.text for document in english_and_chinese.keep(documents, left_out)]
    assert kept == [TEXTS["en"], TEXTS["zh"], *SHORT]
    assert left_out.counts == {"foreign_documents": 5, "documents_kept_in_unknown_language": 6}
    assert (
        english_and_chinese.judge("Taxes are 税收 and laws are 法律, say we 我们 of Peking 北京大学.")[0] != "foreign"
    )
    assert left_out.places["foreign_documents"][2] == "a, line 5, de"


def test_the_beginning_and_the_middle_decide(english_and_chinese):
    motto = TEXTS["de"] * 10
    assert english_and_chinese.judge(motto)[0] == "foreign"
    assert english_and_chinese.judge(motto + TEXTS["en"] * 100)[0] != "foreign"
    long = TEXTS["en"] * 1000
    assert LanguageFilter(["zh"]).judge(long + TEXTS["zh"] * 2000) == ("foreign", "en")


def test_codes_that_are_none():
    with pytest.raises(InputError, match=r"no language 'chinese' is known: there are .*de.*, en, .*zh"):
        LanguageFilter(["en", "chinese"])
    with pytest.raises(InputError, match="'zxx'"):
        LanguageFilter(["zxx"])
