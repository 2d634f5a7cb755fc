"""A release in the files that trainers read, and stubs that are filled."""

import hashlib
import io
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from datasets import load_dataset
from drawn import picture
from PIL import Image as Pillow
from small import Small, quadruples
from tiny import tetrad

from pipeline.doors import push
from pipeline.doors.blobs import Blobs
from pipeline.doors.web.address import Address
from pipeline.doors.web.download import Downloaded, Web
from pipeline.doors.web.loop import Loop
from pipeline.errors import UserError
from pipeline.forget import forget
from pipeline.pictures.rebuild import rebuilt
from pipeline.release.exporting import FORMATS, export
from pipeline.release.folder import MANIFEST, Folder
from pipeline.release.hydrate import hydrate
from pipeline.stages import publish
from pipeline.workspace import Workspace

Cells = dict[str, Any]


def exported(release: Folder, to: str, folder: Path) -> dict[str, list[Cells]]:
    """By the command; split to rows."""
    done = tetrad("release", "export", release.path, "--to", to, folder)
    assert done.code == 0, done.err
    found = {}
    for split in ("train", "test"):
        text = (folder / f"{split}{FORMATS[to].ENDING}").read_text()
        found[split] = [json.loads(line) for line in text.splitlines()] if to == "ms-swift" else json.loads(text)
    splits = release.manifest["configs"]["quadruples"]["splits"]
    assert {split: len(rows) for split, rows in found.items()} == splits
    assert done.out == "".join(f"{n} {split}\n" for split, n in splits.items())
    return found


def check_pictures(small: Small, folder: Path, names: set[str]) -> None:
    kept = {hashlib.sha256(p.read_bytes()).hexdigest(): p for p in (folder / "images").iterdir()}
    assert {p.relative_to(folder).as_posix() for p in kept.values()} == names
    assert set(small.tables["quadruples"]["image"]) == set(kept)


def test_llama_factory(small: Small, release: Folder, tmp_path: Path) -> None:
    found = exported(release, "llama-factory", tmp_path / "out")
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_text())
    assert info["train"] == {
        "file_name": "train.json", "formatting": "sharegpt", "ranking": True,
        "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected", "images": "images"},
    }  # fmt: skip
    for row in found["train"]:
        [turn] = row["conversations"]
        assert turn["from"] == "human"
        assert turn["value"].startswith("<image>What is shown")
        assert turn["value"].count("<image>") == len(row["images"]) == 1
        assert row["chosen"]["from"] == row["rejected"]["from"] == "gpt"
    check_pictures(small, tmp_path / "out", {i for rows in found.values() for row in rows for i in row["images"]})


def test_ms_swift(small: Small, release: Folder, tmp_path: Path) -> None:
    found = exported(release, "ms-swift", tmp_path / "out")
    for row in found["train"]:
        assert list(row) == ["messages", "rejected_response", "images", "margin"]
        assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
        assert row["messages"][0]["content"].startswith("<image>")
        assert row["rejected_response"].startswith("Steal")
    check_pictures(small, tmp_path / "out", {i for rows in found.values() for row in rows for i in row["images"]})


def test_spa_vl(small: Small, release: Folder, tmp_path: Path) -> None:
    found = exported(release, "spa-vl", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "mapping.json").read_text()) == {"train": "train.json", "test": "test.json"}
    for row in found["train"]:
        assert list(row) == ["id", "image", "question", "chosen", "rejected"]
    check_pictures(small, tmp_path / "out", {row["image"] for rows in found.values() for row in rows})


def test_texts_alone_are_exported_without_the_token(tmp_path: Path) -> None:
    made = Small(tmp_path, 2, lambda name, row: row | {"image": None} if name == "Quadruple" else row).release()
    for to in FORMATS:
        assert export(made, to, tmp_path / to)["train"] > 0
    row = json.loads((tmp_path / "ms-swift" / "train.jsonl").read_text().splitlines()[0])
    assert row["images"] == []
    assert row["messages"][0]["content"].startswith("What is shown")


def test_what_would_be_misread_is_left_out_and_counted(tmp_path: Path) -> None:
    def changed(name: str, row: Cells) -> Cells:
        if name == "Quadruple" and row["id"] == "qp0000":
            return row | {"rejected": "Look at <image> closely."}
        return row | {"licence": None} if row.get("attribution") == "Somebody 1" else row

    made = Small(tmp_path, 4, changed).release()
    counts = export(made, "llama-factory", tmp_path / "out")
    assert counts["left out: a text says <image>"] == 1
    assert counts["left out: its picture is not in the release (tetrad release hydrate)"] == 2
    assert counts["train"] + counts["test"] == 5


