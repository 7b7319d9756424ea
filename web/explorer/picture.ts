import { UndirectedGraph } from 'graphology';
import Sigma from 'sigma';
import { find } from './elements';
import type { Work } from './layout.worker';
import type { Agent, Society } from './society';

const COLOURS = ['#4e79a7', '#f28e2b', '#59a14f', '#e15759', '#b07aa1', '#76b7b2', '#d4a72c', '#ff6f91', '#9c755f', '#5f6caf'];
const OTHER = '#8a909c';
const HIGHLIGHT = '#e0218a';
const SMALLEST = 3;
const LARGEST = 16;

const dark = matchMedia('(prefers-color-scheme: dark)');

/** The society's graph on a canvas. */
export class Picture {
  readonly graph = new UndirectedGraph();
  private readonly sigma: Sigma;
  private worker: Worker | undefined;
  private path: string[] = [];
  private chosen: string | undefined;

  constructor(choose: (key: string) => void) {
    this.sigma = new Sigma(this.graph, find('picture'), {
      allowInvalidContainer: true,
      hideEdgesOnMove: true,
      labelDensity: 0.6,
      labelRenderedSizeThreshold: 7,
      zIndex: true,
      nodeReducer: (key, data) => this.styleNode(key, data),
      edgeReducer: (edge, data) => this.styleEdge(edge, data),
    });
    this.sigma.on('clickNode', ({ node }) => choose(node));
    this.followTheme();
    dark.addEventListener('change', () => this.followTheme());
  }

  /** Draws a society anew and lays it out. */
  draw(society: Society): void {
    this.worker?.terminate();
    this.graph.clear();
    const { agents } = society;
    agents.forEach(({ key, name }, at) => {
      // A sunflower's spiral: the same start each time, and nobody on top of another.
      const [angle, radius] = [at * 2.399963, Math.sqrt(at + 1)];
      this.graph.addNode(key, { label: name, x: radius * Math.cos(angle), y: radius * Math.sin(angle), size: SMALLEST });
    });
    for (const { source, target, strength } of society.ties)
      if (source !== target)
        this.graph.updateEdge(source, target, (known) => {
          const strongest = Math.max(strength, (known['strength'] as number | undefined) ?? 0);
          return { strength: strongest, size: 0.3 + 2.2 * strongest };
        });
    this.resize(agents);
    this.layOut();
  }

  /** Sizes agents by their score (by area) and colours them by community, the largest first. */
  resize(agents: Agent[]): void {
    const most = Math.max(...agents.map((agent) => agent.score), 1e-12);
    const sizes = new Map<string, number>();
    for (const { community } of agents) if (community) sizes.set(community, (sizes.get(community) ?? 0) + 1);
    const order = [...sizes].sort((a, b) => b[1] - a[1]).map(([key]) => key);
    for (const { key, score, community } of agents)
      if (this.graph.hasNode(key))
        this.graph.mergeNodeAttributes(key, {
          size: this.scale() * (SMALLEST + (LARGEST - SMALLEST) * Math.sqrt(Math.max(score, 0) / most)),
          color: (community && COLOURS[order.indexOf(community)]) || OTHER,
          score,
          community,
        });
  }

  /** Marks a path, or none. */
  mark(path: string[]): void {
    this.path = path;
    find('picture').dataset['path'] = path.join(' ');
    this.sigma.refresh({ skipIndexation: true });
  }

  /** Marks an agent and brings it into view; undefined marks none. */
  show(key: string | undefined): void {
    this.chosen = key;
    this.sigma.refresh({ skipIndexation: true });
    const place = key && this.sigma.getNodeDisplayData(key);
    if (place) void this.sigma.getCamera().animate({ x: place.x, y: place.y }, { duration: 300 });
  }

  private scale(): number {
    return this.graph.order > 1000 ? 0.5 : 1;
  }

  private styleNode(key: string, data: Record<string, unknown>): Record<string, unknown> {
    const marked = key === this.chosen || this.path.includes(key);
    if (marked) return { ...data, highlighted: true, forceLabel: true, zIndex: 1, ...(this.path.length && { color: HIGHLIGHT }) };
    return this.path.length ? { ...data, color: OTHER, label: null } : data;
  }

  private styleEdge(edge: string, data: Record<string, unknown>): Record<string, unknown> {
    if (!this.path.length) return data;
    const [from, to] = this.graph.extremities(edge).map((key) => this.path.indexOf(key)) as [number, number];
    const marked = from >= 0 && to >= 0 && Math.abs(from - to) === 1;
    return marked ? { ...data, color: HIGHLIGHT, size: 4, zIndex: 1 } : data;
  }

  private followTheme(): void {
    this.sigma.setSetting('labelColor', { color: dark.matches ? '#e6e8ee' : '#1b1e25' });
    this.sigma.setSetting('defaultEdgeColor', dark.matches ? '#363c49' : '#d3d7df');
    // Sigma writes the labels of marked agents on white.
    this.sigma.setSetting('defaultDrawNodeHover', (context, data, settings) => {
      context.fillStyle = dark.matches ? '#1d2027' : '#ffffff';
      context.beginPath();
      context.arc(data.x, data.y, data.size + 3, 0, 2 * Math.PI);
      context.fill();
      settings.defaultDrawNodeLabel(context, data, settings);
    });
  }

  private layOut(): void {
    const keys = this.graph.nodes();
    const places = new Map(keys.map((key, at) => [key, at]));
    const work: Work = {
      nodes: keys.map((key) => {
        const { x, y, size } = this.graph.getNodeAttributes(key) as { x: number; y: number; size: number };
        return { x, y, size };
      }),
      edges: this.graph.mapEdges((_, { strength }, source, target) => [
        places.get(source) ?? 0,
        places.get(target) ?? 0,
        strength as number,
      ]),
    };
    const picture = find('picture');
    picture.dataset['layout'] = 'running';
    const worker = new Worker(new URL('./layout.worker.ts', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data }: MessageEvent<{ positions: Float32Array; settled: boolean }>) => {
      this.graph.updateEachNodeAttributes((key, attributes) => {
        const at = (places.get(key) ?? 0) * 2;
        return Object.assign(attributes, { x: data.positions[at], y: data.positions[at + 1] });
      }, { attributes: ['x', 'y'] });
      if (!data.settled) return;
      picture.dataset['layout'] = 'settled';
      worker.terminate();
      if (this.chosen) this.show(this.chosen);
    };
    worker.postMessage(work);
    this.worker = worker;
  }
}
