"""Time and memory of building, loading and degrading the datalists of ChestX-ray14, CheXpert and others, against peers.

    FRUGAL_DATA=... python -m benchmarks.datalists

Peers, in the same run: the csv module's bare read of the label table, pandas' ``iterrows`` over it, ``json.loads`` of
the datalist, and orjson's. Times are CPU seconds, the best of three (``iterrows`` once); memory is what a new process
grows by, at its peak, to read the datalist.
"""

import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import orjson

from app.annotations.labeller import quality_at
from app.annotations.levels import by_labeller
from app.datalist.file import read_datalist, write_datalist
from app.datalist.fingerprint import fingerprint
from app.datalist.item import Datalist
from app.datalist.splitting import DEFAULT_SHARES, split
from app.datasets.chexpert import chexpert
from app.datasets.nih import chestxray14
from app.datasets.siim import siim
from app.datasets.vindr import vindr
from benchmarks.timing import shortest

MEMORY = r"""
import json, orjson, re, sys
from pathlib import Path
from app.datalist.file import read_datalist
read = {"json": lambda p: json.loads(p.read_bytes()), "orjson": lambda p: orjson.loads(p.read_bytes()),
        "ours": read_datalist}[sys.argv[1]]
peak = lambda: int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
before = peak()
kept = read(Path(sys.argv[2]))
print(peak() - before)
"""


def seconds(work: Callable[[], object], times: int = 3) -> float:
    return shortest(work, times)[0]


def megabytes(reader: str, path: Path) -> float:
    command = [sys.executable, "-c", MEMORY, reader, str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def bare_read(path: Path) -> list[list[str]]:
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.reader(file))


def iterate_rows(path: Path) -> list[tuple]:
    import pandas

    table = pandas.read_csv(path, index_col=False)
    return [(row["Image Index"], row["Finding Labels"].split("|"), row["Patient ID"]) for _, row in table.iterrows()]


def main() -> None:
    tables = Path(os.environ["FRUGAL_DATA"]) / "tables"
    labels = tables / "Data_Entry_2017_v2020.csv.gz"
    bare = seconds(lambda: bare_read(labels))
    print(f"{'csv module, bare read of the label table':<52}{bare:6.2f} s")
    for name, work, times in (
        ("ours, tables to datalist", lambda: chestxray14(tables), 3),
        ("pandas iterrows over the label table", lambda: iterate_rows(labels), 1),
    ):
        took = seconds(work, times)
        print(f"{name:<52}{took:6.2f} s  {took / bare:5.1f} x bare read")
    for name, file, work in (
        ("CheXpert", "chexpert_train.csv.gz", lambda: chexpert(tables)),
        ("VinDr-CXR", "vinbigdata-train.csv.gz", lambda: vindr(tables)),
        ("SIIM", "siim-pneumothorax-train-rle.csv.gz", lambda: siim(tables)),
    ):
        bare, took = seconds(partial(bare_read, tables / file)), seconds(work)
        print(f"{f'{name}: ours, tables to datalist':<52}{took:6.2f} s  {took / bare:5.1f} x bare read")
    datalist = chestxray14(tables)
    quality = dict.fromkeys(datalist.findings, quality_at(0.8))
    print(f"{'ours, labels as of NLP@F1 0.8':<52}{seconds(lambda: by_labeller(datalist, quality, 0), 1):6.2f} s")
    print(f"{'ours, split 70/10/20':<52}{seconds(lambda: split(datalist, DEFAULT_SHARES, 0), 1):6.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        for size, held in (("112,120 items", datalist), ("223,414 of CheXpert", chexpert(tables))):
            measure_files(held, Path(folder) / "list.json", size)


def measure_files(datalist: Datalist, path: Path, size: str) -> None:
    print(f"{size + ': ours, write':<52}{seconds(lambda: write_datalist(datalist, path), 1):6.2f} s")
    print(f"{size + ': ours, fingerprint':<52}{seconds(lambda: fingerprint(datalist), 1):6.2f} s")
    for name, reader, work in (
        ("ours, read and check", "ours", lambda: read_datalist(path)),
        ("orjson, read", "orjson", lambda: orjson.loads(path.read_bytes())),
        ("json, read", "json", lambda: json.loads(path.read_bytes())),
    ):
        print(f"{f'{size}: {name}':<52}{seconds(work):6.2f} s  {megabytes(reader, path):6.0f} MB")


if __name__ == "__main__":
    main()
