"""One pair of running servers, seen from outside."""

import json
from pathlib import Path

import psutil
import pytest
import redis
from neo4j import GraphDatabase

from graph.embedded.errors import EmbeddedError
from graph.embedded.servers import AlreadyRunning, EmbeddedServers, find_running


def query(servers: EmbeddedServers, text: str) -> list[object]:
    """Run one query and list the first value of each row."""
    auth = (servers.addresses.database_user, servers.password)
    with GraphDatabase.driver(servers.addresses.database_url, auth=auth) as driver:
        return [record.value() for record in driver.execute_query(text).records]


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def test_the_graph_algorithms_answer(servers: EmbeddedServers) -> None:
    assert query(servers, "RETURN gds.version()") == ["2.26.0"]


def test_procedures_that_stream_paths_find_all_they_need(servers: EmbeddedServers) -> None:
    query(servers, "CREATE (a:Stop {n: 1})-[:TO]->(b:Stop {n: 2})-[:TO]->(:Stop {n: 3})")
    query(
        servers, "CALL gds.graph.project('stops', 'Stop', 'TO', {logProgress: false}) YIELD nodeCount RETURN nodeCount"
    )
    found = query(
        servers,
        "MATCH (a:Stop {n: 1}), (c:Stop {n: 3}) "
        "CALL gds.shortestPath.dijkstra.stream('stops', {sourceNode: a, targetNode: c, logProgress: false}) "
        "YIELD path RETURN length(path)",
    )
    assert found == [2]


def test_valkey_answers_only_to_the_password(servers: EmbeddedServers) -> None:
    with redis.Redis.from_url(servers.redis_url) as client:
        assert client.set("greeting", "hello")
        assert client.get("greeting") == b"hello"
    with redis.Redis.from_url(servers.addresses.redis_url) as client, pytest.raises(redis.AuthenticationError):
        client.get("greeting")


def test_another_process_can_find_and_open_the_servers(servers: EmbeddedServers) -> None:
    data_dir = servers.addresses.password_file.parent
    servers.publish(api_url="http://127.0.0.1:1/graphql")
    found = find_running(data_dir)
    assert found == servers.addresses
    assert found.api_url == "http://127.0.0.1:1/graphql"
    assert found.read_password() == servers.password
    assert found.redis_url_with(found.read_password()) == servers.redis_url


def test_a_second_owner_is_refused_in_one_line_with_the_addresses(servers: EmbeddedServers, cache_dir: Path) -> None:
    data_dir = servers.addresses.password_file.parent
    before = children()
    with pytest.raises(AlreadyRunning) as refusal:
        EmbeddedServers.start(data_dir, cache_dir=cache_dir, progress=print)
    assert refusal.value.addresses == servers.addresses
    message = str(refusal.value)
    assert "\n" not in message
    assert str(servers.addresses.pid) in message
    assert servers.addresses.database_url in message
    assert children() == before


def test_the_password_stands_only_in_files_that_the_owner_alone_may_read(servers: EmbeddedServers) -> None:
    data_dir = servers.addresses.password_file.parent
    holders = [
        file for file in data_dir.rglob("*") if file.is_file() and servers.password.encode() in file.read_bytes()
    ]
    assert {file.name for file in holders} == {"password", "valkey.conf"}
    assert {oct(file.stat().st_mode & 0o777) for file in [*holders, data_dir / "run.json"]} == {"0o600"}
    assert not any(servers.password in word for child in children() for word in child.cmdline())


def test_the_servers_see_nothing_of_this_process_s_environment(servers: EmbeddedServers) -> None:
    # Processes of multiprocessing are this process's own.
    for child in [each for each in children() if "multiprocessing" not in " ".join(each.cmdline())]:
        names = set(child.environ())
        assert names <= {"PATH", "HOME", "TMPDIR", "TZ", "LC_ALL", "LC_CTYPE"}


def test_the_servers_listen_on_the_loopback_alone(servers: EmbeddedServers) -> None:
    # The rest of the run may have servers of its own.
    listening = [
        connection.laddr.ip.removeprefix("::ffff:")
        for child in children()
        for connection in child.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 2
    assert set(listening) == {"127.0.0.1"}


def test_a_store_that_another_neo4j_uses_is_told_in_one_line(
    servers: EmbeddedServers, cache_dir: Path, tmp_path: Path
) -> None:
    owner = servers.addresses.password_file.parent
    (tmp_path / "neo4j").mkdir()
    (tmp_path / "neo4j" / "data").symlink_to(owner / "neo4j" / "data")
    (tmp_path / "password").write_text(servers.password)
    before = children()
    with pytest.raises(EmbeddedError, match="another Neo4j uses the same files") as failure:
        EmbeddedServers.start(tmp_path, cache_dir=cache_dir, progress=print)
    assert "\n" not in str(failure.value)
    assert children() == before
    assert query(servers, "RETURN 1") == [1]


def test_the_ports_are_remembered(servers: EmbeddedServers) -> None:
    data_dir = servers.addresses.password_file.parent
    ports = json.loads((data_dir / "ports.json").read_text())
    assert servers.addresses.database_url.endswith(f":{ports['Neo4j']}")
