"""The push door: a release goes out here, to the Hugging Face Hub, step by step. Each step looks first at what is there, and keeps
no notes of its own: whatever stopped it, the same command goes on."""

import glob
import hashlib
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from huggingface_hub import HfApi, RepoFile, get_token
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import disable_progress_bars, httpx, parse_ratelimit_headers  # type: ignore[attr-defined]

from pipeline.errors import UserError

Gate = Literal["manual", "auto", "none"]
GATES = {
    "manual": "gate it: every request for access is granted by hand, after the form in its card",
    "auto": "gate it: whoever fills in the form in its card has access at once",
    "none": "leave it without a gate",
}
MANIFEST = "manifest.json"
TYPE = "dataset"
_ADVICE = {
    401: "it does not know this token: set HF_TOKEN to one that may write there",
    403: "this token may not write there: set HF_TOKEN to one that may, or choose another --repo",
    404: "this token cannot see it: set HF_TOKEN to one that can, or choose another --repo",
    409: "somebody else is changing the repository: run the same command again",
    412: "somebody else changed the repository meanwhile: look at what they did, then run the same command again",
    429: "that was too much at once: wait{}, and run the same command again",
}


@dataclass(frozen=True)
class Target:
    """Where a release goes, and who may see it there."""

    repo: str
    tag: str
    gate: Gate = "manual"
    public: bool = False

    def __post_init__(self) -> None:
        named(self.repo)


def named(repo: str) -> None:
    """UserError: no repository has such a name."""
    if repo.count("/") != 1:
        raise UserError(f"--repo {repo}: a repository on the Hub is named org/name")


def steps(folder: Path, to: Target) -> list[str]:
    """What `push` would do, in words. UserError: it holds pictures that nobody may publish."""
    if _page(folder).get("images", {}).get("hydrated"):
        raise UserError(
            f"the release {folder} was hydrated: it holds pictures that may not be published; build it anew without them "
            "(tetrad publish RUN), and push that"
        )
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    return [
        f"create the private dataset repository {to.repo}, unless it is there",
        f"upload {folder} ({size / 1e6:.1f} MB), but for what is there already",
        GATES[to.gate],
        "load every config as uploaded, and compare the SHA-256 of every file",
        f"tag it {to.tag}",
        "make it public" if to.public else "leave it as private as it is (--public makes it public)",
    ]


def push(folder: Path, to: Target) -> Iterator[str]:
    """Do it, and say each step once it is done. UserError: something is to be mended first; what is uploaded stays, and is not
    uploaded again. The token comes from the environment (HF_TOKEN) or from `hf auth login`."""
    with _Hub(f"the push to {to.repo}") as hub:
        yield from _push(hub, folder, to)


def fetch(repo: str, tag: str, folder: Path) -> Path:
    """Bring a published release into the folder, unless it is there whole."""
    named(repo)
    with _Hub(f"bringing {repo} here") as hub:
        tags = {t.name: t.target_commit for t in hub.api.list_repo_refs(repo, repo_type=TYPE).tags}
        if tag not in tags:
            raise UserError(f"{repo} has no version {tag}; it has {', '.join(tags) or 'none'}")
        hub.api.snapshot_download(repo, repo_type=TYPE, revision=tags[tag], local_dir=folder)
    try:
        said = _manifest(folder)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        raise UserError(f"{repo} at {tag} is no release of Tetrad's: it has no {MANIFEST} that can be read") from None
    if wrong := [p for p, sha256 in said.items() if not (folder / p).is_file() or _sha256(folder / p) != sha256]:
        raise UserError(f"{repo} at {tag} is not what its {MANIFEST} says: {_few(wrong)}")
    return folder


def _push(hub: "_Hub", folder: Path, to: Target) -> Iterator[str]:
    words = iter(steps(folder, to))
    hub.api.create_repo(to.repo, repo_type=TYPE, private=True, exist_ok=True)
    yield next(words)
    refs = hub.api.list_repo_refs(to.repo, repo_type=TYPE)
    tagged = next((t.target_commit for t in refs.tags if t.name == to.tag), None)
    there = There(hub.api, to.repo, tagged or "main", folder)
    if tagged and not there.is_whole:
        raise UserError(f"the tag {to.tag} of {to.repo} marks another release: give this one another --tag")
    if not there.is_private and not there.released and not there.is_whole:
        raise UserError(
            f"{to.repo} is public, and holds no release yet: make it private first, or choose another --repo"
        )
    if not there.is_whole:
        there.check_version({name for t in refs.tags for name in (t.name, t.target_commit)})
    yield from there.warnings()
    commit = there.commit if there.is_whole else _upload(hub.api, folder, to, there)
    yield f"{next(words)}: {commit}"
    gate: Literal["manual", "auto", False] = False if to.gate == "none" else to.gate
    hub.api.update_repo_settings(to.repo, repo_type=TYPE, gated=gate)
    yield next(words)
    _verify(hub.api, folder, to, commit)
    yield next(words)
    hub.api.create_tag(to.repo, repo_type=TYPE, tag=to.tag, revision=commit, exist_ok=True)
    if hub.api.dataset_info(to.repo, revision=to.tag).sha != commit:
        raise UserError(f"the tag {to.tag} of {to.repo} marks another release: give this one another --tag")
    yield next(words)
    if to.public:
        hub.api.update_repo_settings(to.repo, repo_type=TYPE, private=False)
    yield next(words)


