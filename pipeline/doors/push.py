"""The push door: releases go out here, to the Hugging Face Hub: private and gated before anything is there, tagged last."""

import re
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import httpx  # type: ignore[attr-defined] # documented, but hidden from type checkers

from pipeline.errors import UserError

_ADVICE = {
    401: "it does not know this token: set HF_TOKEN to one that may write there",
    403: "this token may not write there: set HF_TOKEN to one that may, or choose another --repo",
    409: "somebody else is changing the repository: run the same command again",
    412: "somebody else changed the repository meanwhile: look at what they did, then run the same command again",
    429: "that was too much at once: wait, and run the same command again",
}


def steps(folder: Path, repo: str, tag: str) -> list[str]:
    """What `push` would do, in words."""
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    return [
        f"create the private dataset repository {repo}, unless it is there",
        "gate it: every request for access is granted by hand",
        f"upload {folder} ({size / 1e6:.1f} MB)",
        f"tag it {tag}",
    ]


def push(folder: Path, repo: str, tag: str) -> Iterator[str]:
    """Do it, step by step; running it again goes on where it was, and uploads nothing twice. The token comes from the
    environment (HF_TOKEN) or from `hf auth login`."""
    token = get_token() or ""
    if not re.fullmatch("[!-~]+", token):
        raise UserError("no token for the Hub: set the environment variable HF_TOKEN to one that may write")
    if repo.count("/") != 1:
        raise UserError(f"--repo {repo}: a repository on the Hub is named org/name")
    hub = HfApi(token=token)
    try:
        yield from _push(hub, folder, repo, tag)
    except (httpx.HTTPError, OSError, RuntimeError, ValueError) as error:
        what = f"the push to {repo} at {hub.endpoint} stopped: {_told(error, token)}"
        raise UserError(f"{what}; what is uploaded stays") from None


def _push(hub: HfApi, folder: Path, repo: str, tag: str) -> Iterator[str]:
    words = iter(steps(folder, repo, tag))
    hub.create_repo(repo, repo_type="dataset", private=True, exist_ok=True)
    before = hub.dataset_info(repo).sha
    yield next(words)
    hub.update_repo_settings(repo, repo_type="dataset", gated="manual")
    yield next(words)
    commit = hub.upload_folder(
        repo_id=repo, repo_type="dataset", folder_path=folder, commit_message=f"Release {tag}",
        parent_commit=before, delete_patterns="data/*",  # of another release's files, those that this one lacks
    )  # fmt: skip
    yield f"{next(words)}: {commit.oid}"
    hub.create_tag(repo, repo_type="dataset", tag=tag, revision=commit.oid, exist_ok=True)
    if hub.dataset_info(repo, revision=tag).sha != commit.oid:
        raise UserError(f"{repo} is uploaded, but its tag {tag} marks another release: give this one another --tag")
    yield next(words)


def _told(error: BaseException, token: str) -> str:
    """What happened, and what to do. The libraries wrap what an upload met in errors of their own."""
    while error.__cause__ and not isinstance(error, HfHubHTTPError):
        error = error.__cause__
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else 0
    said = (error.server_message or "") if isinstance(error, HfHubHTTPError) else str(error) or type(error).__name__
    said = " ".join(said.split()).replace(token, "<token>")[:300]
    if not status:
        return f"{said}; mend that (is the Hub there?), and run the same command again"
    otherwise = "the Hub is out of order: run it again later" if status >= 500 else "mend that, and run it again"
    return f"the Hub answered {status} ({said}); {_ADVICE.get(status, otherwise)}"
