"""Valid event lines, each with one to three faults that no correct producer would make."""

from __future__ import annotations

import base64
import json
import random
from dataclasses import dataclass, field

from tests.support.events.event_files import written_instant, written_time
from tests.support.events.random_events import HOUR_START_MS, Json

DAY_MS = 86_400_000

NUMBERS = [
    *("0", "-0", "00", "01", "+1", "1.0", "1e0", "1E2", "0.5", ".5", "1.", "-1", "0x1"),
    *("10000000000", "10000000001", "9223372036854775807", "9223372036854775808"),
    *("18446744073709551617", "-9223372036854775809", "1" * 400, "1e400", "1" * 5_000),
    *("true", "false", "null", "None", "NaN", "-Infinity", '"12"', '""', "", " 7 ", "7 7"),
]
TEXTS = [
    *('"a"', '""', '" a"', '"a "', "'a'", '"a', 'a"', '"a"b"', '"a" "b"', "null", "1", "true"),
    *(r'"\u0041"', r'"\u00e9"', r'"\u0000"', r'"\u001f"', r'"\u007f"', r'"\u0085"', r'"\uFFFF"'),
    *(r'"\ud800"', r'"\udc00"', r'"\ud83d\ude00"', r'"\ude00\ud83d"', r'"\uD800\u0041"'),
    *(r'"\n"', r'"\/"', r'"\\"', r'"\""', r'"\x41"', r'"\u12"', r'"\u12g4"', '"\\'),
    *('"\t"', '"\x01"', '"\x00"', '"\x7f"', '"\x80"', '"\x9f"', '"\xa0"', '"\u2028"', '"\ufeff"'),
    *('"\U0001f600"', '"\ufffd"', '"\ufffe"', '"${x}"', '"{}"', '","', '"}}"', '"\\u0022"'),
    *(f'"{"a" * size}"' for size in (128, 256, 257, 512, 513, 1_024, 1_025)),
    *(f'"{"é" * size}"' for size in (128, 129, 256, 257, 512, 513)),
]
# Around the drawn instants, and at every boundary an instant parser may have.
_CLOCKS = [
    *("13:00:00", "13:00:00.5", "13:00:00.000", "13:00:00.123", "13:00:00.1234", "13:00:00."),
    *("13:00:00.123456", "13:00:00.9999999", "13:00:00.123456789", "13:00:00.1234567891"),
    *("13:00:00,5", "13:00", "1:00:00", "13:00:60", "13:60:00", "23:59:60", "24:00:00", "130000"),
]
_DATES = [
    *("2026-11-22", "2026-11-31", "2026-02-29", "2028-02-29", "2000-02-29", "1900-02-29"),
    *("2026-00-10", "2026-13-10", "2026-11-00", "2026-11-32", "20261122", "2026-1-22", "26-11-22"),
    *("0000-01-01", "0001-01-01", "0999-12-31", "1000-01-01", "1582-10-10", "1969-12-31"),
    *("1970-01-01", "2999-12-31", "3000-01-01", "9999-12-31", "10000-01-01", "-2026-11-22"),
    *("+2026-11-22", "2026-W47-7", "2026-326", "\u0662\u0660\u0662\u0666-11-22"),
]
_ZONES = [
    *("Z", "z", "+00:00", "-00:00", "+01:00", "-08:00", "+23:59", "+24:00", "+00:60", "+00:01"),
    *("", " ", "+00", "+0000", "UTC", " UTC", "Z ", "ZZ", "+00:00Z", "[UTC]", "-00:00:00"),
]
INSTANTS = [
    *(f'"{date}T13:00:00Z"' for date in _DATES),
    *(f'"2026-11-22T{clock}Z"' for clock in _CLOCKS),
    *(f'"2026-11-22T13:00:00{zone}"' for zone in _ZONES),
    *('"2026-11-22 13:00:00Z"', '"2026-11-22t13:00:00Z"', '" 2026-11-22T13:00:00Z"', '"now"'),
    *('"epoch"', '"infinity"', '"-infinity"', '""', '"1795352400000"', "1795352400", "null"),
    *(r'"2026-11-22\u005413:00:00Z"', r'"2026-11-22T13:00:00\u005a"', '"2026-11-22T13:00:00Z\t"'),
]
OTHERS = [
    *(*TEXTS, *NUMBERS, "[]", "{}", "[1,]", "[,]", "{,}", '{"a":1}', '{"a":1,}', '{"a":1,"a":2}'),
    *('{"a":{"b":1}}', "[[]]", '[1,"a",null]', '{"id":"x","data":{}}', "[" * 50 + "]" * 50),
    *("[" * 5_000, "1e308", "1e309", "-1.5E-10", "123456789012345678.12345678901234567"),
]
_TRAILS = [b" ", b"\t", b"\r", b"\r\r", b" \r", b"\x0b", b"\x0c", b"\x00", b"\xc2\xa0", b",", b"}"]
_TRAILS += [b"]", b"{}", b"//", b"#", b" x", b"\xef\xbb\xbf", b"\\", b'"', b"{", b"0"]


