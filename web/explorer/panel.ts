import { ask, subscribe } from './api';
import { find, linkAgent, make, words } from './elements';

const AGENT = `query Agent($key: String!) {
  agent(key: $key) {
    key name
    persona { summary traits age lifestyle currently }
    memories(first: 10, orderBy: { importance: DESC }) { totalCount nodes { content importance kind } }
    relationships(first: 12, orderBy: { strength: DESC }) {
      totalCount edges { strength relationship { kind } node { key name } }
    }
  }
}`;

const EVENTS = `subscription Events($keys: [String!]) {
  societyEvents(agents: $keys) {
    kind at
    agents { key name }
    subject {
      ... on Memory { content }
      ... on Interaction { kind said: content }
      ... on Knowledge { content }
      ... on Relationship { kind strength }
    }
  }
}`;

interface Named {
  key: string;
  name: string;
}

interface Agent extends Named {
  persona: { summary: string; traits: string[]; age: number | null; lifestyle: string | null; currently: string | null } | null;
  memories: { totalCount: number; nodes: { content: string; importance: number; kind: string }[] };
  relationships: { totalCount: number; edges: { strength: number; relationship: { kind: string }; node: Named }[] };
}

interface SocietyEvent {
  kind: string;
  at: string;
  agents: Named[];
  subject: { content?: string; said?: string | null; kind?: string; strength?: number } | null;
}

const panel = find('panel');
const SHOWN_EVENTS = 50;
let stop = (): void => {};
let current: string | undefined;

/** Lets Escape close the panel and go back to the search. */
export function startPanel(): void {
  panel.addEventListener('keydown', ({ key }) => {
    if (key !== 'Escape') return;
    location.hash = '';
    find('search').focus();
  });
}

/** Opens an agent's panel, or closes it when there is no key. */
export async function openPanel(key: string | undefined): Promise<void> {
  stop();
  stop = () => {};
  current = key;
  panel.hidden = key === undefined;
  if (key === undefined) return;
  panel.replaceChildren(make('p', { class: 'quiet' }, 'Loading'));
  try {
    const { agent } = await ask<{ agent: Agent | null }>(AGENT, { key });
    if (current !== key) return;
    if (!agent) panel.replaceChildren(close(), make('p', {}, `There is no agent with the key ${key}.`));
    else {
      panel.replaceChildren(close(), ...describe(agent), ...listen(agent.key));
      panel.focus({ preventScroll: true });
    }
  } catch (error) {
    if (current === key) panel.replaceChildren(close(), make('p', { role: 'alert' }, words(error)));
  }
}

function close(): HTMLElement {
  const button = make('button', { class: 'close', type: 'button', 'aria-label': 'Close' }, '×');
  button.onclick = () => (location.hash = '');
  return button;
}

function list(title: string, items: HTMLElement[]): HTMLElement[] {
  const content = items.length ? make('ul', { 'aria-label': title }, ...items) : make('p', { class: 'quiet' }, 'none');
  return [make('h3', {}, title), content];
}

function describe(agent: Agent): HTMLElement[] {
  const { persona, memories, relationships } = agent;
  const facts = [persona?.age ? `${persona.age} years` : '', ...(persona?.traits ?? [])].filter(Boolean).join(', ');
  const said = [persona?.summary, facts, persona?.lifestyle, persona?.currently].filter((text) => !!text) as string[];
  return [
    make('h2', {}, agent.name),
    make('p', { class: 'quiet' }, agent.key),
    ...said.map((text) => make('p', {}, text)),
    ...list(
      `Most important memories (of ${memories.totalCount})`,
      memories.nodes.map(({ content, importance }) => make('li', {}, `${content} `, quiet(importance.toFixed(2)))),
    ),
    ...list(
      `Strongest relationships (of ${relationships.totalCount})`,
      relationships.edges.map(({ node, strength, relationship }) =>
        make('li', {}, linkAgent(node), ' ', quiet(`${relationship.kind} ${strength.toFixed(2)}`)),
      ),
    ),
  ];
}

function quiet(text: string): HTMLElement {
  return make('span', { class: 'quiet' }, text);
}

function listen(key: string): HTMLElement[] {
  const events = make('ul', { 'aria-label': 'Live events', 'aria-live': 'polite' });
  const state = make('p', { class: 'quiet' }, 'What happens from now on appears here.');
  stop = subscribe<{ societyEvents: SocietyEvent }>(
    EVENTS,
    { keys: [key] },
    ({ societyEvents: event }) => {
      events.prepend(tell(event, key));
      while (events.children.length > SHOWN_EVENTS) events.lastElementChild?.remove();
    },
    (message) => (state.textContent = message),
  );
  return [make('h3', {}, 'Live events'), state, events];
}

function tell({ kind, at, agents, subject }: SocietyEvent, key: string): HTMLElement {
  const what = kind.toLowerCase().replaceAll('_', ' ');
  const said = [subject?.kind, subject?.content, subject?.said, subject?.strength?.toFixed(2)].filter(Boolean).join(' ');
  const others = agents.filter((agent) => agent.key !== key).flatMap((agent) => [' ', linkAgent(agent)]);
  return make('li', {}, quiet(`${new Date(at).toLocaleTimeString()} ${what} `), said, ...others);
}
