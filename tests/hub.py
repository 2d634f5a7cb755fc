"""A local server that speaks as much of the Hugging Face Hub's protocol as unmodified libraries need to push a dataset and
to load it, large files by LFS or by Xet. It keeps all in memory, remembers what came, and fails, or waits, on demand."""

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
from typing import Any, Self
from urllib.parse import parse_qs, unquote

from tests.xet import Cas, Xorb, files

Json = dict[str, Any]
HANG_UP, DEAF = 0, 1
"""In place of a status: no answer, and the end of the connection; the same, but what was asked is done first."""
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
    xet: str | None = None
    """Its name there, if it came by Xet."""

    @property
    def oid(self) -> str:
        """What the Hub knows its content by: SHA-256 of a large file, Git's hash of another."""
        return self.sha256 or sha1(b"blob %d\0" % len(self.content) + self.content)

    def entry(self, path: str) -> Json:
        """Its line in a listing."""
        lfs = {"lfs": {"oid": self.oid, "size": len(self.content), "pointerSize": 134}} if self.sha256 else {}
        xet = {"xetHash": self.xet} if self.xet else {}
        return {"type": "file", "path": path, "oid": self.oid[:40], "size": len(self.content)} | lfs | xet


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
        call = f"{self.command} {path}"
        found, act = next(
            ((found, act) for pattern, act in ROUTES if (found := re.fullmatch(pattern, call))), (None, None)
        )
        try:
            if found is None or act is None:
                self.server.unknown.append(call)
                raise Refused(404, f"no such page: {call}")
            self.found = {name: unquote(value or "") for name, value in found.groupdict().items()}
            with self.server.lock:
                self.dispatch(act)
        except Refused as no:
            more = {"RateLimit": '"api";r=0;t=7'} if no.status == 429 else {}
            self.send(no.status, {"error": no.message}, **{"X-Error-Code": no.code}, **more)

    do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815 -- the names that http.server looks for

    def dispatch(self, act: Act) -> None:
        """Answer, or fail as asked to."""
        self.server.calls.append(act.__name__)
        if meanwhile := self.server.before.pop(act.__name__, None):
            meanwhile()
        if statuses := self.server.failing[act.__name__]:
            if (status := statuses.pop(0)) not in (HANG_UP, DEAF):
                raise Refused(status, f"as you wished,\nholder of {self.headers['Authorization']}")
            self.close_connection = True
            if status == DEAF:
                act(self)
            return
        if act not in OPEN:
            self.permit(act)
        if (answer := act(self)) is not None:
            self.send(200, answer)

    def permit(self, act: Act) -> None:
        """Whether the token will do."""
        given = self.headers["Authorization"]
        if given is None:
            raise Refused(401, "Repository not found", "RepoNotFound")
        if given not in (f"Bearer {self.server.token}", f"Bearer {self.server.reader}"):
            raise Refused(401, "Invalid credentials in Authorization header")
        if given.endswith(self.server.reader) and act in WRITING:
            raise Refused(403, "Forbidden: you must use a write token to upload to a repository.")

    def send(self, status: int, body: object, **headers: str) -> None:
        """Answer with bytes, or with JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def span(self, size: int) -> tuple[int, int]:
        """Which of so many bytes are asked for, the end exclusive."""
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "bytes=0-"))
        assert found, self.headers["Range"]
        return int(found[1]), min(int(found[2] or size) + 1, size)

    def send_range(self, content: bytes, headers: dict[str, str]) -> None:
        """Answer with bytes, or those of them that are asked for."""
        if "Range" in self.headers:
            start, end = self.span(len(content))
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
            self.send(206, content[start:end], **headers)
        else:
            self.send(200, content, **headers)

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
    """Gate it, or show it."""
    call.repo.gated = call.asked.get("gated", call.repo.gated)
    call.repo.private = call.asked.get("visibility", "private" if call.repo.private else "public") == "private"
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


@route(f"GET /api{DATASET}/xet-(?:read|write)-token{AT}")
def xet(call: Exchange) -> None:
    """Where large files go, and come from, by Xet: here too."""
    url, until = call.server.url, int(time.time()) + 3600
    headers = {"X-Xet-Cas-Url": url, "X-Xet-Access-Token": "x", "X-Xet-Token-Expiration": str(until)}
    call.send(200, {"casUrl": url, "accessToken": "x", "exp": until}, **headers)


@route("POST /v1/telemetry")
def telemetry(_: Exchange) -> Json:
    """How Xet did: of no interest."""
    return {}


@route("GET /v1/chunks/.+")
def dedup(_: Exchange) -> None:
    """Whether somebody else has sent a chunk: nobody."""
    raise Refused(404, "not tracked")


@route("POST /v1/xorb-grants/default/(?P<xorb>.+)")
def grant(call: Exchange) -> Json | None:
    """Where to put a xorb; nowhere, if it is in the store."""
    name = call.found["xorb"]
    if name in call.server.cas.xorbs:
        return {}
    call.send(201, {"id": name, "method": "PUT", "url": f"{call.server.url}/xorbs/{name}", "headers": {}})
    return None


@route("PUT /xorbs/(?P<xorb>.+)")
def put_xorb(call: Exchange) -> bytes:
    """A xorb's bytes come."""
    call.server.cas.xorbs[call.found["xorb"]] = Xorb(call.body)
    call.server.received.append(call.found["xorb"])
    return b""


