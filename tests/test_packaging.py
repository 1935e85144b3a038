"""What is built and installed: versions that agree, and what the container holds."""

import ast
import configparser
import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import app
from app.installed import bundle_names

ROOT = Path(__file__).resolve().parents[1]
OWN = ("app", "bundles", "evaluation", "transforms")
FOUND_BY_OTHERS = {"jsonschema", "pyjpegls", "pylibjpeg", "pylibjpeg-openjpeg"}
"""What MONAI's verify_metadata and pydicom's decoders import by themselves."""
BUILT_FROM = re.compile(r"^FROM (\S+) AS (\S+)$", re.M)


def constraints() -> dict[str, str]:
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    return {canonicalize_name(name): value for name, value in pinned.items()}


def extras() -> configparser.ConfigParser:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup


def closure(names: list[str]) -> set[str]:
    """Installed distributions that these requirements bring, with theirs, on this platform."""
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        wanted = waiting.pop()
        for extra in wanted.extras | {""}:
            if (canonicalize_name(wanted.name), extra) in seen:
                continue
            seen.add((canonicalize_name(wanted.name), extra))
            below = [Requirement(text) for text in requires(wanted.name) or []]
            waiting += [each for each in below if each.marker is None or each.marker.evaluate({"extra": extra})]
    return {name for name, _ in seen}


def test_constraints_pin_whatever_is_installed():
    setup = extras()
    wanted = setup["options"]["install_requires"].split() + setup["options.extras_require"]["dev"].split()
    try:
        installed = {name: version(name) for name in closure(wanted)}
    except PackageNotFoundError as missing:
        pytest.skip(f"not all of setup.cfg is installed here: {missing}")
    pinned = constraints()
    assert installed == {name: pinned.get(name) for name in installed}


def imported() -> set[str]:
    """Packages that the application imports anywhere, other than Python's own and ours."""
    names: set[str] = set()
    for path in (path for room in OWN for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(str(node.module).partition(".")[0])
    return names - sys.stdlib_module_names - set(OWN)


def test_what_is_required_is_used_and_what_is_used_is_required():
    required = {canonicalize_name(Requirement(line).name) for line in extras()["options"]["install_requires"].split()}
    found = packages_distributions()
    # What is not installed is provided by the package of its name.
    providers = {name: set(map(canonicalize_name, found.get(name, [name]))) for name in imported()}
    by_extra = extras()["options.extras_require"]
    optional = {
        canonicalize_name(name) for extra in ("deploy", "onnx", "openvino", "ray") for name in by_extra[extra].split()
    }
    assert not [name for name, distributions in providers.items() if not distributions & (required | optional)]
    assert required - set().union(*providers.values()) == FOUND_BY_OTHERS


@pytest.mark.parametrize("extra", ["deploy", "onnx", "openvino", "ray", "server", "weights", "docs"])
def test_constraints_pin_the_extras(extra):
    for name in extras()["options.extras_require"][extra].split():
        assert canonicalize_name(name) in constraints()


@pytest.mark.parametrize("bundle", sorted(path.name for path in (ROOT / "bundles").iterdir() if path.is_dir()))
def test_bundles_name_the_pinned_versions(bundle):
    metadata = json.loads((ROOT / "bundles" / bundle / "configs" / "metadata.json").read_text())
    named = metadata.get("required_packages_version", {}) | {
        "monai": metadata["monai_version"],
        "torch": metadata["pytorch_version"],
        "numpy": metadata["numpy_version"],
    }
    pinned = constraints()
    assert named == {name: pinned.get(canonicalize_name(name)) for name in named}


def test_one_version_everywhere():
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert newest is not None
    assert newest[1] == app.__version__
    # setup.cfg takes it from the same place, and images are named for it.
    assert extras()["metadata"]["version"] == "attr: app.__version__"
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    for name in ("server", "trainer", "service", "orthanc"):
        assert services[name]["image"].endswith(f":{app.__version__}")


def dockerfile() -> str:
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M)
    return text.replace("\\\n", " ")


def test_container_is_built_from_pinned_images():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    stages = [stage for _, stage in BUILT_FROM.findall(dockerfile())]
    images = [image for image, _ in BUILT_FROM.findall(dockerfile()) if image not in stages]
    images += [service["image"] for service in services.values() if "build" not in service]
    assert len(images) == 3
    for image in images:
        assert re.search(r":\d+\.\d+(\.\d+)?-bookworm$|:\d+\.\d+\.\d+-slim-bookworm$", image), image
    for service in services.values():
        if "build" in service:
            assert service["build"]["target"] in stages
            assert set(service["build"].get("args", ())) <= set(re.findall(r"^ARG (\w+)=", dockerfile(), re.M))


def test_container_copies_what_exists_and_is_let_in():
    ignore = (ROOT / ".dockerignore").read_text().split("\n")
    let_in = {line[1:] for line in ignore if line.startswith("!")}
    assert "*" in ignore
    copied = {name for line in re.findall(r"^COPY (.*)$", dockerfile(), re.M) for name in line.split()[:-1]}
    assert copied == let_in
    for name in copied:
        assert (ROOT / name).exists(), name


def test_container_runs_as_no_root_user():
    for stage in re.split(r"^FROM ", dockerfile(), flags=re.M)[1:]:
        name = stage.split()[2]
        if "\nCMD" in stage:
            assert "\nUSER 1000:1000\n" in stage, name


def test_every_stage_that_runs_is_built_and_tried():
    script = ROOT / "tests/containers.sh"
    subprocess.run(["bash", "-n", script], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", script], check=True)
    stages = [text.split()[2] for text in re.split(r"^FROM ", dockerfile(), flags=re.M) if "\nCMD" in text]
    for step in ("build", "try"):
        named = re.findall(rf"^{step} ([\w ]+) [\"']", script.read_text(), re.M)
        assert set(" ".join(named).split()) == set(stages)


def test_every_service_of_compose_has_no_more_rights_than_it_needs():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "cap_add" not in service
        assert not service.get("privileged")
        # Ours name their account in the Dockerfile; PostgreSQL's image would start as root to become another.
        assert "build" in service or service["user"] == "postgres", name


def test_compose_shows_itself_to_this_machine_alone_and_holds_no_secret():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    for service in services.values():
        for key, value in service.get("environment", {}).items():
            if "PASSWORD" in key:
                assert value.startswith("${DATABASE_PASSWORD:?")
    assert re.search(r"^DATABASE_PASSWORD=$", (ROOT / "compose.env.example").read_text(), re.M)
    assert ".env" in (ROOT / ".gitignore").read_text().split("\n")


def test_make_demo_trains_a_bundle_that_exists():
    dry = subprocess.run(["make", "--dry-run", "demo"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    trained = re.findall(r"frugal train (\S+)", dry)
    assert trained
    assert [name for name in trained if name not in bundle_names()] == []