class There:
    """What a repository holds at a revision, beside the folder that goes there."""

    def __init__(self, api: HfApi, repo: str, revision: str, folder: Path) -> None:
        self._api, self._repo, self._folder = api, repo, folder
        info = api.dataset_info(repo, revision=revision)
        self.commit, self.is_private = str(info.sha), bool(info.private)
        entries = api.list_repo_tree(repo, repo_type=TYPE, revision=self.commit, recursive=True)
        self._files = {e.path: e for e in entries if isinstance(e, RepoFile) and e.path != ".gitattributes"}
        self._ours = _manifest(folder)
        same = [path for path in self._files if path in self._ours and self._is_same(path)]
        self.is_whole = len(same) == len(self._ours)
        """Nothing of ours is missing, nothing else."""
        self._others = sorted(set(self._files) - set(same))

    def _is_same(self, path: str) -> bool:
        file, ours = self._files[path], self._folder / path
        if file.lfs or file.size != ours.stat().st_size:
            return bool(file.lfs and file.lfs.sha256 == self._ours[path])
        content = ours.read_bytes()
        git = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
        return file.blob_id == git.hexdigest()

    @cached_property
    def released(self) -> dict[str, str]:
        """The files of the release that is there: path → SHA-256. Empty: there is none, or it is of another dataset, which
        this one does not build on."""
        files, page = self._theirs
        return files if self._builds_on or page.get("name") == _page(self._folder).get("name") else {}

    @cached_property
    def _theirs(self) -> tuple[dict[str, str], dict[str, Any]]:
        """The release that is there: the files and the page of its manifest; empty: there is none."""
        if MANIFEST not in self._files:
            return {}, {}
        with tempfile.TemporaryDirectory() as aside:
            self._get(MANIFEST, aside)
            try:
                return _manifest(Path(aside)), _page(Path(aside))
            except (ValueError, KeyError, TypeError):
                return {}, {}

    @property
    def _builds_on(self) -> bool:
        """Whether ours was built on the very release that is there."""
        base = (_page(self._folder).get("base") or {}).get("manifest")
        return base is not None and base == self._theirs[0].get(MANIFEST)

    def check_version(self, tags: Set[str]) -> None:
        """UserError: ours would go over a later version, or over another of the same number that is tagged, and does not
        build on it. `tags`: their names, and the commits that they mark."""
        files, page = self._theirs
        theirs, ours = _version(page), _version(_page(self._folder))
        if not self.released or self._builds_on or files[MANIFEST] == self._ours[MANIFEST]:
            return
        if not theirs or not ours or ours > theirs:
            return
        number = page["version"]
        if ours == theirs and not tags & {self.commit, f"v{number}"}:
            return  # its push was never finished
        raise UserError(
            f"{self._repo} holds v{number}, and this is v{_page(self._folder)['version']}, which does not build on it: build on "
            f"it (tetrad publish RUN --base v{number} --repo {self._repo}), or choose another --repo"
        )

    def _get(self, path: str, aside: str) -> Path:
        return Path(self._api.hf_hub_download(self._repo, path, repo_type=TYPE, revision=self.commit, local_dir=aside))

    def _changed(self, path: str) -> bool:
        """Whether somebody changed a file of the release there."""
        if path == MANIFEST or path not in self.released:
            return path != MANIFEST
        if lfs := self._files[path].lfs:
            return bool(lfs.sha256 != self.released[path])
        with tempfile.TemporaryDirectory() as aside:
            return _sha256(self._get(path, aside)) != self.released[path]

    @property
    def gone(self) -> list[str]:
        """Files of the release that is there which this one lacks."""
        return [path for path in self._others if path in self.released and path not in self._ours]

    def warnings(self) -> Iterator[str]:
        """What becomes of files that are no release's. UserError: ours would take the place of somebody else's."""
        if taken := [path for path in self._others if path in self._ours and not self.released]:
            raise UserError(
                f"{self._repo} holds something else: {_few(taken)}; choose another --repo, or remove them there first"
            )
        if not self.is_private and not self.is_whole:
            yield "it is public: what is uploaded can be seen at once"
        if lost := [path for path in self._others if path in {*self._ours, *self.gone} and self._changed(path)]:
            yield f"over what somebody changed there, which stays in the history, at {self.commit}: {_few(lost)}"
        if self.gone:
            yield f"without {_few(self.gone)} of the release that is there, which this one lacks"
        if kept := [path for path in self._others if path not in {*self._ours, *self.gone}]:
            yield f"beside what is there and no release's: {_few(kept)}"


