from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path

import pytest

from hourtally.cli.app import call
from hourtally.errors import Damaged, ForeignTree, NotExported, StorageFault
from hourtally.model.hours import Hour
from hourtally.published.export import ExportReport, export_hours
from hourtally.published.export.held_list import HELD_FILE
from hourtally.published.export.sources import USAGE
from hourtally.published.export.tree import ExportTree, folder_name
from hourtally.published.zero_documents import zero_usage_document
from hourtally.store import locking
from hourtally.store.layout import Home
from tests.support.handwritten_revisions import document, flip_byte, publish

NINE = Hour(1793610000)  # 2026-11-02T09
TEN = Hour(1793613600)
ACME = document(1793610000, cpu="12.5")
ZEBRA = document(1793610000, cpu="0.000000001", cluster="3")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return tmp_path / "tree"


def files_of(tree: Path) -> dict[str, bytes]:
    """Every file of the tree but those that tell whose it is and who is held."""
    return {
        str(path.relative_to(tree)): path.read_bytes()
        for path in tree.rglob("*")
        if path.is_file() and path.name not in {"@home.json", HELD_FILE}
    }


def identity(tree: Path) -> dict[str, str]:
    record: dict[str, str] = json.loads((tree / "@home.json").read_bytes())
    return record


def marker(home: Home, tree: Path, hour: Hour) -> Path:
    """What the home keeps of an hour of the tree."""
    return home.exports / identity(tree)["tree"] / f"{hour.name}.json"


def publish_old_tree(home: Home, tree: Path) -> None:
    """Two hours as the version before exported them, with its own marks in the tree."""
    publish(home, NINE, {"acme": ACME})
    later = publish(home, TEN, {"acme": ZEBRA})
    (tree / "@hourtally").mkdir(parents=True)
    (tree / "acme").mkdir()
    (tree / "acme" / "1793613600.json").write_bytes(ZEBRA)
    (tree / "acme" / ".1793610000.json.tmp").write_bytes(b"half")
    documents = later.record["files"]["documents.ndjson"]["sha256"]
    old = {"hour": "2026-11-02T10", "documents": documents, "files": 1}
    (tree / "@hourtally" / "2026-11-02T10.json").write_text(json.dumps(old))
    (tree / "@hourtally" / ".2026-11-02T09.json.tmp").write_bytes(b"half")


def export_until(home: Home, tree: Path, writes: int) -> None:
    """An export of the hour that is killed, as it were, after so many files."""
    write, left = ExportTree.write, writes

    def write_or_die(self: ExportTree, folder: str, name: str, document: bytes) -> None:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        write(self, folder, name, document)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ExportTree, "write", write_or_die)
        with pytest.raises(KeyboardInterrupt):
            export_hours(home, tree, [NINE])


