from __future__ import annotations

import hashlib
import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.model.schemas import CUSTOMERS
from hourtally.stages import documents as module
from hourtally.stages.documents import documents
from hourtally.stages.rating import Rated
from hourtally.stages.rollup import roll_up
from tests.support.examples import examples
from tests.support.handwritten_charges import Ids, Parts, charges, clusters, usage


def built(
    rows: dict[Ids, Parts], byoc: dict[tuple[str, str], Parts] | None = None, **names: str
) -> tuple[bytes, pl.DataFrame]:
    """The lines of all blocks, and where each document lies in them."""
    lines, _, customers = built_both(rows, byoc, **names)
    return lines, customers


def built_both(
    rows: dict[Ids, Parts], byoc: dict[tuple[str, str], Parts] | None = None, **names: str
) -> tuple[bytes, bytes, pl.DataFrame]:
    """The lines of all blocks of either document, and where each document lies in them."""
    rated = Rated(charges(rows), clusters(byoc or {}))
    rollup = roll_up(rated.charges, rated.clusters, usage(list(rows), **names))
    blocks = list(documents(rated, rollup, "USD"))
    tables = [pl.DataFrame(schema=CUSTOMERS), *(block.customers for block in blocks)]
    lines = b"".join(block.lines for block in blocks)
    return lines, b"".join(block.usage_lines for block in blocks), pl.concat(tables)


def test_a_document_has_all_levels_in_canonical_bytes() -> None:
    lines, _ = built(
        {
            ("acme", "t1", "p1", "job", "r1"): (1_500_000_000, 20, 0, 0),
            ("acme", "t1", "p1", "job", "r2"): (0, 0, 0, 0),
            ("acme", "t1", "p1", "volume", "r1"): (0, 0, 3, 0),
            ("acme", "t1", "p2", "job", "r1"): (0, 0, 0, 4),
            ("acme", "t2", "p1", "job", "r1"): (5_000_000_000, 0, 0, 0),
        },
        {("acme", "k"): (10_000_000_000, 0, 0, 70)},
        team_name="Blue",
    )
    assert lines.decode() == (
        '{"customerId":"acme","document":{"data":{"timestamp":1795352400,"paasUsage":{"price":'
        # 1.5 + 5 cents and 27 nanocents.
        '{"total":6.500000027,"cpu":6.5,"memory":0.00000002,"storage":0.000000003,'
        '"gpu":0.000000004},"teams":['
        '{"id":"t1","name":"Blue","price":{"total":1.500000027,"cpu":1.5,"memory":0.00000002,'
        '"storage":0.000000003,"gpu":0.000000004},"projects":['
        '{"id":"p1","name":"p1","price":{"total":1.500000023,"cpu":1.5,"memory":0.00000002,'
        '"storage":0.000000003,"gpu":0},"resourceTypes":['
        '{"resourceType":"job","price":{"total":1.50000002,"cpu":1.5,"memory":0.00000002,'
        '"storage":0,"gpu":0},"resources":['
        '{"id":"r1","name":"r1","price":{"total":1.50000002,"cpu":1.5,"memory":0.00000002,'
        '"storage":0,"gpu":0}},'
        '{"id":"r2","name":"r2","price":{"total":0,"cpu":0,"memory":0,"storage":0,"gpu":0}}]},'
        '{"resourceType":"volume","price":{"total":0.000000003,"cpu":0,"memory":0,'
        '"storage":0.000000003,"gpu":0},"resources":['
        '{"id":"r1","name":"r1","price":{"total":0.000000003,"cpu":0,"memory":0,'
        '"storage":0.000000003,"gpu":0}}]}]},'
        '{"id":"p2","name":"p2","price":{"total":0.000000004,"cpu":0,"memory":0,"storage":0,'
        '"gpu":0.000000004},"resourceTypes":['
        '{"resourceType":"job","price":{"total":0.000000004,"cpu":0,"memory":0,"storage":0,'
        '"gpu":0.000000004},"resources":['
        '{"id":"r1","name":"r1","price":{"total":0.000000004,"cpu":0,"memory":0,"storage":0,'
        '"gpu":0.000000004}}]}]}]},'
        '{"id":"t2","name":"Blue","price":{"total":5,"cpu":5,"memory":0,"storage":0,"gpu":0},'
        '"projects":[{"id":"p1","name":"p1","price":{"total":5,"cpu":5,"memory":0,"storage":0,'
        '"gpu":0},"resourceTypes":[{"resourceType":"job","price":{"total":5,"cpu":5,"memory":0,'
        '"storage":0,"gpu":0},"resources":[{"id":"r1","name":"r1","price":{"total":5,"cpu":5,'
        '"memory":0,"storage":0,"gpu":0}}]}]}]}]},'
        '"byocUsage":{"price":{"total":10.00000007,"vcpu":10,"memory":0,"gpuMemory":0,'
        '"cluster":0.00000007}}}}}\n'
    )


