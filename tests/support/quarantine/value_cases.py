"""The rest of the table: lines whose fields have the right types, and values at the borders."""

from __future__ import annotations

from typing import Final

from tests.support.quarantine.structure_cases import (
    ABSENT,
    BAD_TYPE,
    LINE_TOO_LONG,
    MISSING_FIELD,
    MISSPELT_FIELD,
    NOT_CLOUDEVENT,
    NOT_JSON,
    NOT_UTF8,
    PLAIN,
    UNKNOWN_TYPE,
    Case,
    cluster,
    encoded,
    event,
    resource,
    spelled,
    void,
)

_IDS = ("customerId", "teamId", "projectId", "resourceId")
_NAMES = ("teamName", "projectName", "resourceName")
# Unicode's category Cc, as JSON escapes.
_CONTROLS = (r"\u0000", r"\t", r"\n", r"\u001f", r"\u007f", r"\u0080", r"\u0085", r"\u009f")

BAD_IDENTIFIER: Final = [
    *(resource(f"{field} of 256 bytes", None, **{field: "i" * 256}) for field in _IDS),
    *(resource(f"{field} of 257 bytes", "bad_identifier", **{field: "i" * 257}) for field in _IDS),
    *(resource(f"{field} empty", "bad_identifier", **{field: ""}) for field in _IDS),
    *(
        resource(f"{field} with a line break", "bad_identifier", **{field: "a\nb"})
        for field in _IDS
    ),
    *(
        spelled(f"resourceId with {control}", "bad_identifier", '"api"', f'"a{control}"')
        for control in _CONTROLS
    ),
    spelled("resourceId with a raw DEL", "bad_identifier", '"api"', '"a\x7f"'),
    spelled("resourceId with a raw NEL", "bad_identifier", '"api"', '"a\x85"'),
    resource("resourceId of 128 characters, 256 bytes", None, resourceId="é" * 128),
    resource("resourceId of 129, 257 bytes", "bad_identifier", resourceId="é" * 128 + "i"),
    resource("resourceId of 64 characters, 256 bytes", None, resourceId="\U0001f600" * 64),
    resource("resourceId with a quote, a backslash and a slash", None, resourceId='a"b\\c/d'),
    resource("resourceId that is a path", None, resourceId="../../etc"),
    resource("resourceId a space", None, resourceId=" "),
    resource("resourceId with U+00A0, U+2028 and U+FEFF", None, resourceId="\u00a0\u2028\ufeff"),
    spelled("resourceId as a surrogate pair", None, '"api"', r'"\ud83d\ude00"'),
    cluster("clusterId of 256 bytes", None, clusterId="i" * 256),
    cluster("clusterId of 257 bytes", "bad_identifier", clusterId="i" * 257),
    cluster("clusterId empty", "bad_identifier", clusterId=""),
    cluster("clusterId with DEL", "bad_identifier", clusterId="k\x7f"),
    cluster("customerId of 257 bytes, of a cluster", "bad_identifier", customerId="i" * 257),
    *(resource(f"{field} of 1024 bytes", None, **{field: "é" * 512}) for field in _NAMES),
    *(
        resource(f"{field} of 1025 bytes", "bad_identifier", **{field: "é" * 512 + "n"})
        for field in _NAMES
    ),
    *(resource(f"{field} empty, not null", None, **{field: ""}) for field in _NAMES),
    *(resource(f"{field} null", None, **{field: None}) for field in _NAMES),
    resource("a name with control characters", None, resourceName="\0\t\n\x1f\x7f\x85\u2028"),
    resource("a region and a model of 2048 bytes", None, region="é" * 1_024, gpuModel="m" * 2_048),
    resource("a region of 2049 bytes", "bad_identifier", region="é" * 1_024 + "r"),
    resource("a model of 2049 bytes", "bad_identifier", gpuModel="m" * 2_049),
    cluster("a region of 2048 bytes, of a cluster", None, region="r" * 2_048),
    cluster("a region of 2049 bytes, of a cluster", "bad_identifier", region="r" * 2_049),
    cluster("clusterName of 1024 bytes", None, clusterName="n" * 1_024),
    cluster("clusterName of 1025 bytes", "bad_identifier", clusterName="n" * 1_025),
    cluster("clusterName null", None, clusterName=None),
]