@dataclass
class Raw:
    """A line as its members: keys and values in their JSON spelling."""

    outer: list[tuple[str, str]]
    inner: list[tuple[str, str]]
    separators: tuple[str, str] = (",", ":")
    around: list[bytes] = field(default_factory=lambda: [b"", b""])

    def line(self) -> bytes:
        comma, colon = self.separators
        data = "{" + comma.join(f"{key}{colon}{value}" for key, value in self.inner) + "}"
        members = [(key, data if value == "DATA" else value) for key, value in self.outer]
        text = "{" + comma.join(f"{key}{colon}{value}" for key, value in members) + "}"
        return self.around[0] + text.encode() + self.around[1]


def raw_of(event: Json, chance: random.Random) -> Raw:
    """The members of an event of `random_events.fresh_events`, in any order."""
    if chance.random() < 0.8:
        # Ids that need an escape are never read fast.
        plain = {"customerId": "acme", "teamId": "t\u00e9"}
        data = {key: plain.get(key, value) for key, value in event["data"].items()}
        event = {**event, "source": "meter", "id": "1", "data": data}
    offset = chance.choice((0, 0, 60, -480, 345))
    inner = [
        (f'"{key}"', written(key, value, offset))
        for key, value in event["data"].items()
        if value is not None or chance.random() < 0.3
    ]
    outer = [(f'"{k}"', json.dumps(v)) for k, v in event.items() if k not in {"time", "data"}]
    if event["time"] is not None:
        outer.append(('"time"', json.dumps(written_time(event["time"], 0))))
    if chance.random() < 0.5:
        outer.append(('"traceparent"', '"00-ab"'))
        inner.append(('"labels"', '{"env": "prod", "n": 1.5, "m": null}'))
    outer.append(('"data"', "DATA"))
    chance.shuffle(inner)
    chance.shuffle(outer)
    return Raw(outer, inner, chance.choice([(",", ":"), (", ", ": "), (" ,\t", "\t:  ")]))


def written(key: str, value: object, offset: int = 0) -> str:
    """The plainest JSON of a field."""
    if isinstance(value, int) and key in {"start", "end"}:
        return f'"{written_instant(value, offset, 0)}"'
    return json.dumps(value, ensure_ascii=False)


def distorted(raw: Raw, chance: random.Random) -> bytes:
    """The line with one to three of its parts distorted."""
    new = Raw(list(raw.outer), list(raw.inner), raw.separators)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        distort = chance.choice(_DISTORTIONS)
        distort(new, chance)
    return new.line()


def _value(raw: Raw, chance: random.Random) -> None:
    """Replace a field's value, mostly by one of its own type."""
    members = chance.choice((raw.inner, raw.inner, raw.outer))
    if not members:
        return
    place = chance.randrange(len(members))
    key, old = members[place]
    if old == "DATA" and chance.random() < 0.9:
        return
    if key in {'"start"', '"end"', '"time"'}:
        values = chance.choice((_near(), _near(), INSTANTS))
    elif old.isdigit():
        values = chance.choice((["0", "1", "9999999999", "10000000000", "null"], NUMBERS))
    else:
        values = chance.choice((TEXTS[:3], TEXTS))
    members[place] = (key, chance.choice(chance.choice((values, values, values, OTHERS))))