def test_a_customer_with_clusters_only_has_no_teams() -> None:
    lines, _ = built({}, {("acme", "k"): (0, 0, 1_000_000_000, 0)})
    assert lines == (
        b'{"customerId":"acme","document":{"data":{"timestamp":1795352400,"paasUsage":{"price":'
        b'{"total":0,"cpu":0,"memory":0,"storage":0,"gpu":0},"teams":[]},"byocUsage":{"price":'
        b'{"total":1,"vcpu":0,"memory":0,"gpuMemory":1,"cluster":0}}}}}\n'
    )


def test_an_hour_of_nothing_has_no_lines() -> None:
    lines, usage_lines, customers = built_both({})
    assert (lines, usage_lines, len(customers)) == (b"", b"", 0)


NO_PAAS = (
    '"price":{"total":0,"cpu":0,"memory":0,"storage":0,"gpu":0},"usage":{"vcpuHours":0,'
    '"memoryGiBHours":0,"storageGiBHours":0,"gpuOnDemandHours":0,"gpuSpotHours":0}'
)
NO_HOURS = '"usage":{"vcpuHours":0,"memoryGiBHours":0,"gpuMemoryGiBHours":0,"clusterHours":0}'


def test_the_usage_document_has_the_clusters_in_the_order_of_their_bytes() -> None:
    of_clusters: dict[tuple[str, str], Parts] = {("acme", "z"): (0, 0, 10**9, 0)}
    of_clusters |= {("acme", 'a"'): (0, 0, 0, 10**11), ("globex", "k"): (1, 0, 0, 0)}
    _, lines, _ = built_both({}, of_clusters)
    acme, globex = lines.decode().splitlines()
    # 100 cents and 1 cent are 1.01 dollars.
    assert acme == (
        '{"customerId":"acme","document":{"data":{"timestamp":1795352400,"currency":"usd",'
        '"scope":{"entityType":"team","entityId":"acme"},"total":1.01,"paas":{'
        + NO_PAAS
        + ',"teams":[]},"byoc":{"price":{"total":1.01,"vcpu":0,"memory":0,"gpuMemory":0.01,'
        '"cluster":1},' + NO_HOURS + ',"clusters":['
        '{"id":"a\\"","name":"a\\"","price":{"total":1,"vcpu":0,"memory":0,"gpuMemory":0,'
        '"cluster":1},' + NO_HOURS + "},"
        '{"id":"z","name":"z","price":{"total":0.01,"vcpu":0,"memory":0,"gpuMemory":0.01,'
        '"cluster":0},' + NO_HOURS + "}]}}}}"
    )
    assert '"total":0.00000000001,' in globex


