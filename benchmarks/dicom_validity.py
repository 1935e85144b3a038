"""What others' checkers say of DICOM results: dciodvfy of all kinds, and PixelMed of structured reports.

    python -m benchmarks.dicom_validity [--phantoms 40] [--reports 4] [--samples FOLDER]

Results are written by ``frugal predict`` for phantoms of all forms (CR and DX, MONOCHROME1 and 2, with and without
spacing, windows and tables) and for the DICOM files of a folder. PixelMed's DicomSRValidator checks templates row by
row and takes 10 s of the processor a report, hence a few: half with findings, half with regions. Needs Debian's
dicom3tools, libpixelmed-java, libvecmath-java and libcommons-codec-java; what is not installed is left out and said.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

JARS = [
    Path("/usr/share/java", f"{name}.jar")
    for name in ("pixelmed", "vecmath", "slf4j-api", "slf4j-nop", "commons-codec")
]
JAVA = ["java", "-Xss64m", "-Xmx2g", *(f"-Djdk.xml.xpath{each}Limit=0" for each in ("TotalOp", "ExprOp", "ExprGrp"))]


def results(work: Path, count: int, samples: Path | None) -> Path:
    """Results of all kinds for phantoms and samples."""
    frugal = [sys.executable, "-m", "app"]
    made = [*frugal, "phantom", "--out", str(work / "made"), "--count", str(count), "--size", "256"]
    subprocess.run(made, check=True, capture_output=True)
    radiographs = work / "made" / "images"
    if samples is not None:
        shutil.copytree(samples, radiographs / "samples")
    predicted = [*frugal, "predict", "nodule_detection", str(radiographs), "--any_view", "True"]
    predicted += ["--dicom", "[sr, seg, gsps, sc, plain_seg]", "--output_dir", str(work / "out")]
    subprocess.run(predicted, check=True, capture_output=True)
    return work / "out" / "dicom"


def kind_of(file: Path) -> str:
    """Such as ``sr-1``."""
    return file.name.split(".")[-2]


def dciodvfy(files: Iterable[Path]) -> tuple[Counter[str], list[str]]:
    """How many objects of each kind there are, and the errors of all."""
    counts, errors = Counter(map(kind_of, files)), []
    for file in files:
        answer = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, errors="replace")
        lines = [line for line in (answer.stdout + answer.stderr).splitlines() if line.startswith("Error")]
        errors += [f"{file.name}: {line}" for line in lines or ["exit status"] * (answer.returncode != 0)]
    return counts, errors


def pixelmed(file: Path) -> tuple[bool, list[str], set[str]]:
    """Whether a report was checked to the end, its errors, and its warnings without their places."""
    command = [*JAVA, "-cp", ":".join(map(str, JARS)), "com.pixelmed.validate.DicomSRValidator", str(file)]
    answer = subprocess.run(command, capture_output=True, text=True, errors="replace")
    lines = (answer.stdout + answer.stderr).splitlines()
    warnings = {re.sub(r"^Warning: [\d.]*: .*/", "", line) for line in lines if line.startswith("Warning")}
    is_whole = "IOD validation complete" in lines and "Root Template Validation Complete" in lines
    return is_whole, [line for line in lines if line.startswith("Error")], warnings


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phantoms", type=int, default=40)
    parser.add_argument("--reports", type=int, default=4, help="that PixelMed checks")
    parser.add_argument("--samples", type=Path, help="folder of further DICOM files")
    arguments = parser.parse_args()
    lines, problems = ["| checker | objects | errors |", "|---|---|---|"], []
    with tempfile.TemporaryDirectory(prefix="validity-") as folder:
        files = sorted(results(Path(folder), arguments.phantoms, arguments.samples).rglob("*.dcm"))
        if shutil.which("dciodvfy"):
            counts, errors = dciodvfy(files)
            shown = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
            lines.append(f"| dciodvfy | {shown} | {len(errors)} |")
            problems += errors
        if shutil.which("java") and all(jar.exists() for jar in JARS):
            chosen = []
            for kind in ("sr-1", "sr-2"):
                of_kind = [file for file in files if kind_of(file) == kind]
                chosen += of_kind[:: max(1, len(of_kind) // max(1, arguments.reports // 2))][: arguments.reports // 2]
            for file in chosen:
                is_whole, errors, warnings = pixelmed(file)
                problems += [f"{file.name}: {each}" for each in errors or ["not checked to the end"] * (not is_whole)]
                print(f"{file.name}: {len(errors)} errors; warnings: {sorted(warnings)}", flush=True)
            errors = sum(problem.split(":")[0] in {file.name for file in chosen} for problem in problems)
            shown = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(map(kind_of, chosen)).items()))
            lines.append(f"| PixelMed's DicomSRValidator | {shown} | {errors} |")
    print("\n".join([*lines, *problems]))
    return int(bool(problems) or len(lines) == 2)


if __name__ == "__main__":
    sys.exit(main())
