"""A local server that speaks as much of the Hugging Face Hub's protocol as unmodified libraries need to push a dataset and
to load it. It keeps all in memory, remembers what came, and fails on demand. Large files come by LFS; those that come by
Xet go past it into a folder: they can be pushed, and not loaded."""

import base64
import hashlib
import json
import re
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote

Json = dict[str, Any]
HANG_UP = 0
"""In place of a status: no answer, and the end of the connection."""
DATASET, AT = "/datasets/(?P<repo>[^/]+/[^/]+)", "/(?P<revision>[^/]+)"


class Refused(Exception):  # noqa: N818 -- an answer
    """What the Hub says no with: status, message, and the code by which the libraries tell one 404 from another."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        self.status, self.message, self.code = status, message, code


@dataclass(frozen=True)
class File:
    """A file in a commit."""

    content: bytes
    sha256: str | None = None
    """Of a large file."""

    @property
    def oid(self) -> str:
        """What the Hub knows its content by: SHA-256 of a large file, Git's hash of another."""
        return self.sha256 or sha1(b"blob %d\0" % len(self.content) + self.content)

    def entry(self, path: str) -> Json:
        """Its line in a listing."""
        lfs = {"lfs": {"oid": self.oid, "size": len(self.content), "pointerSize": 134}} if self.sha256 else {}
        return {"type": "file", "path": path, "oid": self.oid[:40], "size": len(self.content)} | lfs


def sha1(content: bytes) -> str:
    """As Git uses it."""
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


Tree = dict[str, File]


@dataclass
class Repo:
    """A dataset repository with one branch, main."""

    private: bool
    gated: str | bool = False
    commits: dict[str, Tree] = field(default_factory=dict)
    """Commit to its files, in the order they came."""
    tags: dict[str, str] = field(default_factory=dict)
    """Tag to commit."""

    @property
    def head(self) -> str:
        """The last commit."""
        return next(reversed(self.commits))

    def commit(self, tree: Tree) -> str:
        """A new commit with these files."""
        self.commits[oid := secrets.token_hex(20)] = tree
        return oid

    def at(self, revision: str) -> str:
        """The commit that a branch, a tag or a commit's own name means."""
        oid = self.head if revision in ("", "main") else self.tags.get(revision, revision)
        if oid not in self.commits:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return oid


Act = Callable[["Exchange"], object]
ROUTES: list[tuple[str, Act]] = []
"""Method and path as a pattern, and who answers. The first that matches does; its name is the call's kind."""


def route(pattern: str) -> Callable[[Act], Act]:
    """Answers calls of this pattern: what it returns is sent, unless it is None."""

    def keep(act: Act) -> Act:
        ROUTES.append((pattern, act))
        return act

    return keep