@route("POST /v1/xorb-commits/default/(?P<xorb>[^/]+)/grant/.+")
def put_whole(call: Exchange) -> Json:
    """A xorb has come."""
    return {"was_inserted": call.found["xorb"] in call.server.cas.xorbs}


@route("GET /xorbs/(?P<xorb>.+)")
def get_xorb(call: Exchange) -> None:
    """Some of a xorb's bytes."""
    call.send_range(call.server.cas.xorbs[call.found["xorb"]].content, {})


@route("POST /v2/shards")
def newer(_: Exchange) -> None:
    """The second version of `shard`: libraries do without."""
    raise Refused(404, "no such page")


@route("POST /v1/shards")
def shard(call: Exchange) -> Json:
    """Files are whole: their chunks are in the store, and have the SHA-256 that is said."""
    for file in files(call.body):
        content = call.server.cas.plain(file)
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise Refused(400, "the SHA-256 does not match")
        call.server.cas.files[file.name] = file
        call.server.store[file.sha256] = content
    return {"result": 1}


@route("GET /v1/reconstructions/(?P<file>.+)")
def reconstruction(call: Exchange) -> Json:
    """How to put a file together."""
    start, end = call.span(size := call.server.cas.files[call.found["file"]].size)
    if start >= size:
        raise Refused(416, "nothing there")
    return call.server.cas.recipe(call.found["file"], start, end, f"{call.server.url}/xorbs")


@route("GET /v2/reconstructions/.+")
def newer_reconstruction(_: Exchange) -> None:
    """Its second version: libraries do without."""
    raise Refused(404, "no such page")


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
            if value["oid"] not in call.server.store:
                raise Refused(400, f"a large file never came: {value['path']}")
            tree[value["path"]] = File(call.server.store[value["oid"]], value["oid"], call.server.xet(value["oid"]))
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
    """A file's bytes, or a range of them; and where Xet gives them, if they came by it."""
    if (file := call.tree.get(call.found["path"])) is None:
        raise Refused(404, "Entry not found", "EntryNotFound")
    oid = call.repo.at(call.found["revision"])
    headers = {"X-Repo-Commit": oid, "ETag": f'"{file.oid}"', "Accept-Ranges": "bytes"}
    if file.xet:
        token = f"{call.server.url}/api/datasets/{call.found['repo']}/xet-read-token/{oid}"
        headers |= {"X-Xet-Hash": file.xet, "Link": f'<{token}>; rel="xet-auth"'}
    call.send_range(file.content, headers)


OPEN = (
    agents, store, telemetry, dedup, grant, put_xorb, put_whole, get_xorb, newer, shard, reconstruction, newer_reconstruction
)  # fmt: skip
"""An object's address in the store is a secret itself, and Xet has tokens of its own."""
WRITING = (create, settings, preupload, batch, commit, tag)


class Hub(ThreadingHTTPServer):
    """The server, in threads of its own, on a free port of the loopback."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.token = f"hf_{secrets.token_hex(12)}"
        """With it, everything may be read and written; without, nothing."""
        self.reader = f"hf_{secrets.token_hex(12)}"
        """With it, everything may be read."""
        self.lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.forget()

    def forget(self) -> None:
        """Be as new, at the same address."""
        self.repos: dict[str, Repo] = {}
        self.store: dict[str, bytes] = {}
        """The large files, by SHA-256."""
        self.cas = Cas()
        self.received: list[str] = []
        """SHA-256 of each content that came, and the name of each xorb: what came twice is here twice."""
        self.calls: list[str] = []
        """The kind of each call, in order."""
        self.unknown: list[str] = []
        """Calls that nobody here answers."""
        self.failing: defaultdict[str, list[int]] = defaultdict(list)
        """Of a kind of call, the statuses with which the next ones fail."""
        self.before: dict[str, Callable[[], object]] = {}
        """Of a kind of call, what happens before the next one is answered."""

    def xet(self, sha256: str) -> str | None:
        """A large file's name at Xet, if it came by it."""
        return next((name for name, file in self.cas.files.items() if file.sha256 == sha256), None)

    def handle_error(self, *_: object) -> None:
        """A client that was killed is nothing to tell."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
