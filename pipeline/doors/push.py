"""The push door: releases go out here, to the Hugging Face Hub: private first, then gated, then tagged."""

from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

from pipeline.errors import UserError


def steps(folder: Path, repo: str, tag: str) -> list[str]:
    """What `push` would do, in words."""
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    return [
        f"create the private dataset repository {repo}, unless it is there",
        f"upload {folder} ({size / 1e6:.1f} MB)",
        "gate it: every request for access is granted by hand",
        f"tag it {tag}",
    ]


def push(folder: Path, repo: str, tag: str) -> Iterator[str]:
    """Do it, step by step; running it again goes on where it was, and uploads nothing twice. The token comes from the
    environment (HF_TOKEN) or from `hf auth login`."""
    hub, words = HfApi(), steps(folder, repo, tag)
    try:
        hub.create_repo(repo, repo_type="dataset", private=True, exist_ok=True)
        yield words[0]
        commit = hub.upload_folder(
            repo_id=repo, repo_type="dataset", folder_path=folder, commit_message=f"Release {tag}"
        )
        yield f"{words[1]}: {commit.oid}"
        hub.update_repo_settings(repo, repo_type="dataset", gated="manual")
        yield words[2]
        hub.create_tag(repo, repo_type="dataset", tag=tag, revision=commit.oid, exist_ok=True)
        yield words[3]
    except LocalTokenNotFoundError:
        raise UserError("no token for the Hub: set the environment variable HF_TOKEN to one that may write") from None
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no answer"
        raise UserError(f"the Hub refused ({status}): {error.server_message or 'see its status page'}; "
                        "mend that and run the same command: what is uploaded stays") from None  # fmt: skip