def _near() -> list[str]:
    """Instants at the limits of the years there are, and of an interval's length."""
    moments = [
        *(0, 1, 253_402_300_799_999),
        *(HOUR_START_MS + sign * 31 * DAY_MS + n for sign in (-1, 1) for n in (-1, 0, 1)),
        *(HOUR_START_MS + n * 900_000 for n in range(-4, 5)),
    ]
    written = [written_instant(moment, 0, digits) for moment in moments for digits in (0, 3)]
    written += [written_instant(moment, 60, 9) for moment in moments[3:]]
    return [f'"{text}"' for text in written]


def _missing(raw: Raw, chance: random.Random) -> None:
    members = chance.choice((raw.inner, raw.outer))
    if members:
        members.pop(chance.randrange(len(members)))


def _twice(raw: Raw, chance: random.Random) -> None:
    members = chance.choice((raw.inner, raw.outer))
    if members:
        key, value = chance.choice(members)
        value = chance.choice((value, "null", "1", '"other"', value))
        members.insert(chance.randrange(len(members) + 1), (key, value))


def _another_key(raw: Raw, chance: random.Random) -> None:
    keys = ['"x"', '""', '" "', r'"\u0069d"', '"ID"', '"customerid"', '"data"', '"clusterId"', "x"]
    keys += ['"cpu_millicores"', '"vcpuMillicores"', '"memory-mib"', '"gpuMili"', '"data.region"']
    keys += ['"team_name"', '"clusterCont"', '"gpu_capacity"', '"data_base64"', '"endd"']
    members = chance.choice((raw.inner, raw.outer))
    member = (chance.choice(keys), chance.choice(OTHERS))
    members.insert(chance.randrange(len(members) + 1), member)


def _respelled_key(raw: Raw, chance: random.Random) -> None:
    members = chance.choice((raw.inner, raw.outer))
    if members:
        place = chance.randrange(len(members))
        key, value = members[place]
        plain = key[1:-1]
        cut = chance.randrange(len(plain) + 1)
        misspelt = (
            plain[:cut] + plain[cut + 1 :],
            plain[:cut] + chance.choice("x_-.") + plain[cut:],
            plain[:cut] + plain[cut + 1 : cut + 2] + plain[cut : cut + 1] + plain[cut + 2 :],
            f"data.{plain}",
        )
        spellings = (
            *(key.upper(), f"{key[:-1]} {key[-1:]}", key.replace("d", r"\u0064"), key[1:-1]),
            *(f'"{name}"' for name in misspelt),
        )
        members[place] = (chance.choice(spellings), value)


def _moved(raw: Raw, chance: random.Random) -> None:
    members = chance.choice((raw.inner, raw.outer))
    if members:
        member = members.pop(chance.randrange(len(members)))
        members.insert(chance.randrange(len(members) + 1), member)


def _spaced(raw: Raw, chance: random.Random) -> None:
    commas = (",", " , ", "\t,", ",,", ";", "", ",\r", ",\u00a0", ",\x0c")
    raw.separators = (chance.choice(commas), chance.choice((":", " : ", "\t:", "=", "::", ":\r")))


def _encoded(raw: Raw, chance: random.Random) -> None:
    """The data in base64, whole or cut."""
    for place, (key, value) in enumerate(raw.outer):
        if value == "DATA":
            data = "{" + ",".join(f"{name}:{inner}" for name, inner in raw.inner) + "}"
            text = base64.b64encode(data.encode(errors="replace")).decode()
            cut = chance.choice((len(text), len(text), len(text), chance.randrange(len(text) + 1)))
            raw.outer[place] = (chance.choice(('"data_base64"', key)), f'"{text[:cut]}"')


def _surrounded(raw: Raw, chance: random.Random) -> None:
    raw.around[chance.randrange(2)] = chance.choice(_TRAILS)


_DISTORTIONS = (
    *(_value, _value, _value, _value, _value, _value),
    *(
        _missing,
        _twice,
        _another_key,
        _another_key,
        _respelled_key,
        _respelled_key,
        _encoded,
        _moved,
        _spaced,
        _surrounded,
    ),
)
