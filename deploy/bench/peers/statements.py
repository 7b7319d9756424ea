"""What the peers write, as plain Cypher; each runs in one transaction a mutation."""

from pathlib import Path

HERE = Path(__file__).parent
ADD_MEMORIES = (HERE / "add_memories.cypher").read_text("utf-8")
RECORD_INTERACTIONS = (HERE / "record_interactions.cypher").read_text("utf-8")