class Exchange(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Hub"

    def answer(self) -> None:
        """Answer a call, or fail as asked to."""
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path, _, self.query = self.path.partition("?")
        try:
            with self.server.lock:
                self.dispatch(f"{self.command} {path}")
        except Refused as no:
            self.send(no.status, {"error": no.message}, **{"X-Error-Code": no.code})

    do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815 -- the names that http.server looks for

    def dispatch(self, call: str) -> None:
        """Find out who answers, and whether the token will do; an object's address in the store is a secret itself."""
        found, act = next(
            ((found, act) for pattern, act in ROUTES if (found := re.fullmatch(pattern, call))), (None, None)
        )
        if found is None or act is None:
            self.server.unknown.append(call)
            raise Refused(404, f"no such page: {call}")
        self.server.calls.append(act.__name__)
        given = self.headers["Authorization"]
        if statuses := self.server.failing[act.__name__]:
            if (status := statuses.pop(0)) == HANG_UP:
                self.close_connection = True
                return
            raise Refused(status, f"as you wished,\nholder of {given}")
        if given is None and act not in (agents, store):
            raise Refused(401, "Repository not found", "RepoNotFound")
        if given not in (None, f"Bearer {self.server.token}"):
            raise Refused(401, "Invalid credentials in Authorization header")
        self.found = {name: unquote(value or "") for name, value in found.groupdict().items()}
        if (answer := act(self)) is not None:
            self.send(200, answer)

    def send(self, status: int, body: object, **headers: str) -> None:
        """Answer with bytes, or with JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    @property
    def asked(self) -> Json:
        """The body, as JSON."""
        return dict(json.loads(self.body))

    @property
    def repo(self) -> Repo:
        """The repository that the call is about."""
        if self.found["repo"] not in self.server.repos:
            raise Refused(404, "Repository not found", "RepoNotFound")
        return self.server.repos[self.found["repo"]]

    @property
    def tree(self) -> Tree:
        """The files that the call is about."""
        return self.repo.commits[self.repo.at(self.found["revision"])]


@route("GET /api/agent-harnesses")
def agents(_: Exchange) -> Json:
    """Which agents the libraries should look out for: none."""
    return {"standardEnvVars": [], "harnesses": {}}


@route("POST /api/repos/create")
def create(call: Exchange) -> Json | None:
    """A new repository, with .gitattributes in a first commit."""
    name = f"{call.asked['organization']}/{call.asked['name']}"
    url = {"url": f"{call.server.url}/datasets/{name}"}
    if name in call.server.repos:
        call.send(409, {"error": "You already created this dataset repo", **url})
        return None
    call.server.repos[name] = Repo(private=call.asked.get("visibility") == "private")
    call.server.repos[name].commit({".gitattributes": File(b"*.parquet filter=lfs\n")})
    return url


@route(f"PUT /api{DATASET}/settings")
def settings(call: Exchange) -> Json:
    """Gate it."""
    call.repo.gated = call.asked["gated"]
    return call.asked


@route(f"GET /api{DATASET}(?:/revision{AT})?")
def info(call: Exchange) -> Json:
    """A repository at a revision."""
    files = [{"rfilename": path} for path in call.tree]
    repo, sha = call.repo, call.repo.at(call.found["revision"])
    return {"id": call.found["repo"], "sha": sha, "private": repo.private, "gated": repo.gated, "siblings": files}


@route(f"GET /api{DATASET}/refs")
def refs(call: Exchange) -> Json:
    """Branches and tags."""
    tags = [{"name": n, "ref": f"refs/tags/{n}", "targetCommit": oid} for n, oid in call.repo.tags.items()]
    main = {"name": "main", "ref": "refs/heads/main", "targetCommit": call.repo.head}
    return {"branches": [main], "tags": tags, "converts": []}


@route(f"GET /api{DATASET}/tree{AT}(?:/(?P<path>.*))?")
def listing(call: Exchange) -> list[Json]:
    """The files in a folder, and its folders."""
    folder = f"{call.found['path']}/" if call.found["path"] else ""
    deep = parse_qs(call.query).get("recursive", [""])[0].lower() == "true"
    below = {path.removeprefix(folder): file for path, file in call.tree.items() if path.startswith(folder)}
    if folder and not below:
        raise Refused(404, "Entry not found", "EntryNotFound")
    folders = {rest[: at.start()] for rest in below for at in re.finditer("/", rest)}
    entries: list[Json] = [
        {"type": "directory", "path": folder + f, "oid": sha1(f.encode()), "size": 0} for f in sorted(folders)
    ]
    entries += [file.entry(folder + rest) for rest, file in sorted(below.items())]
    return [e for e in entries if deep or "/" not in e["path"].removeprefix(folder)]


@route("POST /api/validate-yaml")
def card(_: Exchange) -> Json:
    """Whether the card's YAML will do: it does."""
    return {"errors": [], "warnings": []}


@route(f"POST /api{DATASET}/preupload{AT}")
def preupload(call: Exchange) -> Json:
    """How each file is to be sent, and what is there in its place."""
    oids = {path: file.oid for path, file in call.tree.items()}
    modes = {f["path"]: "lfs" if f["path"].endswith(".parquet") else "regular" for f in call.asked["files"]}
    return {
        "files": [{"path": p, "uploadMode": m, "shouldIgnore": False, "oid": oids.get(p)} for p, m in modes.items()]
    }


@route(f"POST {DATASET}[.]git/info/lfs/objects/batch")
def batch(call: Exchange) -> Json:
    """Where to put large files; nowhere, for those that are in the store."""
    objects = [{"oid": o["oid"], "size": o["size"]} for o in call.asked["objects"]]
    for o in objects:
        if o["oid"] not in call.server.store:
            o["actions"] = {"upload": {"href": f"{call.server.url}/store/{o['oid']}"}}
    return {"transfer": "basic", "objects": objects}


@route("PUT /store/(?P<oid>.+)")
def store(call: Exchange) -> bytes:
    """A large file's bytes come."""
    if hashlib.sha256(call.body).hexdigest() != call.found["oid"]:
        raise Refused(400, "the SHA-256 does not match")
    call.server.store[call.found["oid"]] = call.body
    call.server.received.append(call.found["oid"])
    return b""


@route(f"GET /api{DATASET}/xet-write-token{AT}")
def xet(call: Exchange) -> Json:
    """Where large files go by Xet: a folder, in place of another server."""
    return {"casUrl": f"local://{call.server.xet}", "accessToken": "x", "exp": int(time.time()) + 3600}


@route(f"POST /api{DATASET}/commit{AT}")
def commit(call: Exchange) -> Json:
    """A commit: its header, then a line for each file."""
    header, *lines = (json.loads(line) for line in call.body.splitlines())
    if header["value"].get("parentCommit", call.repo.head) != call.repo.head:
        raise Refused(412, "A commit has happened since. Please refresh and try again.")
    tree = dict(call.tree)
    for kind, value in ((line["key"], line["value"]) for line in lines):
        if kind == "file":
            content = base64.b64decode(value["content"])
            call.server.received.append(hashlib.sha256(content).hexdigest())
            tree[value["path"]] = File(content)
        elif kind == "lfsFile":
            tree[value["path"]] = File(call.server.store.get(value["oid"], b"went by Xet"), value["oid"])
        else:
            del tree[value["path"]]
    oid = call.repo.commit(tree)
    return {"commitOid": oid, "commitUrl": f"{call.server.url}/datasets/{call.found['repo']}/commit/{oid}"}


@route(f"POST /api{DATASET}/tag{AT}")
def tag(call: Exchange) -> Json:
    """A name for a commit, once."""
    if call.asked["tag"] in call.repo.tags:
        raise Refused(409, f"Tag reference exists already: refs/tags/{call.asked['tag']}")
    call.repo.tags[call.asked["tag"]] = call.repo.at(call.found["revision"])
    return {}


@route(f"(?:GET|HEAD) {DATASET}/resolve{AT}/(?P<path>.+)")
def resolve(call: Exchange) -> None:
    """A file's bytes, or a range of them."""
    if (file := call.tree.get(call.found["path"])) is None:
        raise Refused(404, "Entry not found", "EntryNotFound")
    oid, size = call.repo.at(call.found["revision"]), len(file.content)
    headers = {"X-Repo-Commit": oid, "ETag": f'"{file.oid}"', "Accept-Ranges": "bytes"}
    if found := re.fullmatch(r"bytes=(\d+)-(\d*)", call.headers.get("Range", "")):
        start, end = int(found[1]), min(int(found[2] or size), size - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{size}"
        call.send(206, file.content[start : end + 1], **headers)
    else:
        call.send(200, file.content, **headers)


class Hub(ThreadingHTTPServer):
    """The server, in threads of its own, on a free port of the loopback."""

    def __init__(self, xet: Path) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.xet = xet
        """What comes by Xet goes here."""
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.token = f"hf_{secrets.token_hex(12)}"
        """With it, everything may be read and written; without, nothing."""
        self.repos: dict[str, Repo] = {}
        self.store: dict[str, bytes] = {}
        """The large files, by SHA-256."""
        self.received: list[str] = []
        """SHA-256 of each content that came: what came twice is here twice."""
        self.calls: list[str] = []
        """The kind of each call, in order."""
        self.unknown: list[str] = []
        """Calls that nobody here answers."""
        self.failing: defaultdict[str, list[int]] = defaultdict(list)
        """Of a kind of call, the statuses with which the next ones fail."""
        self.lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
