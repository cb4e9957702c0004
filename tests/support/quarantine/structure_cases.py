"""Lines at and beyond every border of the quarantine rules, and what is to become of them."""

from __future__ import annotations

import base64
import json
from typing import Any, Final, NamedTuple

# 2026-11-22T15:00:00Z, when all of this is ingested.
NOW_MS: Final = 1_795_359_600_000

MIB: Final = 1 << 20
ABSENT: Final = object()

RESOURCE_DATA: Final = {
    "customerId": "acme",
    "teamId": "web",
    "projectId": "shop",
    "resourceId": "api",
    "resourceName": "Api",
    "resourceType": "service",
    "start": "2026-11-22T13:00:00Z",
    "end": "2026-11-22T14:00:00Z",
    "cpuMillicores": 12,
    "memoryMiB": 1024,
}
CLUSTER_DATA: Final = {
    "customerId": "acme",
    "clusterId": "k1",
    "start": "2026-11-22T13:00:00Z",
    "end": "2026-11-22T14:00:00Z",
    "vcpuMillicores": 12,
}


VOID_DATA: Final = {
    "voidedSource": "meter/eu",
    "voidedId": "1",
    "start": "2026-11-22T13:00:00Z",
    "end": "2026-11-22T14:00:00Z",
}


class Case(NamedTuple):
    """A line, and the rule that it breaks; None: it is accepted."""

    name: str
    line: bytes
    rule: str | None


def _line(kind: str, name: str, base: dict[str, Any], event: dict[str, Any], data: Any) -> bytes:
    envelope = {
        "specversion": "1.0",
        "id": name,
        "source": "meter/eu",
        "type": f"metering.{kind}.v1",
        "data": {**base, **data} if isinstance(data, dict) else data,
        **event,
    }
    for record in (envelope, envelope["data"]):
        if isinstance(record, dict):
            for key in [key for key, value in record.items() if value is ABSENT]:
                del record[key]
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


def resource(name: str, rule: str | None = None, /, **data: Any) -> Case:
    """A PaaS event with some data fields otherwise than usual."""
    return Case(name, _line("resource", name, RESOURCE_DATA, {}, data), rule)


def cluster(name: str, rule: str | None = None, /, **data: Any) -> Case:
    """A BYOC event with some data fields otherwise than usual."""
    return Case(name, _line("cluster", name, CLUSTER_DATA, {}, data), rule)


def void(name: str, rule: str | None = None, /, **data: Any) -> Case:
    """A void with some data fields otherwise than usual."""
    return Case(name, _line("void", name, VOID_DATA, {}, data), rule)


def event(name: str, rule: str | None = None, /, **attributes: Any) -> Case:
    """A PaaS event with some attributes otherwise than usual."""
    return Case(name, _line("resource", name, RESOURCE_DATA, attributes, {}), rule)


def spelled(name: str, rule: str | None, old: str, new: str | bytes) -> Case:
    """The usual PaaS event with one piece of its text otherwise."""
    line = resource(name).line
    assert line.count(old.encode()) == 1
    piece = new.encode() if isinstance(new, str) else new
    return Case(name, line.replace(old.encode(), piece), rule)


def line(name: str, rule: str | None, text: str | bytes) -> Case:
    """A line that is nothing like an event."""
    return Case(name, text.encode() if isinstance(text, str) else text, rule)


def padded(name: str, rule: str | None, size: int) -> Case:
    """The usual PaaS event with an ignored field that makes its line that long."""
    text = resource(name, padding="").line
    piece = b'"padding":"'
    return Case(name, text.replace(piece, piece + b"x" * (size - len(text))), rule)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def encoded(name: str, rule: str | None, case: Case) -> Case:
    """A case with its data in base64."""
    attributes = json.loads(case.line)
    data = json.dumps(attributes.pop("data")).encode()
    line = json.dumps({**attributes, "id": name, "data_base64": _base64(data)})
    return Case(name, line.encode(), rule)


PLAIN: Final = resource("the usual PaaS event")
_DEEP = 100_000

