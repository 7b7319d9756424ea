// @neo4j/graphql on graphql-yoga, over the benchmark's graph: PORT, ECS_DATABASE_URL and ECS_DATABASE_PASSWORD say where.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Neo4jGraphQL } from "@neo4j/graphql";
import { createYoga } from "graphql-yoga";
import neo4j from "neo4j-driver";

const RECORD = readFileSync(new URL("../record_interactions.cypher", import.meta.url), "utf8");

const typeDefs = /* GraphQL */ `
  type Agent @node {
    id: ID!
    key: String!
    name: String!
    socialEnergy: Float!
    memories: [Memory!]! @relationship(type: "REMEMBERS", direction: OUT)
    relationships: [Agent!]! @relationship(type: "RELATES_TO", direction: OUT, properties: "RelatesTo")
  }
  type RelatesTo @relationshipProperties {
    id: ID!
    strength: Float!
  }
  type Memory @node {
    id: ID! @id
    agentId: String!
    kind: String! @default(value: "EVENT")
    content: String!
    importance: Float!
    createdAt: DateTime! @timestamp(operations: [CREATE])
    accessedAt: DateTime! @timestamp(operations: [CREATE])
    accessCount: Int! @default(value: 0)
    agents: [Agent!]! @relationship(type: "REMEMBERS", direction: IN)
  }
  input NewInteraction {
    source: String!
    target: String!
    kind: String!
    content: String
    impact: Float!
  }
  type Recorded {
    id: ID!
    strengths: [Float!]!
  }
  type Mutation {
    recordInteractions(rows: [NewInteraction!]!): [Recorded!]!
      @cypher(statement: """${RECORD}""", columnName: "interaction")
  }
`;

const { ECS_DATABASE_URL, ECS_DATABASE_PASSWORD, PORT } = process.env;
const driver = neo4j.driver(ECS_DATABASE_URL, neo4j.auth.basic("neo4j", ECS_DATABASE_PASSWORD));
const schema = await new Neo4jGraphQL({ typeDefs, driver, features: { filters: { String: { GTE: true } } } }).getSchema();
const yoga = createYoga({ schema, logging: "error", graphiql: false, maskedErrors: false });
const server = createServer(yoga);
server.listen(Number(PORT), "127.0.0.1");

process.on("SIGTERM", async () => {
  server.close();
  server.closeAllConnections();
  await driver.close();
  process.exit(0);
});
