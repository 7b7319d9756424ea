import { ask, Refusal } from './api';

export const MOST_AGENTS = 5000;
const SCORES_A_PAGE = 1000;
const AGENTS_A_PAGE = 250;
const TIES_EACH = 50;

export interface Tie {
  strength: number;
  node: { key: string };
}

export interface Agent {
  key: string;
  name: string;
  score: number;
  community: string | null;
}

export interface Society {
  agents: Agent[];
  ties: { source: string; target: string; strength: number }[];
  /** All agents there are, of which `agents` may be the first by their score. */
  total: number;
  /** What the server does not serve, in words. */
  missing: string[];
}

interface Page<E> {
  totalCount: number;
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
  edges: E[];
}

interface Ranked {
  score: number;
  node: { key: string; name: string; network?: { community: { key: string } | null } };
}

const PAGE = 'totalCount pageInfo { hasNextPage endCursor }';
const RANKING = `query Ranking($by: Centrality!, $first: Int!, $after: String) {
  society { page: ranking(by: $by, first: $first, after: $after) {
    ${PAGE} edges { score node { key name network { community { key } } } }
  } }
}`;
const AGENTS = `query Agents($first: Int!, $after: String) {
  page: agents(first: $first, after: $after) { ${PAGE} edges { node { key name } } }
}`;
const TIES = `query Ties($keys: [String!]!, $first: Int!, $each: Int!) {
  agents(first: $first, filter: { key: { in: $keys } }) {
    nodes { key relationships(first: $each, orderBy: { strength: DESC }) { edges { strength node { key } } } }
  }
}`;

type Progress = (done: string) => void;

async function readPages<E>(read: (after: string | null) => Promise<Page<E>>, progress: Progress) {
  const edges: E[] = [];
  for (let after: string | null = null; ; ) {
    const page: Page<E> = await read(after);
    edges.push(...page.edges);
    progress(`Loading agents: ${edges.length} of ${Math.min(page.totalCount, MOST_AGENTS)}`);
    if (!page.pageInfo.hasNextPage || edges.length >= MOST_AGENTS) return { edges, total: page.totalCount };
    after = page.pageInfo.endCursor;
  }
}

/** Reads the first agents by a centrality, with their scores and communities. */
export async function loadRanking(by: string, progress: Progress): Promise<{ agents: Agent[]; total: number }> {
  const { edges, total } = await readPages<Ranked>(async (after) => {
    const variables = { by, first: SCORES_A_PAGE, after };
    return (await ask<{ society: { page: Page<Ranked> } }>(RANKING, variables)).society.page;
  }, progress);
  const agents = edges.map(({ score, node: { key, name, network } }) => ({
    ...{ key, name, score },
    community: network?.community?.key ?? null,
  }));
  return { agents, total };
}

async function loadUnranked(progress: Progress): Promise<{ agents: Agent[]; total: number }> {
  const { edges, total } = await readPages<{ node: { key: string; name: string } }>(
    async (after) => (await ask<{ page: Page<{ node: { key: string; name: string } }> }>(
      AGENTS, { first: SCORES_A_PAGE, after },
    )).page,
    progress,
  );
  return { agents: edges.map(({ node }) => ({ ...node, score: 0, community: null })), total };
}

async function loadTies(agents: Agent[], progress: Progress): Promise<Society['ties']> {
  const ties: Society['ties'] = [];
  const shown = new Set(agents.map((agent) => agent.key));
  for (let from = 0; from < agents.length; from += AGENTS_A_PAGE) {
    progress(`Loading relationships: of ${from} of ${agents.length} agents`);
    const keys = agents.slice(from, from + AGENTS_A_PAGE).map((agent) => agent.key);
    const variables = { keys, first: AGENTS_A_PAGE, each: TIES_EACH };
    const { agents: page } = await ask<{ agents: { nodes: { key: string; relationships: { edges: Tie[] } }[] } }>(
      TIES,
      variables,
    );
    for (const { key, relationships } of page.nodes)
      for (const { node, strength } of relationships.edges)
        if (shown.has(node.key)) ties.push({ source: key, target: node.key, strength });
  }
  return ties;
}

/** Reads what the picture shows. Without analytics on the server the agents come unranked, and `missing` says so. */
export async function loadSociety(by: string, progress: Progress): Promise<Society> {
  const missing: string[] = [];
  const found = await loadRanking(by, progress).catch((error: unknown) => {
    if (!(error instanceof Refusal)) throw error;
    missing.push(
      error.unknownField
        ? 'This server has no centralities and communities: all agents have one size and colour.'
        : `Sizes and colours are missing: ${error.message}`,
    );
    return loadUnranked(progress);
  });
  const agents = found.agents.slice(0, MOST_AGENTS);
  if (found.total > agents.length)
    missing.push(`The society has ${found.total} agents; the first ${agents.length} are shown.`);
  return { agents, ties: await loadTies(agents, progress), total: found.total, missing };
}
