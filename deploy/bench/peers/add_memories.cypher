UNWIND $rows AS r
MATCH (a:Agent {key: r.agent})
CREATE (a)-[:REMEMBERS]->(m:Memory {
    id: 'Memory:' + replace(randomUUID(), '-', ''), agentId: a.id, kind: 'EVENT', content: r.content,
    importance: r.importance, createdAt: datetime(), accessedAt: datetime(), accessCount: 0
})
RETURN {id: m.id} AS memory