BAD_TIMESTAMP: Final = [
    *(
        resource(f"start {instant!r}", "bad_timestamp", start=instant)
        for instant in (
            "2026-11-22T13:00:00",  # no offset
            "2026-11-22",
            "2026-11-22T13:00Z",
            "2026-11-22 13:00:00Z",
            "20261122T130000Z",
            "2026-W47-7T13:00:00Z",
            "2026-326T13:00:00Z",
            "2026-11-22T13:00:00.1234567890Z",
            "2026-11-22T13:00:00.0000000000Z",
            "1969-12-31T23:59:59.999999999Z",
            "1970-01-01T00:59:59.9999+01:00",
            "0001-01-01T00:00:00Z",
            "2026-11-22T13:00:00,123Z",
            "2026-11-22T13:00:00.Z",
            "2026-11-22T13:00:00Z ",
            " 2026-11-22T13:00:00Z",
            "2026-11-22T13:00:00Z\n",
            "2026-11-22T13:00:00ZZ",
            "2026-11-22T13:00:00+0100",
            "2026-11-22T13:00:00+01",
            "2026-11-22T13:00:00+24:00",
            "2026-11-22T13:00:00+01:60",
            "2026-11-22T13:00:00 UTC",
            "2026-11-22T24:00:00Z",
            "2026-11-22T13:60:00Z",
            "2026-11-22T13:59:60Z",
            "2026-02-29T13:00:00Z",
            "2026-02-30T13:00:00Z",
            "2026-04-31T13:00:00Z",
            "2026-13-01T13:00:00Z",
            "2026-00-01T13:00:00Z",
            "2026-11-00T13:00:00Z",
            "0000-11-22T13:00:00Z",
            "12026-11-22T13:00:00Z",
            "+2026-11-22T13:00:00Z",
            "-2026-11-22T13:00:00Z",
            "\u0662\u0660\u0662\u0666-11-22T13:00:00Z",
            "1795352400",
            "now",
            "",
        )
    ),
    resource("end 23:59:60", "bad_timestamp", end="2026-11-22T23:59:60Z"),
    resource("end without an offset", "bad_timestamp", end="2026-11-22T14:00:00"),
    cluster("start of a cluster without an offset", "bad_timestamp", start="2026-11-22T13:00:00"),
    event("time without an offset", "bad_timestamp", time="2026-11-22T13:00:00"),
    event("time empty", "bad_timestamp", time=""),
    event("time on a 30th of February", "bad_timestamp", time="2026-02-30T13:00:00Z"),
    event("time null", None, time=None),
    event("time of nine digits", None, time="2026-11-22T13:00:00.123456789Z"),
    event("time of 20 digits", None, time="2026-11-22T13:00:00.12345678901234567890Z"),
    event("time in a year to come", None, time="2099-01-01T00:00:00Z"),
    *(
        resource(f"start {instant}", None, start=instant)
        for instant in (
            "2026-11-22T13:00:00+00:00",
            "2026-11-22T13:00:00-00:00",
            "2026-11-22T14:00:00+01:00",
            "2026-11-22T18:45:00+05:45",
            "2026-11-22T05:00:00-08:00",
            "2026-11-23T12:59:00+23:59",
            "2026-11-22t13:00:00z",
            "2026-11-22T13:00:00.0Z",
            "2026-11-22T13:00:00.12Z",
            "2026-11-22T13:00:00.123Z",
            "2026-11-22T13:00:00.1234Z",
            "2026-11-22T13:00:00.000000000Z",
            "2026-11-22T13:00:00.123456789+00:00",
            "2026-11-22T15:30:00.9999999+02:30",
        )
    ),
    event("time the zero time of Go", None, time="0001-01-01T00:00:00Z"),
    event("time a second later", None, time="0001-01-01T00:00:01Z"),
    event("time in the year 1600", None, time="1600-01-01T00:00:00Z"),
    event("time before the year 1", "bad_timestamp", time="0001-01-01T00:00:00+01:00"),
    resource(
        "the first instants of all",
        None,
        start="1970-01-01T01:00:00+01:00",
        end="1970-01-01T00:00:00.001Z",
    ),
    resource(
        "the last instants of all",
        None,
        start="9999-12-31T22:00:00Z",
        end="9999-12-31T23:59:59.999999999Z",
    ),
    resource(
        "an end after the year 9999",
        "bad_timestamp",
        start="9999-12-31T23:00:00Z",
        end="9999-12-31T23:59:59-01:00",
    ),
    resource(
        "a 29th of February",
        None,
        start="2024-02-29T23:00:00Z",
        end="2024-03-01T00:00:00Z",
    ),
    resource(
        "before 1970", "bad_timestamp", start="1969-12-31T23:59:59.999Z", end="1970-01-01T00:00:00Z"
    ),
]

