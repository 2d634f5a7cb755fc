"""The jobs for Slurm: they can be read, and the commands in them are ours."""

import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.models import Catalogue

DEPLOY = Path(__file__).parents[1] / "deploy"
SCRIPTS = sorted(DEPLOY.glob("*.sh"))
JOBS = sorted(DEPLOY.glob("slurm_*.sh"))
each_job = pytest.mark.parametrize("job", JOBS, ids=lambda path: path.name)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_bash_can_read_it_and_so_can_people(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)
    assert len(script.read_text().splitlines()) <= 60


@each_job
def test_every_option_that_a_job_gives_tetrad_is_one_of_its_own(job: Path) -> None:
    known = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200"}).output
    (example,) = re.findall(rf"sbatch .*deploy/{job.name} (.*)", job.read_text())
    for option in re.findall(r"--[a-z-]+", example):
        assert option in known, f"tetrad run has no {option}"
    assert 'go_on run "$@"' in job.read_text()


@each_job
def test_the_entry_that_a_job_shows_for_models_toml_is_one(job: Path, tmp_path: Path) -> None:
    shown = re.search(r'^#     \["(.*)"\]\n(#     .*\n)+', job.read_text(), re.MULTILINE)
    if shown:
        own = tmp_path / "models.toml"
        own.write_text(shown[0].replace("#     ", ""))
        assert Catalogue(own)[shown[1]].served_as


def ended(tmp_path: Path, tetrad: str, *, state: str, signalled: bool) -> tuple[int, str]:
    """How a job ends whose tetrad is this script, and what it told Slurm. Slurm's two commands are scripts, too: what they
    are given is all that a job knows of it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "activate").write_text(f"PATH={programs}:$PATH\n")
    for name, text in {"tetrad": tetrad, "squeue": f"echo {state}", "scontrol": "echo told: $*"}.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}\n")
        (programs / name).chmod(0o700)
    job = subprocess.Popen(
        ["bash", "-c", f'. {DEPLOY}/settings.sh; set -u; go_on run "$@"', "job", "recipe"],
        env={"PATH": "/usr/bin:/bin", "TETRAD_VENV": str(tmp_path), "SLURM_JOB_ID": "7", "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert job.stdout
    if signalled:
        assert job.stdout.readline() == "asking\n"
        job.terminate()
    said, _ = job.communicate()
    return job.returncode, said


UNTIL_TOLD = "trap 'kill $!; echo kept; exit 143' TERM\nsleep 600 >/dev/null & echo asking; wait"


def test_a_job_whose_time_is_up_waits_for_what_came_and_is_queued_again(tmp_path: Path) -> None:
    assert ended(tmp_path, UNTIL_TOLD, state="RUNNING", signalled=True) == (143, "kept\ntold: requeue 7\n")


def test_a_job_that_somebody_cancelled_stays_cancelled(tmp_path: Path) -> None:
    assert ended(tmp_path, UNTIL_TOLD, state="COMPLETING", signalled=True) == (143, "kept\n")


@pytest.mark.parametrize("code", [0, 2, 3])
def test_any_other_end_is_the_jobs_own(tmp_path: Path, code: int) -> None:
    assert ended(tmp_path, f"exit {code}", state="RUNNING", signalled=False) == (code, "")