NOT_JSON: Final = [
    line("a word", "not_json", "hello"),
    line("a brace", "not_json", "{"),
    line("a line cut off", "not_json", PLAIN.line[:-1]),
    line("two objects in a line", "not_json", PLAIN.line + PLAIN.line),
    line("text after the object", "not_json", PLAIN.line + b" x"),
    line("a no-break space before the object", "not_json", "\u00a0" + PLAIN.line.decode()),
    line("a form feed before the object", "not_json", b"\x0c" + PLAIN.line),
    line("a byte order mark on a later line", "not_json", b"\xef\xbb\xbf" + PLAIN.line),
    spelled("NaN", "not_json", ":1024", ":NaN"),
    spelled("Infinity", "not_json", ":1024", ":Infinity"),
    spelled("minus Infinity", "not_json", ":1024", ":-Infinity"),
    spelled("a leading zero", "not_json", ":1024", ":01024"),
    spelled("a plus sign", "not_json", ":1024", ":+1024"),
    spelled("a point without digits", "not_json", ":1024", ":1024."),
    spelled("a hexadecimal number", "not_json", ":1024", ":0x400"),
    spelled("digits of another script", "not_json", ":1024", ":\u0661\u0660"),
    spelled("True", "not_json", ":1024", ":True"),
    spelled("a trailing comma in data", "not_json", ":1024}", ":1024,}"),
    spelled("a trailing comma in an ignored array", "not_json", ":1024", ':1024,"x":[1,]'),
    spelled("a comma too many", "not_json", ',"memoryMiB"', ',,"memoryMiB"'),
    spelled("a comment", "not_json", ":1024", ":1024/* MiB */"),
    spelled("single quotes", "not_json", '"memoryMiB"', "'memoryMiB'"),
    spelled("a key without quotes", "not_json", '"memoryMiB"', "memoryMiB"),
    spelled("a raw tab in a string", "not_json", '"Api"', '"A\tpi"'),
    spelled("a raw NUL in a string", "not_json", '"Api"', '"A\0pi"'),
    spelled("a raw NUL after a string", "not_json", '"Api"', '"Api"\0'),
    spelled("an unknown escape", "not_json", '"Api"', '"A\\xpi"'),
    spelled("a short escape", "not_json", '"Api"', '"A\\u12"'),
    spelled("half a surrogate pair, the first", "not_json", '"Api"', '"\\ud83d"'),
    spelled("half a surrogate pair, the second", "not_json", '"Api"', '"\\ude00"'),
    spelled("a surrogate pair the wrong way round", "not_json", '"Api"', '"\\ude00\\ud83d"'),
    spelled("half a surrogate pair in an ignored field", "not_json", ":1024", ':1,"x":"\\ud83d"'),
    spelled("half a surrogate pair in an ignored key", "not_json", ":1024", ':1,"\\ud83d":0'),
    spelled("an attribute twice", "not_json", '"specversion"', '"id":"other","specversion"'),
    spelled(
        "an attribute twice, equal",
        "not_json",
        '"specversion"',
        '"source":"meter/eu","specversion"',
    ),
    spelled("an ignored attribute twice", None, '"specversion"', '"x":1,"x":1,"specversion"'),
    spelled("a data field twice", "not_json", ":1024", ':1,"memoryMiB":1024'),
    spelled("a data field twice, escaped", "not_json", ":1024", ':1,"memory\\u004diB":1024'),
    spelled("an ignored data field twice", None, ":1024", ':1,"x":1,"x":2'),
    spelled("data twice", "not_json", '"data":', '"data":{},"data":'),
    spelled("arrays 100,000 deep", "not_json", ":1024", f':1,"x":{"[" * _DEEP}{"]" * _DEEP}'),
    spelled(
        "objects 100,000 deep", "not_json", ":1024", ':1,"x":' + '{"x":' * _DEEP + "0" + "}" * _DEEP
    ),
    line("brackets 100,000 deep, never closed", "not_json", "[" * _DEEP),
]

NOT_UTF8: Final = [
    spelled("a byte that UTF-8 has not", "not_utf8", '"Api"', b'"\xff"'),
    spelled("Latin-1", "not_utf8", '"Api"', b'"\xe9t\xe9"'),
    spelled("a character cut off", "not_utf8", '"Api"', b'"\xe5\xae"'),
    spelled("an overlong NUL", "not_utf8", '"Api"', b'"\xc0\x80"'),
    spelled("a surrogate in UTF-8", "not_utf8", '"Api"', b'"\xed\xa0\x80"'),
    spelled("beyond the last character", "not_utf8", '"Api"', b'"\xf4\x90\x80\x80"'),
    spelled("no UTF-8 in an ignored field", "not_utf8", ":1024", b':1024,"x":"\xff"'),
    line("bytes and nothing else", "not_utf8", b"\x80\x81"),
]

LINE_TOO_LONG: Final = [
    padded("a line of 1 MiB", None, MIB),
    padded("a line of 1 MiB and a byte", "line_too_long", MIB + 1),
    line("1 MiB and a byte of no JSON", "line_too_long", b"x" * (MIB + 1)),
    line("1 MiB and a byte of no UTF-8", "line_too_long", b"\xff" * (MIB + 1)),
    line("a MiB of no JSON", "not_json", b"x" * MIB),
]

