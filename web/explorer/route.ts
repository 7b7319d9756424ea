import { ask, Refusal } from './api';

const PATH = `query Path($from: String!, $to: String!, $weighting: PathWeighting!) {
  society { path(from: $from, to: $to, weighting: $weighting) { hops cost agents { key name } } }
}`;

export interface Path {
  hops: number;
  cost: number;
  agents: { key: string; name: string }[];
}

/** Asks for the shortest path between two agents; null when there is none. Throws Refusal. */
export async function findPath(from: string, to: string, weighting: string): Promise<Path | null> {
  try {
    return (await ask<{ society: { path: Path | null } }>(PATH, { from, to, weighting })).society.path;
  } catch (error) {
    throw error instanceof Refusal && error.unknownField ? new Refusal('This server does not find paths.') : error;
  }
}
