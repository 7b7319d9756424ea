"""The example runs as it is printed, against a real server, and what it tells is what the graph holds."""

from pathlib import Path

from examples.smallville_day import spend_day
from graph.database import Database
from graph.ingest.arrivals import import_smallville
from server.app import create_app
from server.settings import Settings
from tests.subscriptions import serving

COUNTS = """
RETURN COUNT { (:Interaction) }, COUNT { (:Memory) },
    COUNT { (k:Knowledge) WHERE k.source IS NOT NULL }
"""


async def test_two_dozen_agents_meet_talk_remember_learn_and_forget(
    database: Database, settings: Settings, shared: Path
):
    await import_smallville(database, [shared / "data" / "smallville" / "n25"], max_agents=100)
    ((interactions, memories, lessons),) = await database.read("counts", COUNTS)
    said: list[str] = []
    async with serving(create_app(settings)) as (address, _):
        day = await spend_day(f"http://{address}/graphql", hours=6, people=24, seed=1, say=said.append)
    assert day.meetings > 60
    assert 0 < day.forgotten < day.memories
    assert day.seen == {"INTERACTION_RECORDED": day.meetings, "KNOWLEDGE_LEARNED": day.lessons}
    assert len([line for line in said if " is closest to " in line]) == 24
    ((more, remembered, learned),) = await database.read("counts", COUNTS)
    assert more - interactions == day.meetings
    assert remembered - memories == day.memories - day.forgotten
    assert 0 < learned - lessons <= day.lessons