def test_a_total_of_both_kinds_may_pass_64_bits() -> None:
    most = 2**63 - 1
    _, lines, _ = built_both(
        {("acme", "t", "p", "job", "r"): (most, 0, 0, 0)}, {("acme", "k"): (most, 0, 0, 0)}
    )
    # 2^64 - 2 nanocents.
    assert '"total":184467440.73709551614,"paas":' in lines.decode()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('a"b', r"a\"b"),
        ("a\\b", r"a\\b"),
        ("\b\t\n\f\r", r"\b\t\n\f\r"),
        ("\x00\x01\x0b\x1f", r"\u0000\u0001\u000b\u001f"),
        # All else is written as it is.
        ("/ \x7f\x80\x9f", "/ \x7f\x80\x9f"),
        ("\u2028\u2029\ufeff\uffff", "\u2028\u2029\ufeff\uffff"),
        ("é客\U0001f600", "é客\U0001f600"),
        ("<&>'", "<&>'"),
    ],
)
def test_only_what_json_demands_is_escaped(text: str, written: str) -> None:
    lines, _ = built({("c", "t", "p", "job", "r"): (1, 0, 0, 0)}, team_name=text)
    assert f'{{"id":"t","name":"{written}","price"' in lines.decode()


@pytest.mark.parametrize("position", range(5))
def test_ids_of_every_level_are_escaped(position: int) -> None:
    ids = ["c", "t", "p", "job", "r"]
    ids[position] = 'q"\\'
    lines, _ = built({(ids[0], ids[1], ids[2], ids[3], ids[4]): (1, 0, 0, 0)})
    assert rb'"q\"\\"' in lines
    assert json.loads(lines)["customerId"] == ids[0]


def test_customers_teams_and_resources_follow_each_other_by_their_bytes() -> None:
    # 41, 61, 61 20, EF BD 9E, F0 9F 98 80.
    ids = ["A", "a", "a ", "\uff5e", "\U0001f600"]
    rows: dict[Ids, Parts] = {(i, j, "p", "job", "r"): (1, 0, 0, 0) for i in ids for j in ids}
    lines, _ = built(dict(reversed(rows.items())))
    documents_ = [json.loads(line) for line in lines.decode().split("\n") if line]
    assert [line["customerId"] for line in documents_] == ids
    for line in documents_:
        assert [team["id"] for team in line["document"]["data"]["paasUsage"]["teams"]] == ids


def test_the_table_of_customers_says_where_each_document_lies() -> None:
    rows: dict[Ids, Parts] = {
        ("é", "t", "p", "job", "r"): (1, 0, 0, 0),
        ('q"', "t", "p", "job", "r"): (2, 0, 0, 0),
    }
    *both, customers = built_both(rows, {("b", "k"): (3, 0, 0, 0)})
    assert customers["customer_id"].to_list() == ["b", 'q"', "é"]
    for lines, prefix in zip(both, ("", "usage_"), strict=True):
        places = (f"{prefix}{name}" for name in ("offset", "length", "sha256"))
        for customer, offset, length, sha256 in customers.select("customer_id", *places).rows():
            document = lines[offset : offset + length]
            assert hashlib.sha256(document).hexdigest() == sha256
            head = f'{{"customerId":{json.dumps(customer, ensure_ascii=False)},"document":'.encode()
            assert head + document + b"}\n" in lines.splitlines(keepends=True)
    assert customers["paas_total_nanocents"].to_list() == [0, 2, 1]


SOME_IDS = st.sampled_from(["a", "b", "é", 'q"'])
RESOURCES = st.tuples(SOME_IDS, SOME_IDS, SOME_IDS, st.sampled_from(["job", "addon"]), SOME_IDS)


@examples(100, fast=25)
@given(
    st.dictionaries(RESOURCES, st.tuples(*[st.integers(0, 3)] * 4), max_size=12),
    st.dictionaries(st.tuples(SOME_IDS, SOME_IDS), st.tuples(*[st.integers(0, 3)] * 4), max_size=3),
    st.integers(1, 6),
)
def test_documents_made_a_few_customers_at_a_time_are_the_same_bytes(
    rows: dict[Ids, Parts], byoc: dict[tuple[str, str], Parts], resources: int
) -> None:
    *lines, customers = built_both(rows, byoc)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_RESOURCES", resources)
        *in_parts, located = built_both(rows, byoc)
        assert in_parts == lines
        assert located.equals(customers)
