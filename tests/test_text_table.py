from keras_mlm.text_table import text_table


def test_columns_line_up_with_wide_characters():
    lines = text_table(["词", "score"], [["首都", 0.25], ["capital", 1234.5], ["é" + "e\u0301", None]]).splitlines()
    assert lines == [
        "词       score",
        "-------  -----",
        "首都      0.25",
        "capital  1,234",
        "é" + "e\u0301",
    ]


def test_no_rows():
    assert text_table(["a", "bb"], []) == "a  bb\n-  --"
