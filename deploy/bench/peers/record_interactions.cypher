UNWIND $rows AS r
MATCH (a:Agent {key: r.source}) MATCH (b:Agent {key: r.target})
CREATE (a)-[:INITIATED]->(i:Interaction {
    id: 'Interaction:' + replace(randomUUID(), '-', ''), sourceId: a.id, targetId: b.id, kind: r.kind,
    content: r.content, impact: r.impact, at: datetime()
})-[:TOWARD]->(b)
MERGE (a)-[there:RELATES_TO]->(b)
ON CREATE SET there.id = 'Relationship:' + replace(randomUUID(), '-', ''), there.sourceId = a.id,
    there.targetId = b.id, there.kind = 'acquaintance', there.strength = 0.0, there.trust = 0.5,
    there.interactionCount = 0, there.firstMetAt = datetime()
MERGE (b)-[back:RELATES_TO]->(a)
ON CREATE SET back.id = 'Relationship:' + replace(randomUUID(), '-', ''), back.sourceId = b.id,
    back.targetId = a.id, back.kind = 'acquaintance', back.strength = 0.0, back.trust = 0.5,
    back.interactionCount = 0, back.firstMetAt = datetime()
FOREACH (tie IN [there, back] |
    SET tie.strength = tie.strength + 0.1 * r.impact * CASE WHEN r.impact > 0 THEN 1 - tie.strength ELSE tie.strength END,
        tie.interactionCount = tie.interactionCount + 1, tie.lastInteractionAt = datetime())
SET a.socialEnergy = a.socialEnergy * 0.99
RETURN {id: i.id, strengths: [there.strength, back.strength]} AS interaction