ENDS_BEFORE_START: Final = [
    resource(
        "shorter than a millisecond",
        "ends_before_start",
        start="2026-11-22T13:00:00.0001Z",
        end="2026-11-22T13:00:00.0009999Z",
    ),
    resource(
        "a nanosecond over a millisecond's border",
        None,
        start="2026-11-22T13:00:00.000999999Z",
        end="2026-11-22T13:00:00.001Z",
    ),
    resource("1 ms long", None, end="2026-11-22T13:00:00.001Z"),
    resource("0 ms long", "ends_before_start", end="2026-11-22T13:00:00Z"),
    resource("1 ms the wrong way", "ends_before_start", end="2026-11-22T12:59:59.999Z"),
    # 14:30 two hours east of Greenwich is 12:30 there.
    resource("later by its clock only", "ends_before_start", end="2026-11-22T14:30:00+02:00"),
    resource("earlier by its clock only", None, end="2026-11-22T12:30:00-02:00"),
    cluster("0 ms long, of a cluster", "ends_before_start", end="2026-11-22T13:00:00Z"),
]

INTERVAL_TOO_LONG: Final = [
    resource("31 days", None, start="2026-10-22T14:00:00Z"),
    resource("31 days and 1 ms", "interval_too_long", start="2026-10-22T13:59:59.999Z"),
    cluster("31 days, of a cluster", None, start="2026-10-22T14:00:00Z"),
    cluster("31 days and 1 ms, of a cluster", "interval_too_long", end="2026-12-23T13:00:00.001Z"),
]

_QUANTITIES = ("cpuMillicores", "memoryMiB", "storageMiB", "gpuMilli")
_CLUSTER_QUANTITIES = ("vcpuMillicores", "memoryMiB", "gpuMemoryMiB", "clusterCount")
_IN_RANGE = (0, 10**10, None)
_OUT_OF_RANGE = (-1, 10**10 + 1, 2**63, 2**64 + 5, 10**20, -(10**40))

QUANTITY_OUT_OF_RANGE: Final = [
    *(
        resource(f"{field} {value}", rule, **{"gpuModel": "a100", field: value})
        for field in _QUANTITIES
        for rule, values in ((None, _IN_RANGE), ("quantity_out_of_range", _OUT_OF_RANGE))
        for value in values
    ),
    *(
        cluster(f"{field} {value}, of a cluster", rule, **{field: value})
        for field in _CLUSTER_QUANTITIES
        for rule, values in ((None, _IN_RANGE), ("quantity_out_of_range", _OUT_OF_RANGE))
        for value in values
    ),
    spelled("a quantity of 5000 digits", "quantity_out_of_range", ":1024", ":" + "9" * 5_000),
    spelled("a quantity of -0", None, ":1024", ":-0"),
]

UNKNOWN_RESOURCE_TYPE: Final = [
    *(
        resource(f"resourceType {type_}", None, resourceType=type_)
        for type_ in (
            "job",
            "service",
            "addon",
            "volume",
            "opentofu-job",
            "llm-model-deployment",
            "external-addon",
            "harness",
        )
    ),
    *(
        resource(f"resourceType {type_!r}", "unknown_resource_type", resourceType=type_)
        for type_ in ("vm", "Service", "service ", "", "opentofu_job", "cluster")
    ),
]

UNKNOWN_GPU_CAPACITY: Final = [
    *(
        resource(f"gpuCapacity {capacity}", None, gpuCapacity=capacity)
        for capacity in (None, "on-demand", "spot")
    ),
    *(
        resource(f"gpuCapacity {capacity!r}", "unknown_gpu_capacity", gpuCapacity=capacity)
        for capacity in ("", "Spot", "spot ", "on_demand", "reserved")
    ),
    resource(
        "an unknown capacity of an unknown type",
        "unknown_resource_type",
        resourceType="vm",
        gpuCapacity="x",
    ),
    resource(
        "an unknown capacity and no model", "unknown_gpu_capacity", gpuCapacity="x", gpuMilli=1
    ),
    resource("gpuCapacity a number", "bad_type", gpuCapacity=1),
    cluster("gpuCapacity in a BYOC event", None, gpuCapacity="x"),
]