def _upload(api: HfApi, folder: Path, to: Target, there: There) -> str:
    """What is missing, in one commit or, if they are many files, in several; returns the last."""
    done = api.upload_folder(
        repo_id=to.repo, repo_type=TYPE, folder_path=folder, commit_message=f"Release {to.tag}",
        parent_commit=there.commit, delete_patterns=[glob.escape(path) for path in there.gone],
    )  # fmt: skip
    return done.oid


def _verify(api: HfApi, folder: Path, to: Target, commit: str) -> None:
    """Bring back every file at the commit, one after the other, and let `datasets` find every config and split."""
    import datasets  # it takes its time to load

    aside = folder.with_name(f"{folder.name}.back.aside")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        for path, sha256 in _manifest(folder).items():
            back = Path(api.hf_hub_download(to.repo, path, repo_type=TYPE, revision=commit, local_dir=aside))
            if _sha256(back) != sha256:
                raise UserError(f"{to.repo} gives back another {path} than was uploaded, at {commit}: it is not tagged")
            back.unlink()
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    for config, about in _page(folder)["configs"].items():
        try:
            loaded = datasets.load_dataset(to.repo, config, revision=commit, streaming=True, token=api.token)
            empty = [split for split, rows in about["splits"].items() if rows and not next(iter(loaded[split]), None)]
        except (datasets.exceptions.DatasetsError, pa.ArrowException, ValueError, KeyError, FileNotFoundError) as error:
            said = " ".join(str(error).split())[:300]
            raise UserError(f"{to.repo} is uploaded, but `datasets` cannot load {config} at {commit}: {said}") from None
        if empty:
            raise UserError(
                f"{to.repo} is uploaded, but `datasets` finds no row of {config}, {_few(empty)} at {commit}"
            )


def _manifest(folder: Path) -> dict[str, str]:
    """Path → SHA-256 of every file of a release, the manifest itself among them."""
    files: dict[str, str] = _page(folder)["files"]
    return files | {MANIFEST: _sha256(folder / MANIFEST)}


def _page(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return found


def _version(page: dict[str, Any]) -> tuple[int, ...]:
    """Its numbers, in order; none: it says none."""
    found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", str(page.get("version")))
    return tuple(map(int, found.groups())) if found else ()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _few(paths: list[str]) -> str:
    """The first of them."""
    return ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")


class _Hub:
    """The Hub, with a token; what goes wrong there is the user's to mend, and said without the token."""

    def __init__(self, doing: str) -> None:
        self._doing, self._token = doing, get_token() or ""
        if not re.fullmatch("[!-~]+", self._token):
            raise UserError("no token for the Hub: set the environment variable HF_TOKEN to one that may write")
        if not sys.stderr.isatty():
            disable_progress_bars()
        self.api = HfApi(token=self._token)

    def __enter__(self) -> "_Hub":
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, (httpx.HTTPError, OSError, RuntimeError, ValueError)):
            what = f"{self._doing} at {self.api.endpoint} stopped: {_told(error, self._token)}"
            raise UserError(f"{what}; what is done stays done") from None


def _told(error: BaseException, token: str) -> str:
    """What happened, and what to do. The libraries wrap what an upload met in errors of their own."""
    while error.__cause__ and not isinstance(error, HfHubHTTPError):
        error = error.__cause__
    if not isinstance(error, HfHubHTTPError):
        said = _clean(str(error) or type(error).__name__, token)
        return f"{said}; mend that (is the Hub there?), and run the same command again"
    status, limit = error.response.status_code, parse_ratelimit_headers(error.response.headers)
    said = _clean(error.server_message or "", token)
    otherwise = "the Hub is out of order: run it again later" if status >= 500 else "mend that, and run it again"
    advice = _ADVICE.get(status, otherwise).format(f" {limit.reset_in_seconds} seconds" if limit else "")
    return f"the Hub answered {status} ({said}); {advice}"


def _clean(text: str, token: str) -> str:
    return " ".join(text.split()).replace(token, "<token>")[:300]
