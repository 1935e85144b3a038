"""What to annotate next: learning curves of annotation levels, and the plan that a budget or a target asks for."""
