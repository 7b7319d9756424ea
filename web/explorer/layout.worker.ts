import { UndirectedGraph } from 'graphology';
import forceAtlas2 from 'graphology-layout-forceatlas2';

export interface Work {
  nodes: { x: number; y: number; size: number }[];
  edges: [number, number, number][];
}

const STEPS_A_ROUND = 10;
const MOST_ROUNDS = 60;
const MOST_MILLISECONDS = 30_000;
// Of the picture's width; less than this on average a step is not seen.
const SETTLED = 0.0002;

function move(graph: UndirectedGraph): Float32Array {
  const positions = new Float32Array(graph.order * 2);
  graph.forEachNode((node, { x, y }) => positions.set([x, y], Number(node) * 2));
  return positions;
}

function compare(before: Float32Array, after: Float32Array): number {
  let moved = 0;
  let width = 1e-9;
  for (let at = 0; at < after.length; at++) {
    moved += Math.abs((after[at] ?? 0) - (before[at] ?? 0));
    width = Math.max(width, Math.abs(after[at] ?? 0));
  }
  return moved / after.length / width / STEPS_A_ROUND;
}

self.onmessage = ({ data }: MessageEvent<Work>) => {
  const graph = new UndirectedGraph();
  data.nodes.forEach((node, at) => graph.addNode(String(at), node));
  for (const [source, target, weight] of data.edges) graph.mergeEdge(String(source), String(target), { weight });
  const settings = { ...forceAtlas2.inferSettings(graph), barnesHutOptimize: graph.order > 500, adjustSizes: false };
  const end = performance.now() + MOST_MILLISECONDS;
  let before = move(graph);
  for (let round = 0; round < MOST_ROUNDS && performance.now() < end; round++) {
    forceAtlas2.assign(graph, { iterations: STEPS_A_ROUND, settings, getEdgeWeight: 'weight' });
    const after = move(graph);
    self.postMessage({ positions: after, settled: false });
    if (compare(before, after) < SETTLED) break;
    before = after;
  }
  self.postMessage({ positions: before, settled: true });
};
