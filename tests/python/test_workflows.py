"""What GitHub reads: workflows with time limits and fixed actions, whose jobs reach every test file; a tag that must be
the version; forms that fit their schemas."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import bpnet as bp
from builds import ROOT, find

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
FOLDER = ROOT / ".github"
if not FOLDER.is_dir():
    pytest.skip("the tests are not run from a checkout", allow_module_level=True)
FILES = sorted((FOLDER / "workflows").glob("*.yml"))
TESTS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests" / "python").glob("test_*.py"))
workflows = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(path).values() for step in job["steps"]]


def test_the_workflows_are_there():
    assert {path.name for path in FILES} >= {"ci.yml", "codeql.yml", "wheels.yml"}


@workflows
def test_every_job_has_a_time_limit(path: Path):
    for name, job in jobs(path).items():
        assert 1 <= job["timeout-minutes"] <= 180, name


@workflows
def test_every_action_is_one_commit(path: Path):
    """A tag may be moved, a commit may not; the comment says which version it is."""
    lines = [
        line for line in path.read_text(encoding="utf-8").splitlines() if re.match(r"\s*(- )?uses:", line)
    ]
    assert len(lines) == sum("uses" in step for step in steps(path))
    for line in lines:
        assert re.fullmatch(r"\s*(- )?uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_an_action_is_the_same_commit_everywhere():
    used: dict[str, set[str]] = {}
    for step in [step for path in FILES for step in steps(path) if "uses" in step]:
        action, commit = step["uses"].split("@")
        used.setdefault("/".join(action.split("/")[:2]), set()).add(commit)
    assert {action: commits for action, commits in used.items() if len(commits) > 1} == {}


@workflows
def test_no_workflow_may_write_unless_a_job_says_so(path: Path):
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["permissions"] == {"contents": "read"}


def pytest_commands(job: dict[str, Any]) -> list[list[str]]:
    """The words after `pytest` of each of its calls in the job."""
    commands = [
        line for step in job["steps"] for line in step.get("run", "").replace("\\\n", " ").splitlines()
    ]
    return [shlex.split(line.split(" pytest", 1)[1]) for line in commands if re.search(r"-m pytest\b", line)]


def reached(words: list[str]) -> set[str]:
    """The test files of a call of pytest: those named, or all but those left out."""
    named = [word for word in words if word.startswith("tests/")]
    left_out = {after for word, after in zip(words, words[1:]) if word == "--ignore"}
    named = [word for word in named if word not in left_out]
    return {
        test for test in TESTS if not named or any(fnmatch.fnmatch(test, name) for name in named)
    } - left_out


def test_every_test_file_is_reached():
    """As it is, its slow tests, and those against PyTorch."""
    ci = {name: pytest_commands(job) for name, job in jobs(FOLDER / "workflows" / "ci.yml").items()}
    assert sum(map(len, ci.values())) >= 6
    whole = [words for words in ci["test"] if "-m" not in words and "-k" not in words]
    assert set().union(*(reached(words) for words in whole if "--slow" in words)) == set(TESTS)
    parity = [words for words in ci["pytorch"] if "parity" in words]
    assert set().union(*(reached(words) for words in parity)) == set(TESTS)


def test_the_test_job_does_not_pass_without_every_other():
    all_jobs = jobs(FOLDER / "workflows" / "ci.yml")
    assert set(all_jobs["pass"]["needs"]) == set(all_jobs) - {"pass"}


@pytest.mark.parametrize("variable", ["BPNET_WHOLE_SWEEPS", "BPNET_COMPILED_PEERS", "BPNET_CUDA_SANITIZED"])
def test_what_a_variable_asks_for_is_asked_for(variable: str):
    assert variable in (FOLDER / "workflows" / "ci.yml").read_text(encoding="utf-8")


@pytest.mark.skipif(os.name != "posix" or not shutil.which("bash"), reason="the step is run by bash")
def test_a_tag_must_be_the_version(tmp_path: Path):
    path = FOLDER / "workflows" / "wheels.yml"
    (step,) = [step for step in jobs(path)["tag"]["steps"] if "run" in step]
    assert step["if"] == "startsWith(github.ref, 'refs/tags/')"
    assert all("tag" in job["needs"] for name, job in jobs(path).items() if name in ("sdist", "wheels"))
    (tmp_path / "cpp" / "bpnet").mkdir(parents=True)
    shutil.copy(ROOT / "cpp" / "bpnet" / "version.h", tmp_path / "cpp" / "bpnet")

    def accepted(tag: str, changelog: str) -> bool:
        (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n{changelog}\n")
        command = ["bash", "-eo", "pipefail", "-c", step["run"]]
        environment = {**os.environ, "GITHUB_REF_NAME": tag}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
        return done.returncode == 0

    version = bp.__version__
    assert accepted(f"v{version}", f"## {version}")
    assert not accepted(f"v{version}", f"## {version} (unreleased)")
    assert not accepted(f"v{version}", "## 0.0.1")
    assert not accepted(version, f"## {version}") and not accepted("v99.0.0", f"## {version}")


def test_the_same_pythons_everywhere():
    """Those that are named, those that a release has wheels for, and the ends of those that are tested."""
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 reads no TOML")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    classifiers = " ".join(settings["project"]["classifiers"])
    named = [int(minor) for minor in re.findall(r"Python :: 3\.(\d+)", classifiers)]
    assert named == list(range(named[0], named[-1] + 1))
    assert settings["project"]["requires-python"] == f">=3.{named[0]}"
    wheels = settings["tool"]["cibuildwheel"]["build"]
    assert wheels == [*(f"cp3{minor}-*" for minor in named), f"cp3{named[-1]}t-*"]
    matrix = jobs(FOLDER / "workflows" / "ci.yml")["test"]["strategy"]["matrix"]
    tested = {*matrix["python"], *(case["python"] for case in matrix["include"])}
    assert {f"3.{named[0]}", f"3.{named[-1]}", f"3.{named[-1]}t"} <= tested


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == bp.__version__


def test_what_github_reads_fits_its_schemas():
    tool = find("check-jsonschema")
    if not tool or os.name != "posix":
        pytest.skip("check-jsonschema is not installed")
    path = os.pathsep.join([str(Path(tool).parent), os.environ["PATH"]])
    done = subprocess.run(
        [FOLDER / "check_forms"],
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
