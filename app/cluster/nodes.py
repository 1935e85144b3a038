"""Whether every node can do the work: it has our package, and sees the folders that the driver sees."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import app
from app.cluster.resources import Node, Resources
from app.files.atomic import write_whole

PATIENCE_SECONDS = 90.0
"""How long a node may take to answer: on a busy one, a first worker takes a while to start."""


def look(read: Sequence[str], folders: Sequence[str], name: str) -> tuple[str, list[str]]:
    """On a node: look for folders, and write a file into others.

    Args:
        read: Where nothing is written.
        folders: Where to write.
        name: Of the file.

    Returns:
        The version of our package, and what is wrong.
    """
    problems = [f"{folder}: no such folder" for folder in read if not Path(folder).is_dir()]
    for folder in folders:
        try:
            if not Path(folder).is_dir():
                problems.append(f"{folder}: no such folder")
                continue
            write_whole(Path(folder) / name, f"{socket.gethostname()}\n")
        except OSError as error:
            problems.append(f"{folder}: {error.strerror or error}")
    return app.__version__, problems


def check_nodes(ray: Any, nodes: Sequence[Node], folders: Sequence[Path], read: Sequence[Path]) -> None:  # noqa: ANN401
    """Let every node write a file into every folder, and look whether it arrived.

    Args:
        ray: The module.
        nodes: All that are asked.
        folders: Where results go.
        read: Which every node must see as well; they may be read-only.

    Raises:
        ValueError: A node lacks our package or has another version, does not answer, or does not see a folder.
    """
    token = uuid.uuid4().hex[:8]
    names = {node.id: f".node-{node.id[:8]}-{token}" for node in nodes}
    references = {
        node.id: _asked(ray, node).remote([*map(str, read)], [*map(str, folders)], names[node.id]) for node in nodes
    }
    ray.wait(list(references.values()), num_returns=len(nodes), timeout=PATIENCE_SECONDS)
    problems = []
    for node in nodes:
        texts = _problems(ray, references[node.id])
        unseen = [folder for folder in folders if not _removed(folder / names[node.id])]
        texts = texts or [f"{folder}: what it writes there is not seen here" for folder in unseen]
        problems += [f"  node {node.host}/{node.id[:8]}: {text}" for text in texts]
    if problems:
        advice = (
            "Every node needs the same FrugalCXR, and the working folder and the folder of results at the same path on "
            "storage that all nodes share."
        )
        raise ValueError("\n".join(["this cluster cannot do the work:", *dict.fromkeys(problems), advice]))


def require(nodes: Sequence[Node], claim: Resources) -> None:
    """Refuse a claim that no node can meet.

    Raises:
        ValueError: Names the claim and what nodes have.
    """
    if not any(node.slots(claim) for node in nodes):
        largest = sorted(nodes, key=lambda node: (node.has.gpus, node.has.cpus, node.has.memory), reverse=True)[:5]
        has = "; ".join(f"{node.host}: {node.has}" for node in largest)
        raise ValueError(f"no node of the cluster has {claim} at once ({has}). Claim less, or add a node.")


def _asked(ray: Any, node: Node) -> Any:  # noqa: ANN401
    """`look`, to be called on a node."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    options = {
        "num_cpus": 0,
        "max_retries": 0,
        "scheduling_strategy": NodeAffinitySchedulingStrategy(node.id, soft=False),
    }
    return ray.remote(**options)(look)


def _removed(path: Path) -> bool:
    """Remove a file; False if it is not there."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _problems(ray: Any, reference: Any) -> list[str]:  # noqa: ANN401
    try:
        version, problems = ray.get(reference, timeout=0.1)
    except ray.exceptions.GetTimeoutError:
        return [f"has not answered for {PATIENCE_SECONDS:.0f} seconds"]
    except ray.exceptions.RayError as error:
        return [str(error).strip().splitlines()[-1]]
    if version != app.__version__:
        problems = [f"has FrugalCXR {version}, and this machine {app.__version__}", *problems]
    return list(problems)
