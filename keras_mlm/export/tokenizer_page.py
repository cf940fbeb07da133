"""What a client needs to write the tokenizer again and to prove it: one page, the vocabulary, 300 worked examples."""

from typing import TYPE_CHECKING, Any

from keras_mlm.config import dump_json
from keras_mlm.export.tokenizer_strings import tokenizer_strings
from keras_mlm.tokenizers.exact_word_piece import MAX_CHARACTERS_PER_WORD
from keras_mlm.tokenizers.fast_word_piece import MAX_BYTES_PER_WORD
from keras_mlm.tokenizers.normalization import strips_accents

if TYPE_CHECKING:
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

PAGE, VECTORS, VOCABULARY = "tokenizer.md", "tokenizer_vectors.json", "vocab.txt"

_PAGE = """\
# The tokenizer of this model

Text to ids, in five steps. `vocab.txt` has one token a line; its id is the number of the line, from 0. An
implementation is right when it gives the ids and offsets of every entry of `tokenizer_vectors.json`.

1. **Masks.** Split the text at every literal `[MASK]`. Do steps 2 to 4 for each part, and put the id of `[MASK]`
   ({mask}) between the parts. {masks}
2. **Characters.** {characters}
3. **Words.** {words}
4. **Pieces.** {limit} Of any other word, take the longest token of the vocabulary that the word begins
   with; of what is left, the longest that stands in the vocabulary behind `##`; and so on to the word's end. If that
   fails anywhere, the whole word is the one token `[UNK]` ({unk}).
5. **Row.** {cut} `[CLS]` ({cls}) goes in front, `[SEP]` ({sep}) behind, `[PAD]` ({pad}) up to
   `length`. `padding_mask` is 1 for all but the padding, `segment_ids` are 0.{pair}

Offsets count characters (code points) of the original text: `start` is where the first, `end` one past where the last
character came from that the token is made of. Characters that steps 2 and 3 drop belong to no token.
"""

_FAST_CHARACTERS = """Each character (code point) on its own: NFKC_Casefold, which also drops the default ignorable
   characters; then NFD; then drop what is in category Mn. What is left in Cc or Cf becomes a space. A client whose
   platform has no NFKC_Casefold takes NFKC, and then upper case and lower case of each character; `ı` stays, `ẞ` is
   `ss`, Cherokee letters take their upper case."""
_CASED_CHARACTERS = "Each character in category Cc or Cf becomes a space; all others stay as they are."
_FAST_WORDS = """Split at white space. Every punctuation character (category P, and all of ASCII that is no letter,
   digit or space) and every ideograph is a word of its own."""
_EXACT_WORDS = """Split at white space (tab, newline, return and category Zs are such). Every punctuation character
   (category P, and all of ASCII that is no letter, digit or space) and every ideograph is a word of its own."""
_IDEOGRAPHS = """ Ideographs are 3400-4DBF, 4E00-9FFF, F900-FAFF, 20000-2A6DF, 2A700-2B81F, 2B920-2CEAF, 2F800-2FA1F."""

_CUT = {
    "truncate": "Keep the first `length - 2` ids.",
    "head_tail": """Of more than `length - 2` ids keep so many: the first half of them from the beginning, the other
   half, the smaller one where their number is odd, from the end.""",
    "words": """More than `length - 2` ids need several rows; let neighbours share half of their ids, and believe of
   each word the row whose ends are farther away. A word's tag is that of its first id.""",
    "windows": """More than `length - 2` ids make several rows. With `room = length - 2` and
   `step = room - floor(room / 4)` the rows begin at the ids 0, `step`, `2 * step`, ... as long as that is less than
   `ids - room`, and the last one at `ids - room`. The mean of the rows' `logits` is the text's.""",
}
_MASKS = "Leave this step out where a text should not be able to hold masks."
_NO_MASKS = "The vectors have this step; leave it out of texts for this model, which has never seen a mask in one."
_PAIR = """
   A pair is `[CLS]` A `[SEP]` B `[SEP]`, with `segment_ids` 1 for B and the `[SEP]` behind it. Of more than
   `length - 3` ids the longer text loses ids until both are equally long (A has one more where that is odd), then both;
   of each, what is kept is chosen as for a single text."""


def tokenizer_page(tokenizer: "WordPieceTokenizer", model: Any = None) -> str:
    """Return the specification of a tokenizer, Markdown of a page.

    Args:
        tokenizer: WordPieceTokenizer.
        model: the model that it belongs to, which says how rows are made. Defaults to `None`, a pre-trained one.
    """
    long_text = "words" if hasattr(model, "scheme") else getattr(model, "long_text", "truncate")
    pairs = hasattr(model, "long_text") and long_text != "windows"
    if tokenizer.normalization == "fast":
        characters = _FAST_CHARACTERS if tokenizer.lowercase else _CASED_CHARACTERS
        words = _FAST_WORDS
        limit = f"A word of more than {MAX_BYTES_PER_WORD} bytes of UTF-8 is `[UNK]`."
    else:
        steps = ["Drop U+FFFD and what is in Cc, Cf or Co, but not tab, newline and return"]
        if strips_accents(tokenizer.normalization, tokenizer.lowercase, tokenizer.strip_accents):
            steps.insert(0, "NFD")
            steps.append("drop Mn")
        if tokenizer.lowercase:
            steps.append("lower case, each character on its own (`Σ` is always `σ`)")
        characters = "; ".join(steps) + ". Categories are those of Unicode 8."
        words = _EXACT_WORDS
        limit = f"A word of more than {MAX_CHARACTERS_PER_WORD} characters is `[UNK]`."
    return _PAGE.format(
        characters=characters,
        words=words + _IDEOGRAPHS,
        limit=limit,
        masks=_NO_MASKS if hasattr(model, "classes") else _MASKS,
        cut=_CUT[long_text],
        pair=_PAIR if pairs else "",
        mask=tokenizer.mask_token_id,
        unk=tokenizer.unk_token_id,
        cls=tokenizer.cls_token_id,
        sep=tokenizer.sep_token_id,
        pad=tokenizer.pad_token_id,
    )


def tokenizer_vectors(tokenizer: "WordPieceTokenizer") -> str:
    """Return worked examples as JSON: settings, and for each of 300 texts its ids, starts and ends, step 1 included."""
    texts = tokenizer_strings()
    found = tokenizer.tokenize_with_offsets(texts, mask_tokens=True)
    columns = (found.token_ids.to_list(), found.starts.to_list(), found.ends.to_list())
    return dump_json(
        {
            "format_version": 1,
            "normalization": tokenizer.normalization,
            "lowercase": tokenizer.lowercase,
            "strip_accents": strips_accents(tokenizer.normalization, tokenizer.lowercase, tokenizer.strip_accents),
            "vectors": [
                {"text": text, "token_ids": ids, "starts": starts, "ends": ends}
                for text, ids, starts, ends in zip(texts, *columns, strict=True)
            ],
        }
    )