VOIDS: Final = [
    void("the usual void"),
    void("a reason of 1024 bytes", None, reason="é" * 512),
    void("a reason of 1025 bytes", "bad_identifier", reason="é" * 512 + "r"),
    void("a reason that is null", None, reason=None),
    void("a reason that is a number", "bad_type", reason=5),
    *(
        void(f"{field} {how}", rule, **{field: value})
        for field in ("voidedSource", "voidedId")
        for how, rule, value in (
            ("absent", "missing_field", ABSENT),
            ("null", "missing_field", None),
            ("a number", "bad_type", 1),
            ("empty", "bad_identifier", ""),
            ("of 512 bytes", None, "é" * 256),
            ("of 513 bytes", "bad_identifier", "é" * 256 + "i"),
            ("with control characters", None, "a\nb\0"),
        )
    ),
    *(
        void(f"{field} {how}, of a void", "missing_field", **{field: value})
        for field in ("start", "end")
        for how, value in (("absent", ABSENT), ("null", None))
    ),
    void("start without an offset, of a void", "bad_timestamp", start="2026-11-22T13:00:00"),
    void("0 ms long, of a void", "ends_before_start", end="2026-11-22T13:00:00Z"),
    void("31 days and 1 ms, of a void", "interval_too_long", end="2026-12-23T13:00:00.001Z"),
    void("a void that names a customer", None, customerId="acme"),
]

GPU_WITHOUT_MODEL: Final = [
    resource("a GPU and its model", None, gpuMilli=1, gpuModel="a100"),
    resource("a GPU without model", "gpu_without_model", gpuMilli=1),
    resource("a GPU, its model null", "gpu_without_model", gpuMilli=1, gpuModel=None),
    resource("a GPU, its model empty", "gpu_without_model", gpuMilli=1, gpuModel=""),
    resource("no GPU and no model", None, gpuMilli=0),
    resource("no GPU, a model empty", None, gpuMilli=0, gpuModel=""),
    resource("no GPU, a model", None, gpuModel="a100"),
]

FAR_AHEAD: Final = [
    resource("in the year 2999", None, start="2999-01-01T00:00:00Z", end="2999-01-01T01:00:00Z"),
]

ENCODED: Final = [
    encoded("a PaaS event in base64", None, PLAIN),
    encoded("a BYOC event in base64", None, cluster("BYOC")),
    encoded("a void in base64", None, void("void")),
    encoded("a misspelt field in base64", "misspelt_field", resource("x", team_name="Web")),
    encoded("a missing field in base64", "missing_field", resource("x", teamId=None)),
    encoded("a wrong type in base64", "bad_type", resource("x", memoryMiB="1")),
]

# What a reader may not stumble over.
IGNORED: Final = [
    PLAIN,
    cluster("the usual BYOC event"),
    resource("unknown data fields", None, x=None, y=[1, {"z": 1.5e300}], cpu="4"),
    resource("a cluster's fields in a PaaS event", None, clusterId=5, clusterCount="x"),
    cluster("a resource's fields in a BYOC event", None, teamId=5, resourceType="vm", gpuMilli=1),
    event("other attributes", None, subject=None, traceparent={"a": [1]}, dataschema=7),
    spelled("white space", None, '"data":{', '\t"data" \r: { '),
    spelled("an escaped key", None, '"resourceId"', r'"resource\u0049d"'),
    spelled("a huge number in an ignored field", None, ":1024", ':1024,"x":1e999'),
]

# One list a rule, each with what just keeps it.
GROUPS: Final[list[list[Case]]] = [
    NOT_JSON,
    NOT_UTF8,
    LINE_TOO_LONG,
    NOT_CLOUDEVENT,
    UNKNOWN_TYPE,
    MISSPELT_FIELD,
    MISSING_FIELD,
    BAD_TYPE,
    BAD_IDENTIFIER,
    BAD_TIMESTAMP,
    ENDS_BEFORE_START,
    INTERVAL_TOO_LONG,
    QUANTITY_OUT_OF_RANGE,
    UNKNOWN_RESOURCE_TYPE,
    UNKNOWN_GPU_CAPACITY,
    GPU_WITHOUT_MODEL,
    VOIDS,
    FAR_AHEAD,
    ENCODED,
    IGNORED,
]
CASES: Final = [case for group in GROUPS for case in group]
