"""Facts that a run's record knows, in sentences, for checklists and model cards."""

from __future__ import annotations

from app.reporting.data_facts import DATA, OF_FLOW
from app.reporting.flow import flow_of
from app.reporting.method_facts import METHOD
from app.reporting.result_facts import RESULTS
from app.reporting.run_record import RunRecord

KNOWN = frozenset((*DATA, *OF_FLOW, *METHOD, *RESULTS))
"""Names of all facts that there are."""


def facts_of(record: RunRecord) -> dict[str, str]:
    """Every fact that this run knows, by name; those that it does not know are missing."""
    flow = flow_of(record)
    facts = {name: tell(record) for name, tell in (DATA | METHOD | RESULTS).items()}
    facts |= {name: tell(flow) for name, tell in OF_FLOW.items()}
    return {name: text for name, text in facts.items() if text}
