"""The files by which a study runs on Slurm, Kubernetes and Compose: well-formed, and the commands in them are ours."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cli import parser

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/cluster"
SLURM = FOLDER / "slurm.sh"


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "kuberay.yaml").read_text())["spec"]


def study(words: list[str]) -> Any:
    assert words[0] == "frugal"
    return parser().parse_args(words[1:])


def test_the_script_for_slurm_is_valid_bash():
    subprocess.run(["bash", "-n", str(SLURM)], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", "--severity=warning", str(SLURM)], check=True)


def test_the_script_for_slurm_runs_a_study_on_its_cluster():
    (command,) = re.findall(r'^(frugal study "\$@".*) &$', SLURM.read_text(), re.M)
    assert study(shlex.split(command)).on == "auto"


def test_pods_run_the_study_with_shared_memory_and_storage(job):
    assert study(shlex.split(job["entrypoint"])).on == "auto"
    groups = [job["rayClusterSpec"]["headGroupSpec"], *job["rayClusterSpec"]["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        (container,) = pod["containers"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {mount["mountPath"] for mount in container["volumeMounts"]} >= {"/dev/shm", "/workspace/runs"}
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_pods_have_the_pinned_ray(job):
    assert f"ray=={job['rayClusterSpec']['rayVersion']}" in (ROOT / "constraints.txt").read_text().split()


def test_a_container_for_ray_has_the_extra_and_sends_no_statistics():
    stage = (ROOT / "Dockerfile").read_text().split("FROM trainer AS ray\n")[1].split("\nFROM ")[0]
    assert 'pip install --constraint /opt/frugal/constraints.txt grpcio "ray[default]"' in stage
    assert "RAY_USAGE_STATS_ENABLED=0" in stage
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    on_ray = {name: service for name, service in services.items() if name.startswith("ray-")}
    assert set(on_ray) == {"ray-head", "ray-worker", "ray-study"}
    for service in on_ray.values():
        assert service["environment"]["RAY_USAGE_STATS_ENABLED"] == "0"
        assert service["shm_size"] == "8gb"