def test_a_text_that_holds_any_token_of_the_format_is_left_out_and_counted(tmp_path: Path) -> None:
    said = ("<video>", "<audio>", "<bbox>", "<ref-object>", "<imagery>")

    def changed(name: str, row: Cells) -> Cells:
        number = int(row["id"][2:5]) if name == "Quadruple" and row["id"].endswith("0") else len(said)
        column = ("question", "chosen", "rejected")[number % 3]
        return row | {column: f"Look at {said[number]} closely."} if number < len(said) else row

    made = Small(tmp_path, 6, changed).release()
    for to, tokens in (("llama-factory", said[:2]), ("ms-swift", said[:4]), ("spa-vl", ())):
        counts = export(made, to, tmp_path / to)
        left = {f"left out: a text says {token}": 1 for token in tokens}
        assert {name: n for name, n in counts.items() if name.startswith("left out")} == left
        assert counts["train"] + counts["test"] == 12 - len(tokens)


def test_a_format_that_is_none_and_a_folder_that_is_full_are_one_line_for_the_user(
    release: Folder, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="no such format: dpo; there are llama-factory, ms-swift, spa-vl"):
        export(release, "dpo", tmp_path / "out")
    (tmp_path / "x").write_text("")
    with pytest.raises(UserError, match="is not empty"):
        export(release, "spa-vl", tmp_path)


