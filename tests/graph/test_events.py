"""An event is read as it was written, whatever it tells of."""

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.events import Event, EventKind, decode_event, encode_event
from graph.model import Agent, Interaction, Knowledge, Memory, Relationship
from tests.graph.test_rows import STEADY, objects, texts

events = st.builds(
    Event,
    kind=st.sampled_from(EventKind),
    at=st.datetimes().map(lambda moment: moment.replace(tzinfo=UTC, fold=0)),
    agents=st.dictionaries(texts, texts, max_size=3),
    subject=st.none() | st.one_of(*map(objects, (Agent, Memory, Relationship, Interaction, Knowledge))),
    progress=st.none() | st.floats(0, 1),
)


@STEADY
@given(events)
def test_an_event_is_read_as_it_was_written(event: Event):
    found = decode_event(encode_event(event))
    assert found == event
    assert list(found.agents) == list(event.agents)
    assert repr(found) == repr(event)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'["SNOWED","2024-01-01T00:00:00+00:00",{},null,null]'])
def test_what_is_no_event_is_refused(data: bytes):
    with pytest.raises((ValueError, TypeError, LookupError)):
        decode_event(data)