NOT_CLOUDEVENT: Final = [
    line("an array", "not_cloudevent", "[]"),
    line("an array of an event", "not_cloudevent", b"[" + PLAIN.line + b"]"),
    line("null", "not_cloudevent", "null"),
    line("a number", "not_cloudevent", "1"),
    line("a string", "not_cloudevent", '"event"'),
    line("an empty object", "not_cloudevent", "{}"),
    event("no specversion", "not_cloudevent", specversion=ABSENT),
    event("specversion null", "not_cloudevent", specversion=None),
    event("specversion 0.3", "not_cloudevent", specversion="0.3"),
    event("specversion 1", "not_cloudevent", specversion="1"),
    event("specversion a number", "not_cloudevent", specversion=1.0),
    event("no id", "not_cloudevent", id=ABSENT),
    event("id null", "not_cloudevent", id=None),
    event("id empty", "not_cloudevent", id=""),
    event("id a number", "not_cloudevent", id=1),
    event("id of 512 bytes", None, id="i" * 512),
    event("id of 513 bytes", "not_cloudevent", id="i" * 513),
    event("id of 256 characters, 512 bytes", None, id="é" * 256),
    event("id of 257 characters, 513 bytes", "not_cloudevent", id="é" * 256 + "i"),
    event("no source", "not_cloudevent", source=ABSENT),
    event("source null", "not_cloudevent", source=None),
    event("source empty", "not_cloudevent", source=""),
    event("source an array", "not_cloudevent", source=["meter/eu"]),
    event("source of 512 bytes", None, source="s" * 512),
    event("source of 513 bytes", "not_cloudevent", source="s" * 513),
    event("no type", "not_cloudevent", type=ABSENT),
    event("type null", "not_cloudevent", type=None),
    event("type empty", "not_cloudevent", type=""),
    event("type a number", "not_cloudevent", type=1),
    event("data and data_base64", "not_cloudevent", data_base64="e30="),
    event(
        "data and data_base64 of an unknown type", "not_cloudevent", type="x", data_base64="e30="
    ),
    line(
        "a Kafka Connect envelope", "not_cloudevent", b'{"schema":{},"payload":' + PLAIN.line + b"}"
    ),
    line("a string that holds JSON", "not_cloudevent", json.dumps(PLAIN.line.decode())),
]

UNKNOWN_TYPE: Final = [
    event("another version", "unknown_type", type="metering.resource.v2"),
    event("type in upper case", "unknown_type", type="METERING.RESOURCE.V1"),
    event("type with a space", "unknown_type", type="metering.resource.v1 "),
    event("another type without data", "unknown_type", type="metering.network.v1", data=ABSENT),
]

_SNAKE: Final = {"cpuMillicores": ABSENT, "memoryMiB": ABSENT}

MISSPELT_FIELD: Final = [
    # Other spellings: equal after dropping a prefix, folding case, and dropping `_`, `-` and `.`.
    *(
        resource(f"{spelt} for cpuMillicores", "misspelt_field", cpuMillicores=ABSENT, **{spelt: 1})
        for spelt in (
            "cpu_millicores",
            "cpumillicores",
            "CPU-Millicores",
            "data.cpuMillicores",
            "Data.cpu.millicores",
            "__cpuMillicores",
        )
    ),
    resource("cpu_millicores a string", "misspelt_field", cpuMillicores=ABSENT, cpu_millicores="1"),
    resource("cpu_millicores zero", "misspelt_field", cpuMillicores=ABSENT, cpu_millicores=0),
    resource(
        "cpu_millicores, cpuMillicores null", "misspelt_field", cpuMillicores=None, cpu_millicores=1
    ),
    resource("cpu_millicores null", None, cpuMillicores=ABSENT, cpu_millicores=None),
    resource("cpu_millicores beside cpuMillicores", None, cpu_millicores=7),
    resource("team_name for teamName", "misspelt_field", team_name="Web"),
    resource("gpucapacity for gpuCapacity", "misspelt_field", gpucapacity="spot"),
    resource("Region for region", "misspelt_field", Region="eu"),
    resource("customer_id for customerId", "misspelt_field", customerId=ABSENT, customer_id="acme"),
    # One edit, for quantities where the value is a number.
    *(
        resource(
            f"{spelt} one edit from cpuMillicores",
            "misspelt_field",
            cpuMillicores=ABSENT,
            **{spelt: 1},
        )
        for spelt in (
            "cpuMilicores",
            "cpuMilllicores",
            "cpuMillicoras",
            "cpuMillicoers",
            "vcpuMillicores",
            "cpu_milicores",
            "pcuMillicores",
            "cpuMillicore",
        )
    ),
    *(
        resource(f"{spelt} two edits from cpuMillicores", None, cpuMillicores=ABSENT, **{spelt: 1})
        for spelt in ("cpuMilicore", "cpuMillicres_x", "puMillicoers", "cpu")
    ),
    *(
        resource(f"cpuMilicores {value}", None, cpuMillicores=ABSENT, cpuMilicores=value)
        for value in ("1", True, [1], {"a": 1}, None)
    ),
    resource("cpuMilicores 0.5", "misspelt_field", cpuMillicores=ABSENT, cpuMilicores=0.5),
    resource("custmerId for customerId", "misspelt_field", customerId=ABSENT, custmerId="acme"),
    resource("ends for end", "misspelt_field", end=ABSENT, ends="2026-11-22T14:00:00Z"),
    resource("resourceTyp for resourceType", "misspelt_field", resourceType=ABSENT, resourceTyp=5),
    resource("one edit from an optional text", None, temName="Web", regio="eu", gpuModl="a100"),
    cluster(
        "cpuMillicores in a BYOC event", "misspelt_field", vcpuMillicores=ABSENT, cpuMillicores=1
    ),
    cluster("cluster_count for clusterCount", "misspelt_field", cluster_count=2),
    cluster("cpuMillicores beside vcpuMillicores", None, cpuMillicores=1),
    void("voided_id for voidedId", "misspelt_field", voidedId=ABSENT, voided_id="1"),
    void("voidedIds for voidedId", "misspelt_field", voidedId=ABSENT, voidedIds=5),
    void("Reason for reason", "misspelt_field", Reason="why"),
    resource(
        "a misspelt field and a missing one",
        "misspelt_field",
        teamId=ABSENT,
        **_SNAKE,
        cpu_millicores=1,
    ),
    event(
        "a misspelt field of an unknown type", "unknown_type", type="x", data={"cpu_millicores": 1}
    ),
]

