import { find, notice, words } from './elements';
import './explorer.css';
import { openPanel, startPanel } from './panel';
import { Picture } from './picture';
import { findPath } from './route';
import { startSearch } from './search';
import { loadRanking, loadSociety, MOST_AGENTS } from './society';

declare global {
  interface Window {
    /** The graph as it is drawn, for the browser's console. */
    society?: Picture['graph'];
  }
}

const status = find('status');
const centrality = find<HTMLSelectElement>('centrality');
const route = find<HTMLFormElement>('route');
let picture: Picture | undefined;

const say = (text: string): void => void (status.textContent = text);

function sayCounts(): void {
  const graph = picture?.graph;
  if (!graph?.order) say('The society is empty: create agents, or run ecs seed --society les-miserables, then reload.');
  else say(`${graph.order} agents, ${graph.size} relationships`);
}

async function load(): Promise<void> {
  const society = await loadSociety(centrality.value, say);
  society.missing.forEach(notice);
  picture?.draw(society);
  sayCounts();
}

async function changeCentrality(): Promise<void> {
  try {
    find('notices').replaceChildren();
    // Of a large society, others may come first by another measure.
    if ((picture?.graph.order ?? 0) >= MOST_AGENTS) await load();
    else picture?.resize((await loadRanking(centrality.value, say)).agents);
    sayCounts();
  } catch (error) {
    sayCounts();
    notice(words(error));
  }
}

async function showPath(from: string, to: string, weighting: string): Promise<void> {
  for (const [name, value] of Object.entries({ from, to, weighting }))
    (route.elements.namedItem(name) as HTMLInputElement | HTMLSelectElement).value = value;
  try {
    const path = await findPath(from, to, weighting);
    picture?.mark(path?.agents.map((agent) => agent.key) ?? []);
    if (!path) return say(`No path leads from ${from} to ${to}.`);
    const names = path.agents.map((agent) => agent.name).join(' → ');
    say(`${names}: ${path.hops} ${path.hops === 1 ? 'hop' : 'hops'}, cost ${path.cost.toFixed(3)}`);
  } catch (error) {
    picture?.mark([]);
    say(words(error));
  }
}

async function follow(): Promise<void> {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const [agent, from, to] = [wanted.get('agent'), wanted.get('from'), wanted.get('to')];
  picture?.show(agent ?? undefined);
  const opened = openPanel(agent ?? undefined);
  if (from && to) await showPath(from, to, wanted.get('by') === 'HOPS' ? 'HOPS' : 'STRENGTH');
  else if (find('picture').dataset['path']) {
    picture?.mark([]);
    sayCounts();
  }
  await opened;
}

async function start(): Promise<void> {
  startSearch();
  startPanel();
  addEventListener('hashchange', () => void follow());
  centrality.addEventListener('change', () => void changeCentrality());
  route.addEventListener('submit', (event) => {
    event.preventDefault();
    const { from, to, weighting } = Object.fromEntries(new FormData(route)) as Record<string, string>;
    location.hash = String(new URLSearchParams({ from: from ?? '', to: to ?? '', by: weighting ?? '' }));
  });
  try {
    picture = new Picture((key) => (location.hash = String(new URLSearchParams({ agent: key }))));
    window.society = picture.graph;
  } catch {
    notice('This browser draws no WebGL, which the picture needs; search, panels and paths work without it.');
  }
  try {
    await load();
  } catch (error) {
    say(words(error));
  }
  await follow();
}

void start();