class Site(ThreadingHTTPServer):
    """Has the pictures of a run, by number."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.asked: Counter[str] = Counter()
        self.changed: set[str] = set()
        Thread(target=self.serve_forever, args=(0.01,)).start()

    def get(self, folder: Path) -> Any:
        """What downloads from an internet in which every name leads here."""

        async def resolver(_name: str, _port: int) -> list[Address]:
            return [IPv4Address("127.0.0.1")]

        return Loop(
            lambda: Web(resolver=resolver, public=lambda _: True, ports=frozenset({self.server_port}), folder=folder)
        )


def original(name: str) -> bytes:
    """A picture as it lies in the web."""
    buffer = io.BytesIO()
    picture(name).save(buffer, "PNG")
    return buffer.getvalue()


class Page(BaseHTTPRequestHandler):
    """A picture, or nothing."""

    server: Site

    def do_GET(self) -> None:
        name = self.path.strip("/")
        self.server.asked[name] += 1
        data = original(name + "?" * (name in self.server.changed)) if name.isdigit() else b""
        self.send_response(200 if data else 404)
        for key, value in {"Content-Type": "image/png", "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()
    yield served
    served.shutdown()
    served.server_close()


def test_stubs_are_filled_with_the_very_pictures_and_checked_by_their_hash(tmp_path: Path, site: Site) -> None:
    """Picture 0 is free; 1 to 4 are not, one of them is another by now, one is gone, one was never fetched."""
    originals = {f"{n}": original(f"{n}") for n in range(5)}

    def changed(name: str, row: Cells) -> Cells:
        number = (row.get("url") or row.get("image_url") or "").rpartition("/")[2]
        if not number:
            return row
        place = f"http://pictures.example:{site.server_port}/{'gone' if number == '3' else number}"
        own = {"url": place} if name == "Image" else {"image_url": place}
        made = rebuilt(originals[number])
        small_images[made.sha256] = made.data
        same = {
            "id" if name == "Image" else "image": made.sha256,
            "licence": "CC0-1.0" if number == "0" else "CC-BY-NC-4.0",
        }
        fetched = {"original_sha256": "" if number == "4" else hashlib.sha256(originals[number]).hexdigest()}
        return row | own | same | (fetched if name == "Image" else {})

    small_images: dict[str, bytes] = {}
    small = Small(tmp_path, 5, changed)
    for data in small_images.values():
        small.images.keep(data)
    release = small.release()
    assert release.manifest["images"]["stubs"] == 4
    site.changed = {"2"}
    with site.get(tmp_path / "listings") as web:

        def get(url: str) -> bytes | str:
            came = web.get(url)
            return came.data if isinstance(came, Downloaded) else str(came.reason)

        counts = hydrate(release, get)
        assert counts == {
            "filled": 1, "another file by now": 1, "not found": 1,
            "without a hash to check by (--unchecked takes them as they are)": 1,
        }  # fmt: skip
        again = Folder(release.path)
        assert again.manifest["images"] == release.manifest["images"] | {"stubs": 3, "hydrated": 1}
        found = {row["image_url"][-1]: row["image"] for row in again.pictured("quadruples")}
        assert found["1"]["bytes"] == rebuilt(originals["1"]).data
        assert found["0"]["bytes"] == rebuilt(originals["0"]).data
        assert found["2"] is found["e"] is found["4"] is None
        assert hydrate(again, get, unchecked=True)["filled"] == 1
        assert site.asked["1"] == 1, "what came is kept"
    last = Folder(release.path)
    assert last.manifest["images"]["stubs"] == 2
    for config, column in (("default", "images"), ("kto", "images"), ("quadruples", "image")):
        rows = [
            r for s in load_dataset(str(release.path), config, cache_dir=str(tmp_path / "cache")).values() for r in s
        ]
        assert sum(row[column] is None for row in rows) == len(rows) * 2 / 5
    assert quadruples(last).equals(quadruples(release)), "nothing but the pictures is another"
    assert (
        Pillow.open(io.BytesIO(next(r["image"]["bytes"] for r in last.pictured("quadruples") if r["image"]))).mode
        == "RGB"
    )
    assert [p.name for p in tmp_path.iterdir() if "aside" in p.name] == []


def test_what_a_release_names_leads_nowhere_outside_its_folder(tmp_path: Path) -> None:
    for number, wrong in enumerate(("../../outside", "A" * 64, "f" * 64 + "\n")):

        def named(name: str, row: Cells, wrong: str = wrong) -> Cells:
            column = {"Image": "id", "Prompt": "image", "Quadruple": "image"}.get(name)
            own = {column: wrong, "licence": "CC-BY-NC-4.0"} if column and name != "Prompt" else {}
            return row | own if (row.get("url") or row.get("image_url") or "").endswith("/1") else row

        release = Small(tmp_path / f"{number}", 4, named).release()
        for use in (lambda r: export(r, "spa-vl", tmp_path / "out" / "new"), lambda r: hydrate(r, lambda _: "nothing")):
            with pytest.raises(UserError, match="that is no SHA-256"):
                use(release)
        assert not list(tmp_path.rglob("outside*"))
        shutil.rmtree(tmp_path / "out")

    whole = Small(tmp_path / "whole", 4).release()
    page = whole.path / MANIFEST
    configs = whole.manifest["configs"]
    for changed in ({"folder": "../data"}, {"folder": ".."}, {"folder": "/data"}, {"splits": {"../train": 1}}):
        page.write_text(json.dumps(whole.manifest | {"configs": configs | {"kto": configs["kto"] | changed}}))
        with pytest.raises(UserError, match="names a folder or a split"):
            Folder(whole.path)


def stubbed(folder: Path) -> tuple[Small, str, bytes]:
    """A run in whose release one picture is a stub; what it is called, and what lies at its address."""
    there = original("1")
    made = rebuilt(there)

    def changed(name: str, row: Cells) -> Cells:
        if not (row.get("url") or row.get("image_url") or "").endswith("/1"):
            return row
        fetched = {"original_sha256": hashlib.sha256(there).hexdigest()} if name == "Image" else {}
        return row | {"id" if name == "Image" else "image": made.sha256, "licence": "CC-BY-NC-4.0"} | fetched

    return Small(folder, 4, changed), made.sha256, there


def test_a_hydrated_release_is_built_anew_before_it_is_published_and_never_pushed(tmp_path: Path) -> None:
    small, _, there = stubbed(tmp_path)
    release, to = small.release(), push.Target("org/name", "v1")
    assert publish.holds(release.path, small.made)
    assert push.steps(release.path, to)
    assert hydrate(release, lambda _: "not found") == {"not found": 1}
    assert publish.holds(release.path, small.made), "nothing was filled"
    assert hydrate(release, lambda _: there) == {"filled": 1}
    assert not publish.holds(release.path, small.made)
    with pytest.raises(UserError, match="was hydrated: it holds pictures that may not be published"):
        push.steps(release.path, to)
    assert push.steps(small.release().path, to)


def test_what_a_release_was_filled_with_is_forgotten_with_its_picture(tmp_path: Path) -> None:
    small, name, there = stubbed(tmp_path)
    release = small.release("releases/small")
    hydrate(release, lambda _: there)
    pictures = release.path.with_name("small.pictures")
    page = pictures / f"{name}.filled"
    data = Blobs(pictures).read(page.read_text()) + b"as another Pillow writes it"
    page.write_text(Blobs(pictures).keep(data))
    (pictures / f"{'f' * 64}.filled").write_text(page.read_text())
    before = {p for p in pictures.rglob("*") if p.is_file()}
    gone = forget(Workspace(tmp_path), name)
    assert gone.files == 2
    left = {p for p in pictures.rglob("*") if p.is_file()}
    assert len(before - left) == 4, "both bytes, and both pages that lead to them"
    assert not any(p.suffix == ".filled" for p in left)
    assert not any(data in p.read_bytes() or there in p.read_bytes() for p in left)
    assert len(left) == 3, "the other pictures are kept"