MISSING_FIELD: Final = [
    event("no data", "missing_field", data=ABSENT),
    event("data null", "missing_field", data=None),
    event("an empty object in base 64", "missing_field", data=ABSENT, data_base64="e30="),
    event("no data, data_base64 null", "missing_field", data=ABSENT, data_base64=None),
    event("data empty", "missing_field", data={}),
    *(
        resource(f"{field} {how}", "missing_field", **{field: value})
        for field in (
            "customerId",
            "teamId",
            "projectId",
            "resourceId",
            "resourceType",
            "start",
            "end",
        )
        for how, value in (("absent", ABSENT), ("null", None))
    ),
    *(
        cluster(f"{field} {how}, of a cluster", "missing_field", **{field: value})
        for field in ("customerId", "clusterId", "start", "end")
        for how, value in (("absent", ABSENT), ("null", None))
    ),
]

# What no quantity is, though many a reader would take it for one.
_NO_INTEGERS = ('"12"', '""', "1.5", "12.0", "1e3", "1E3", "true", "false", "[12]", "{}")

BAD_TYPE: Final = [
    event("data an array", "bad_type", data=[]),
    event("data a string", "bad_type", data='{"customerId":"acme"}'),
    event("data a number", "bad_type", data=1),
    *(
        event(f"data_base64 {what}", "bad_type", data=None, data_base64=value)
        for what, value in (
            ("a number", 1),
            ("an object", {}),
            ("not base64", "{}"),
            ("of no padding", "e30"),
            ("of an array", _base64(b"[]")),
            ("of a string", _base64(b'"{}"')),
            ("of no JSON", _base64(b"{")),
            ("of no UTF-8", _base64(b"\xff")),
            ("empty", ""),
        )
    ),
    *(
        resource(f"{field} a number", "bad_type", **{field: 5})
        for field in (
            "customerId",
            "teamId",
            "projectId",
            "resourceId",
            "teamName",
            "projectName",
            "resourceName",
            "resourceType",
            "region",
            "gpuModel",
        )
    ),
    cluster("clusterId a number", "bad_type", clusterId=5),
    cluster("clusterName true", "bad_type", clusterName=True),
    cluster("region an object, of a cluster", "bad_type", region={}),
    resource("start in Unix seconds", "bad_type", start=1_795_352_400),
    resource("end true", "bad_type", end=True),
    event("time a number", "bad_type", time=1_795_352_400),
    *(spelled(f"memoryMiB {value}", "bad_type", ":1024", f":{value}") for value in _NO_INTEGERS),
    resource("cpuMillicores a string", "bad_type", cpuMillicores="12"),
    resource("storageMiB a fraction", "bad_type", storageMiB=0.5),
    resource("gpuMilli true", "bad_type", gpuMilli=True, gpuModel="a100"),
    cluster("vcpuMillicores a string", "bad_type", vcpuMillicores="12"),
    cluster("memoryMiB a float", "bad_type", memoryMiB=12.0),
    cluster("gpuMemoryMiB false", "bad_type", gpuMemoryMiB=False),
    cluster("clusterCount a string", "bad_type", clusterCount="1"),
]