@pytest.mark.parametrize(
    ("customer", "folder"),
    [
        ("acme", "acme"),
        ("AZaz09-_.~", "AZaz09-_.~"),
        ("a/b", "a%2Fb"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("...", "..."),
        ("a b+c@d%e,f", "a%20b%2Bc%40d%25e%2Cf"),
        ("é\U0001f600", "%C3%A9%F0%9F%98%80"),
        ("a" * 255, "a" * 255),
        (
            "a" * 256,
            # printf %0256d | tr 0 a | sha256sum
            "a" * 180 + ",02d7160d77e18c6447be80c2e355c7ed4388545271702c50253b0914c65ce5fe",
        ),
    ],
)
def test_a_customers_folder_is_its_id_percent_encoded(customer: str, folder: str) -> None:
    assert folder_name(customer) == folder


def test_long_ids_that_begin_alike_have_folders_of_their_own() -> None:
    # 86 × 3 = 258 encoded bytes; the last character differs.
    ids = ["/" * 85 + last for last in "/:"] + ["/" * 128]
    names = {folder_name(id_) for id_ in ids}

    assert len(names) == 3
    assert all(len(name) <= 255 for name in names)


def test_each_customer_and_hour_has_a_file_of_the_canonical_bytes(home: Home, tree: Path) -> None:
    later = document(1793613600, cpu="1")
    publish(home, NINE, {"acme": ACME, "a/../z": ZEBRA})
    publish(home, TEN, {"acme": later})

    assert export_hours(home, tree, [NINE, TEN]) == ExportReport(written=3, hours=2)
    assert files_of(tree) == {
        "acme/1793610000.json": ACME,
        "a%2F..%2Fz/1793610000.json": ZEBRA,
        "acme/1793613600.json": later,
    }


def test_an_hour_in_step_is_not_touched(home: Home, tree: Path) -> None:
    publish(home, NINE, {"acme": ACME})
    export_hours(home, tree, [NINE])

    def written() -> dict[Path, tuple[int, int, int]]:
        # Not the instant of the last look, which an export may change.
        return {
            p: (p.stat().st_ino, p.stat().st_size, p.stat().st_mtime_ns) for p in tree.rglob("*")
        }

    before = written()

    assert export_hours(home, tree, [NINE]) == ExportReport(current=1)
    assert written() == before


def test_a_restatement_rewrites_its_files_and_removes_those_of_customers_that_are_gone(
    home: Home, tree: Path
) -> None:
    later = document(1793613600, cpu="1")
    publish(home, NINE, {"acme": ACME, "gone": ZEBRA, "moved": ZEBRA})
    publish(home, TEN, {"moved": later})
    export_hours(home, tree, [NINE, TEN])
    restated = document(1793610000, cpu="13")
    publish(home, NINE, {"acme": restated}, revision=2)

    report = export_hours(home, tree, [NINE, TEN])

    assert report == ExportReport(written=1, removed=2, hours=1, current=1)
    assert files_of(tree) == {"acme/1793610000.json": restated, "moved/1793613600.json": later}
    assert not (tree / "gone").exists()


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_an_interrupted_export_is_completed_by_the_next(
    home: Home, tree: Path, writes: int
) -> None:
    publish(home, NINE, {"acme": ACME, "bee": ACME, "zebra": ZEBRA})
    export_until(home, tree, writes)
    assert len(files_of(tree)) == writes
    # Meanwhile the hour is restated, and acme, who may have a file by now, is not in it.
    publish(home, NINE, {"bee": ACME, "zebra": ACME}, revision=2)
    export_hours(home, tree, [NINE])

    assert files_of(tree) == {"bee/1793610000.json": ACME, "zebra/1793610000.json": ACME}


def test_an_interrupted_export_of_a_revision_that_is_taken_back_is_repaired(
    home: Home, tree: Path
) -> None:
    publish(home, NINE, {"acme": ACME, "zebra": ZEBRA})
    export_hours(home, tree, [NINE])
    publish(home, NINE, {"acme": ZEBRA, "zebra": ACME}, revision=2)
    export_until(home, tree, 1)
    assert files_of(tree)["acme/1793610000.json"] == ZEBRA
    publish(home, NINE, {"acme": ACME, "zebra": ZEBRA}, revision=3)
    export_hours(home, tree, [NINE])

    assert files_of(tree) == {"acme/1793610000.json": ACME, "zebra/1793610000.json": ZEBRA}


def test_an_hour_is_marked_when_its_files_are_on_the_disk(
    home: Home, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(home, NINE, {"acme": ACME})
    at_sync = []

    def look() -> None:
        at_sync.append((sorted(files_of(tree)), marker(home, tree, NINE).exists()))

    monkeypatch.setattr(os, "sync", look)
    export_hours(home, tree, [NINE])

    assert at_sync == [(["acme/1793610000.json"], False)]
    assert marker(home, tree, NINE).exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"sha256":1}', "\0"])
def test_a_damaged_marker_marks_nothing(home: Home, tree: Path, content: str) -> None:
    publish(home, NINE, {"acme": ACME})
    export_hours(home, tree, [NINE])
    marker(home, tree, NINE).write_text(content)

    assert export_hours(home, tree, [NINE]) == ExportReport(written=1, hours=1)


def test_what_an_interrupted_write_left_is_replaced_or_removed(home: Home, tree: Path) -> None:
    publish(home, NINE, {"acme": ACME})
    tree.mkdir()
    (tree / ".export.tmp").write_bytes(b"half")
    export_hours(home, tree, [NINE])

    assert files_of(tree) == {"acme/1793610000.json": ACME}


def test_files_of_others_stay(home: Home, tree: Path) -> None:
    publish(home, NINE, {"acme": ACME})
    for name in ("robots.txt", "gone/1793613600.json", "acme/notes.txt"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(b"mine")
    export_hours(home, tree, [NINE])

    assert files_of(tree) == {
        "robots.txt": b"mine",
        "gone/1793613600.json": b"mine",
        "acme/notes.txt": b"mine",
        "acme/1793610000.json": ACME,
    }


def test_an_export_of_one_customer_writes_its_files_and_marks_no_hour(
    home: Home, tree: Path
) -> None:
    publish(home, NINE, {"acme": ACME, "zebra": ZEBRA})
    publish(home, TEN, {"zebra": ZEBRA})

    report = export_hours(home, tree, [NINE, TEN], "acme")

    assert report == ExportReport(written=1, hours=2)
    assert files_of(tree) == {"acme/1793610000.json": ACME}
    assert not marker(home, tree, NINE).exists()
    assert not marker(home, tree, TEN).exists()
    # So the next export of all takes the hour up.
    assert export_hours(home, tree, [NINE]) == ExportReport(written=2, hours=1)


def test_an_export_of_one_customer_leaves_no_marker_that_is_wrong(home: Home, tree: Path) -> None:
    publish(home, NINE, {"acme": ACME, "zebra": ZEBRA})
    export_hours(home, tree, [NINE])
    export_hours(home, tree, [NINE], "acme")
    assert marker(home, tree, NINE).exists()
    publish(home, NINE, {"acme": ZEBRA, "zebra": ZEBRA}, revision=2)
    export_hours(home, tree, [NINE], "acme")
    # Taken back: the first export's marker would have been right again, were it still there.
    publish(home, NINE, {"acme": ACME, "zebra": ZEBRA}, revision=3)
    export_hours(home, tree, [NINE])

    assert files_of(tree) == {"acme/1793610000.json": ACME, "zebra/1793610000.json": ZEBRA}


@pytest.mark.parametrize("customer", ["gone", "", "..", "nobody", "\udcff"])
def test_an_export_of_a_customer_without_events_leaves_it_without_a_file(
    home: Home, tree: Path, customer: str
) -> None:
    publish(home, NINE, {"acme": ACME})
    (tree / "gone").mkdir(parents=True)
    if customer == "gone":
        (tree / "gone" / "1793610000.json").write_bytes(b"old")

    report = export_hours(home, tree, [NINE], customer)

    assert report == ExportReport(removed=1 if customer == "gone" else 0, hours=1)
    assert files_of(tree) == {}


def test_an_export_of_a_misspelt_customer_says_that_there_is_nothing(
    home: Home, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(home, NINE, {"acme": ACME})
    hint = "No hour has a document of this customer. Ids must match the events exactly."
    for customer, lines in (("acmee", 2), ("acme", 1)):
        assert call(["export", str(tree), "--customer", customer, "--home", str(home.root)]) == 0
        said = capsys.readouterr().out.splitlines()
        assert len(said) == lines
        assert said[1:] in ([], [hint])


def test_a_damaged_hour_is_named_and_the_others_are_exported(home: Home, tree: Path) -> None:
    manifest = publish(home, NINE, {"acme": ACME, "zebra": ZEBRA})
    path = manifest.folder / "documents.ndjson"
    flip_byte(path, path.read_bytes().index(b"12.5"))
    later = document(1793613600, cpu="1")
    publish(home, TEN, {"acme": later})

    with pytest.raises(Damaged, match=r"'acme'.*Not exported: 2026-11-02T09$") as caught:
        export_hours(home, tree, [NINE, TEN])
    assert caught.value.path == path
    assert files_of(tree) == {"acme/1793613600.json": later}
    assert not marker(home, tree, NINE).exists()
    assert marker(home, tree, TEN).exists()


def test_hours_that_are_not_published_are_passed_over(home: Home, tree: Path) -> None:
    said: list[tuple[int, int, str]] = []
    publish(home, NINE, {"acme": ACME})
    report = export_hours(
        home, tree, [NINE, TEN], progress=lambda done, of, hour: said.append((done, of, hour))
    )

    assert report == ExportReport(written=1, hours=1)
    assert said == [(1, 2, "2026-11-02T09"), (2, 2, "2026-11-02T10")]


@pytest.mark.parametrize("planted", ["acme", "acme/1793610000.json", "@hourtally"])
@pytest.mark.parametrize("customer", [None, "acme"])
def test_a_symbolic_link_in_the_tree_is_refused_and_not_followed(
    home: Home, tree: Path, tmp_path: Path, planted: str, customer: str | None
) -> None:
    publish(home, NINE, {"acme": ACME})
    outside = tmp_path / "outside"
    if planted.endswith(".json"):
        outside.write_bytes(b"mine")
    else:
        outside.mkdir()
    (tree / planted).parent.mkdir(parents=True, exist_ok=True)
    (tree / planted).symlink_to(outside)

    with pytest.raises(StorageFault, match=f"{planted}: a symbolic link"):
        export_hours(home, tree, [NINE], customer)
    assert outside.read_bytes() == b"mine" if outside.is_file() else not list(outside.iterdir())


@pytest.mark.parametrize("make", ["symlink_to", "hardlink_to"])
def test_a_link_in_place_of_the_temporary_file_is_not_written_through(
    home: Home, tree: Path, tmp_path: Path, make: str
) -> None:
    publish(home, NINE, {"acme": ACME})
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    tree.mkdir()
    getattr(tree / ".export.tmp", make)(outside)
    export_hours(home, tree, [NINE])

    assert outside.read_bytes() == b"mine"
    assert files_of(tree) == {"acme/1793610000.json": ACME}


def test_files_are_not_removed_through_a_symbolic_link(
    home: Home, tree: Path, tmp_path: Path
) -> None:
    publish(home, NINE, {"acme": ACME})
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "1793610000.json").write_bytes(b"mine")
    tree.mkdir()
    (tree / "gone").symlink_to(outside)
    export_hours(home, tree, [NINE])
    export_hours(home, tree, [NINE], "gone")

    assert (outside / "1793610000.json").read_bytes() == b"mine"


def test_what_the_system_refuses_names_the_file(
    home: Home, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(home, NINE, {"acme": ACME})

    rename = os.rename

    def full(source: str, target: str, **descriptors: int) -> None:
        if target == "1793610000.json":
            raise OSError(28, "No space left on device", target)
        rename(source, target, **descriptors)

    monkeypatch.setattr(os, "rename", full)

    refused = "tree/acme/1793610000.json: exporting failed: No space left"
    with pytest.raises(StorageFault, match=refused):
        export_hours(home, tree, [NINE])
    assert files_of(tree) == {}


def test_a_mark_that_cannot_be_read_is_named_whole(home: Home, tree: Path) -> None:
    publish(home, NINE, {"acme": ACME})
    export_hours(home, tree, [NINE])
    mark = marker(home, tree, NINE)
    mark.unlink()
    mark.mkdir()

    with pytest.raises(StorageFault, match=f"^{mark}: exporting failed: "):
        export_hours(home, tree, [NINE])


def test_a_tree_says_whose_it_is_and_has_nothing_but_customers_folders(
    home: Home, tree: Path
) -> None:
    publish(home, NINE, {"acme": ACME})
    export_hours(home, tree, [NINE])
    first = identity(tree)
    export_hours(home, tree.with_name("other"), [NINE])
    second = identity(tree.with_name("other"))

    assert sorted(path.name for path in tree.iterdir()) == ["@held.ndjson", "@home.json", "acme"]
    assert first["home"] == second["home"] == json.loads(home.id_file.read_bytes())["id"]
    assert first["kind"] == "documents"
    assert first["tree"] != second["tree"]


def test_the_tree_of_another_home_is_refused(home: Home, tree: Path, tmp_path: Path) -> None:
    publish(home, NINE, {"acme": ACME})
    export_hours(home, tree, [NINE])
    other = Home(tmp_path / "other")
    publish(other, NINE, {"acme": ZEBRA})

    with pytest.raises(ForeignTree, match="holds an export of another home"):
        export_hours(other, tree, [NINE])
    assert files_of(tree) == {"acme/1793610000.json": ACME}


def test_a_tree_of_another_kind_is_refused(home: Home, tree: Path) -> None:
    publish(home, NINE, {"acme": ACME})
    export_hours(home, tree, [NINE])
    record = {**identity(tree), "kind": "focus", "version": "1.2", "format": "csv"}
    (tree / "@home.json").write_text(json.dumps(record))

    with pytest.raises(ForeignTree, match=r"an export of focus 1\.2 csv, not of documents"):
        export_hours(home, tree, [NINE])


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"home":"x"}', "\0"])
def test_a_tree_whose_owner_is_not_known_is_refused(home: Home, tree: Path, content: str) -> None:
    publish(home, NINE, {"acme": ACME})
    tree.mkdir()
    (tree / "@home.json").write_text(content)

    with pytest.raises(ForeignTree, match=r"@home\.json: not what an export writes"):
        export_hours(home, tree, [NINE])


def test_a_tree_that_was_removed_is_written_anew(home: Home, tree: Path) -> None:
    publish(home, NINE, {"acme": ACME})
    export_hours(home, tree, [NINE])
    first = identity(tree)["tree"]
    shutil.rmtree(tree)

    assert export_hours(home, tree, [NINE]) == ExportReport(written=1, hours=1)
    # The marks of the tree that was there are gone with it.
    assert [path.name for path in home.exports.iterdir()] == [identity(tree)["tree"]] != [first]


def test_a_tree_put_back_from_an_older_copy_is_written_anew(home: Home, tree: Path) -> None:
    publish(home, NINE, {"acme": ACME})
    export_hours(home, tree, [NINE])
    shutil.copytree(tree, tree.with_name("copy"))
    publish(home, NINE, {"acme": ZEBRA}, revision=2)
    export_hours(home, tree, [NINE])
    shutil.rmtree(tree)
    tree.with_name("copy").rename(tree)

    assert export_hours(home, tree, [NINE]) == ExportReport(written=1, hours=1)
    assert files_of(tree) == {"acme/1793610000.json": ZEBRA}


def test_a_copy_of_a_tree_is_a_tree_of_its_own(home: Home, tree: Path) -> None:
    publish(home, NINE, {"acme": ACME})
    export_hours(home, tree, [NINE])
    copy = shutil.copytree(tree, tree.with_name("copy"))
    publish(home, NINE, {"acme": ZEBRA}, revision=2)

    # Whichever is exported to first goes on; the other one is another state of it.
    for one in (copy, tree, copy, tree):
        export_hours(home, one, [NINE])
        assert files_of(one) == {"acme/1793610000.json": ZEBRA}
    assert identity(copy)["tree"] != identity(tree)["tree"]
    assert export_hours(home, tree, [NINE]) == ExportReport(current=1)
    assert export_hours(home, copy, [NINE]) == ExportReport(current=1)


def test_a_home_put_back_from_an_older_copy_writes_its_trees_anew(home: Home, tree: Path) -> None:
    publish(home, NINE, {"acme": ACME})
    export_hours(home, tree, [NINE])
    copy = shutil.copytree(home.root, home.root.with_name("copy"))
    publish(home, NINE, {"acme": ZEBRA}, revision=2)
    export_hours(home, tree, [NINE])
    shutil.rmtree(home.root)
    copy.rename(home.root)

    assert export_hours(home, tree, [NINE]) == ExportReport(written=1, hours=1)
    assert files_of(tree) == {"acme/1793610000.json": ACME}


def test_marks_of_the_version_before_are_taken_over_and_removed(home: Home, tree: Path) -> None:
    publish_old_tree(home, tree)

    assert export_hours(home, tree, [NINE, TEN]) == ExportReport(written=1, hours=1, current=1)
    assert files_of(tree) == {"acme/1793610000.json": ACME, "acme/1793613600.json": ZEBRA}
    assert not (tree / "@hourtally").exists()
    assert marker(home, tree, TEN).exists()


def test_a_takeover_that_was_killed_is_finished(
    home: Home, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_old_tree(home, tree)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("hourtally.published.export.targets.remove_old_markers", killed)
        with pytest.raises(KeyboardInterrupt):
            export_hours(home, tree, [])
    assert (tree / "@hourtally").exists()

    assert export_hours(home, tree, [NINE, TEN]) == ExportReport(written=1, hours=1, current=1)
    assert not (tree / "@hourtally").exists()


def test_files_of_others_beside_old_marks_stay(home: Home, tree: Path) -> None:
    publish_old_tree(home, tree)
    (tree / "@hourtally" / "notes.txt").write_bytes(b"mine")
    export_hours(home, tree, [NINE, TEN])

    assert files_of(tree)["@hourtally/notes.txt"] == b"mine"
    assert len(files_of(tree)) == 3


def test_a_damaged_id_of_the_home_is_named(home: Home, tree: Path) -> None:
    publish(home, NINE, {"acme": ACME})
    home.id_file.write_text("{}")

    with pytest.raises(Damaged) as caught:
        export_hours(home, tree, [NINE])
    assert caught.value.path == home.id_file


def test_usage_documents_have_a_tree_of_their_own(home: Home, tree: Path) -> None:
    usage = zero_usage_document(1793610000, "acme", "EUR")
    publish(home, NINE, {"acme": ACME}, usage={"acme": usage})

    assert export_hours(home, tree, [NINE], source=USAGE) == ExportReport(written=1, hours=1)
    assert files_of(tree) == {"acme/1793610000.json": usage}
    assert identity(tree)["kind"] == "usage"
    assert export_hours(home, tree, [NINE], source=USAGE) == ExportReport(current=1)
    assert export_hours(home, tree, [NINE], "acme", source=USAGE).written == 1
    with pytest.raises(ForeignTree, match="an export of usage, not of documents"):
        export_hours(home, tree, [NINE])


def test_an_hour_without_usage_documents_is_named_and_the_others_are_exported(
    home: Home, tree: Path
) -> None:
    usage = zero_usage_document(1793613600, "acme", "EUR")
    publish(home, NINE, {"acme": ACME})
    publish(home, TEN, {"acme": ZEBRA}, usage={"acme": usage})

    with pytest.raises(NotExported, match=r"Not exported: 2026-11-02T09$"):
        export_hours(home, tree, [NINE, TEN], source=USAGE)
    assert files_of(tree) == {"acme/1793613600.json": usage}


def test_an_export_that_waits_for_another_says_so(
    home: Home,
    tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    publish(home, NINE, {"acme": ACME})
    tree.mkdir()
    other = os.open(tree, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    monkeypatch.setattr(locking, "_SILENT_SECONDS", 0)
    # It is told before the first pause, in which the other export ends.
    monkeypatch.setattr("hourtally.store.locking.time.sleep", lambda _: os.close(other))

    export_hours(home, tree, [NINE])

    assert capsys.readouterr().err == f"hourtally: waiting for another export into {tree}\n"
    assert list(files_of(tree)) == [f"acme/{NINE.timestamp}.json"]


@pytest.mark.parametrize("folder", ["", "inbox", "inbox/tree", "events", ".staging/tree"])
def test_an_export_into_the_homes_own_folders_is_refused(home: Home, folder: str) -> None:
    publish(home, NINE, {"inbox": ACME})
    before = sorted(home.root.rglob("*"))

    with pytest.raises(ForeignTree, match="belongs to the home itself; export to another folder"):
        export_hours(home, home.root / folder, [NINE])

    assert sorted(home.root.rglob("*")) == before


def test_another_folder_in_the_home_may_have_an_export(home: Home) -> None:
    publish(home, NINE, {"inbox": ACME})

    export_hours(home, home.root / "tree", [NINE])

    assert (home.root / "tree" / "inbox" / "1793610000.json").read_bytes() == ACME
