"""What a datalist holds: in words for a terminal, and as a picture."""

from __future__ import annotations

from app.data.item import SECTIONS, Datalist


def summary(datalist: Datalist) -> str:
    """Items and patients by section, and the counts of what was included and left out when it was made."""
    lines = [f"{datalist.name}: {datalist.description}"]
    for section in SECTIONS:
        items = datalist.sections.get(section, [])
        boxes = sum(len(item.boxes) for item in items)
        lines.append(
            f"  {section}: {len(items)} images of {len({item.patient for item in items})} patients, {boxes} boxes"
        )
    counts = datalist.provenance.get("counts")
    if isinstance(counts, dict):
        lines += [f"  {what}: {count}" for what, count in counts.items()]
    return "\n".join(lines)
