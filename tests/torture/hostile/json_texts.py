"""Texts that are or are not JSON, and what this project decides where RFC 8259 leaves it open.

Each text is a value: it is tried in an ignored field, and alone on a line.
"""

from __future__ import annotations

from typing import Final

ACCEPTED: Final = [
    *("null", "true", "false", "[]", "[ ]", "[[]]", "[\t1 , 2\r]", '[null,1,"1",{}]', "[[[[[]]]]]"),
    *("{}", "{ }", '{"a":1}', '{"a":"b","c":"d"}', '{"":0}', '{"a":[]}', '{"a":{"b":{}}}'),
    *('{"a\\u0000b":1}', '{"\\u0061":1}', '{ "min":-1.0e+28 , "max":1.0e+28 }'),
    *("0", "-0", "-1", "123", "1.5", "-0.0", "0e1", "0e+1", "1E22", "1E-2", "1E+2", "20e1"),
    *("123.456e78", "-0." + "0" * 77 + "1", "1e-400", "9007199254740993", "1" * 20),
    *('""', '"a"', '" "', '"\\u0060\\u012a\\u12AB"', '"\\uD801\\udc37"', '"\\ud83d\\ude39\\u0041"'),
    *('"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\\\u0000"', '"\\\\a"', '"a/*b*/c//d"', '"\\u0012"'),
    *('"\\uFFFF"', '"\uffff"', '"\\uDBFF\\uDFFF"', '"\U0010ffff"', '"\u00a0\u2028\u2029"'),
    *('"\x7f"', '"\\u0000"', '"\u0080"', '"\ufeff"', '"e\u0301"', '"[1,2"', '"{\\"a\\":"', '","'),
]
# Open in RFC 8259, sections 4 and 9, or not of it at all.
DECIDED_ACCEPTED: Final = {
    # Grammar does not bound numbers. Where a number is ignored its size is nobody's business; as
    # a quantity it is out of range, or no integer.
    "1e999": "a number of any size is JSON",
    "-1e+9999": "a number of any size is JSON",
    "123123e100000": "a number of any size is JSON",
    "0.4e00" + "6" * 300: "a number of any size is JSON",
    "1" + "0" * 30: "10^30 is JSON",
    "9" * 5_000: "also of more digits than Python reads",
    "1." + "9" * 5_000: "also of more digits than Python reads",
    # Whose meaning could only be asked in a field that counts.
    '{"a":1,"a":2}': "a key twice, inside of what is ignored",
    '{"a":1,"\\u0061":1}': "a key twice, inside of what is ignored",
    "[" * 500 + "]" * 500: "up to 512 deep, with the two objects around it",
    '{"a":' * 500 + "0" + "}" * 500: "up to 512 deep, with the two objects around it",
    '"' + "[" * 2_000 + '"': "brackets in a string nest nothing",
    '"\\"' + "[" * 2_000 + '"': "brackets in a string nest nothing",
}
NOT_JSON: Final = [
    *("", " ", "[", "]", "{", "}", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1,,2]", "[1 2]", "[1:2]"),
    *("[a]", "[1]]", "[1]x", "[[]", "[1}", '["a]', "[*]", '["a",4,', '["x"', "[true", "[\x0b1]"),
    *('{"a":1', '{"a":1,}', '{"a":1,,}', '{"a"}', '{"a" 1}', '{"a":}', "{:1}", "{a:1}", "{1:1}"),
    *("{'a':1}", '{"a":1}}', '{"a":1]', '{"a":1 "b":2}', '{"a","b"}', '{"a"::1}', "{null:1}"),
    *("+1", "--1", "-", "+", ".5", "-.5", "1.", "-1.", "1.e1", "1e", "1e+", "1E", "1.5e-", "01"),
    *(
        "-01",
        "00",
        "1.2.3",
        "1_000",
        "1,000",
        "1 000",
        "0x1F",
        "0b1",
        "0o7",
        "1f",
        "1e1.5",
        "2e3e4",
    ),
    *("NaN", "-NaN", "nan", "Inf", "Infinity", "-Infinity", "+Infinity", "\uff11", "\u0661"),
    *("True", "FALSE", "None", "nul", "nulll", "tru", "undefined", "truefalse"),
    *('"', '"a', "'a'", '"a"b"', '"\\"', '"\\x41"', '"\\a"', '"\\u"', '"\\u12"', '"\\u123g"'),
    *('"\\U00000041"', '"\\u{41}"', '"\\ "', '"\\\u00e5"', '"\t"', '"\x00"', '"\x1f"', '"\x01"'),
    *("`a`", "\u201ca\u201d", "a", "\\u0041", "/**/1", "1/**/", "1//", "1#", "#1", "<a/>"),
    *("\u00a01", "1\u00a0", "\ufeff1", "1\ufeff", "\u20281", "\x0c1", "1\x0c", "\x001", "1\x00"),
    *("1 1", "[] []", "{}{}", "1;", "1)", "(1)", "$1", "@", "*", "=", ":"),
]
DECIDED_NOT_JSON: Final = {
    '"\\ud800"': "half a surrogate pair is no character",
    '"\\udc00"': "half a surrogate pair is no character",
    '"\\ud800\\ud800"': "half a surrogate pair is no character",
    '"\\udc00\\ud800"': "half a surrogate pair is no character",
    '"\\ud800a"': "half a surrogate pair is no character",
    '"\\uD888\\u1234"': "half a surrogate pair is no character",
    '{"\\ud800":1}': "in a key neither",
    "[" * 511 + "]" * 511: "over 512 deep, with the two objects around it",
    '{"a":' * 511 + "0" + "}" * 511: "over 512 deep, with the two objects around it",
    "[" * 100_000 + "]" * 100_000: "far deeper",
    '[{"a":' * 100_000 + "0" + "}]" * 100_000: "far deeper",
    "[" * 100_000: "and never closed",
    '{"a":' * 100_000: "and never closed",
}
NOT_UTF8: Final = {
    "a lone continuation": b'"\x80"',
    "a lone start": b'"\xe9"',
    "a sequence cut off": b'"\xe2\x82"',
    "an overlong slash of 2": b'"\xc0\xaf"',
    "an overlong slash of 3": b'"\xe0\x80\xaf"',
    "an overlong slash of 4": b'"\xf0\x80\x80\xaf"',
    "an overlong slash of 5": b'"\xf8\x80\x80\x80\xaf"',
    "an overlong slash of 6": b'"\xfc\x80\x80\x80\x80\xaf"',
    "an overlong quote as the end": b'"a\xc0\xa2',
    "a surrogate": b'"\xed\xa0\x80"',
    "a pair of them, as CESU-8 has it": b'"\xed\xa0\xbd\xed\xb8\x80"',
    "past U+10FFFF": b'"\xf4\x90\x80\x80"',
    "bytes that UTF-8 never has": b'"\xfe\xff"',
    "in a key": b'{"\xff":1}',
    "in an escape": b'"\\u00\xff0"',
    "UTF-16, little end first": '"é"'.encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + '"é"'.encode("utf-16-be"),
    "Latin-1": '"é"'.encode("latin-1"),
}
# How a quantity may be spelled, and the rule that others break; None: it is the 12 of it.
QUANTITIES: Final = {
    "12": None,
    "-0": None,
    "null": None,
    "1" + "0" * 10: None,
    "1" + "0" * 9 + "1": None,
    "10000000001": "quantity_out_of_range",
    "-1": "quantity_out_of_range",
    "9223372036854775808": "quantity_out_of_range",
    "18446744073709551628": "quantity_out_of_range",
    "340282366920938463463374607431768211468": "quantity_out_of_range",
    "1" + "0" * 30: "quantity_out_of_range",
    "-" + "9" * 5_000: "quantity_out_of_range",
    "12.0": "bad_type",
    "1.2e1": "bad_type",
    "12e0": "bad_type",
    "1e2": "bad_type",
    "-0.0": "bad_type",
    "1e999": "bad_type",
    "-1e999": "bad_type",
    "0e0": "bad_type",
    '"12"': "bad_type",
    "true": "bad_type",
    "[12]": "bad_type",
    "NaN": "not_json",
    "Infinity": "not_json",
    "012": "not_json",
    "+12": "not_json",
    "0x0c": "not_json",
    "12.": "not_json",
}
