"""The texts that prove a tokenizer: sentences of two languages and everything that is easily got wrong."""

# None of them is of a corpus: an export holds no text that a model was trained on.
_ENGLISH = (
    "The {a} is near the {b}.", "Who left the {a} in the {b}?", "{a}, {b} and nothing else!", "It's a {a}-{b} problem.",
    "\u201cThe {a},\u201d she said, \u201cbelongs to the {b}.\u201d", "A {a} costs $3.50; a {b} costs 12% more.",
    "THE {a} AND THE {b}", "The [MASK] of the {a} saw a {b}.", "{a}/{b} (see p. 7)", "e-mail: {a}@{b}.example",
)  # fmt: skip
_NOUNS = ("house", "river", "unbelievable machine", "lighthouse", "Kindergarten", "café", "naïve reader", "data2vec",
          "x", "microphotography")  # fmt: skip
_CHINESE = (
    "{a}在{b}旁边。", "谁把{a}放在{b}里了？", "{a}、{b}，还有别的！", "“{a}，”她说，“是{b}的。”", "《{a}》（{b}著）",
    "{a}的价格是3.50元，{b}贵12%。", "他说：{a}……{b}。", "{a}的[MASK]很{b}。", "第1章　{a}与{b}",
    "{a}和iPhone 15比{b}好",
)  # fmt: skip
_WORDS = ("房子", "长江", "人工智能", "灯塔", "學校", "咖啡店", "読者", "数据", "一", "显微摄影")

_ODD = (
    "", " ", "\t\n\r", "a", ".", "中", "...", "\u2026", "a\u00a0b", "a\u3000b", "a\u2003b", "a\u200bb", "a\u00adb",
    "a\ufeffb", "a\u0000b", "a\u0007b", "a\u007fb", "a\u202eb", "a\ue000b", "a\ufffdb", "\U0001f600",
    "a\U0001f600b", "\U0001f469\u200d\U0001f4bb", "\U0001f1e9\U0001f1ea", "1\ufe0f\u20e3", "\u00c5ngstr\u00f6m",
    "A\u030angstro\u0308m", "\u1e9b\u0323", "\ufb01ne \ufb02ow", "stra\u00dfe", "STRASSE", "\u1e9e",
    "\u0130stanbul", "\u0131\u015f\u0131k", "\u03a3\u0391\u03a3", "\u03c3\u03b1\u03c2", "\u00bd \u00b2 \u2167",
    "\uff21\uff22\uff43\uff11\uff12", "\uff01\uff1f\uff08\uff09", "\u30ac\u30ae", "\uff76\uff9e", "\u304b\u3099",
    "\ud55c\uad6d\uc5b4", "\u0420\u043e\u0441\u0441\u0438\u044f \u0451\u0436",
    "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", "\u0645\u0631\u062d\u0628\u064b\u0627",
    "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22", "\u0939\u093f\u0928\u094d\u0926\u0940", "\u4e2d\u56fd",
    "\uf900\u8c48", "\U00020000\U0002a6d6", "\u3400\u4dbf", "\u3007", "\u2ff0", "x\u0301\u0302\u0303", "\u0301",
    "\u0301a", "[MASK]", "[MASK][MASK]", "[mask]", "[ MASK ]", "[MASK", "a[MASK]b", "[CLS] [SEP] [PAD] [UNK]",
    "##ing", "# # ing", "don't", "don\u2019t", "rock'n'roll", "U.S.A.", "C++ & C#", "a_b-c*d",
    "http://example.org/a?b=c&d=%20", "1,234.56", "10\u00d710", "\u20ac5 \u00a37 \u00a59", "a+b=c", "<br/>",
    "{[(\u3008\u300a", "`~!@#$%^&*()", "\u2014\u2013\u2012", "\u00b7\u30fb", "x" * 99, "x" * 101, "x" * 401,
    "\u00e9" * 101, "\u4e2d" * 120, "\u00e9" * 210, "a " * 60, "aA bB cC", "ALLCAPS mixedCase", "\u01c5", "\u01c4",
    "\u0149", "\u1fb7", "\u2126\u212a\u212b", "\u2460\u2461", "\u3392", "\ufdfa", "\u0344",
)  # fmt: skip


def tokenizer_strings() -> list[str]:
    """Return 300 texts: a hundred odd ones, a hundred English and a hundred Chinese sentences."""

    def filled(patterns: tuple[str, ...], words: tuple[str, ...]) -> list[str]:
        return [
            pattern.format(a=words[number], b=words[(number + shift + 1) % len(words)])
            for shift, pattern in enumerate(patterns)
            for number in range(len(words))
        ]

    return [*_ODD, *filled(_ENGLISH, _NOUNS), *filled(_CHINESE, _WORDS)]
