import { ask, Refusal } from './api';
import { find, linkAgent, make, words } from './elements';

const AGENTS = `query FindAgents($text: String!, $capital: String!) {
  agents(first: 8, filter: { or: [
    { name: { contains: $text } } { name: { contains: $capital } } { key: { startsWith: $text } }
  ] }) { nodes { key name } }
}`;
const KNOWLEDGE = `query FindKnowledge($text: String!) {
  searchKnowledge(prefix: $text, first: 8) { nodes { content topic { name } agent { key name } } }
}`;

interface Named {
  key: string;
  name: string;
}

interface Piece {
  content: string;
  topic: { name: string };
  agent: Named;
}

const input = find<HTMLInputElement>('search');
const found = find('found');
const PAUSE_MILLISECONDS = 120;
let asking = new AbortController();
let hasKnowledge = true;

/** Searches while somebody types, and closes when an answer is chosen or Escape is pressed. */
export function startSearch(): void {
  let pause = 0;
  input.addEventListener('input', () => {
    clearTimeout(pause);
    pause = window.setTimeout(() => void search(input.value.trim()), PAUSE_MILLISECONDS);
  });
  input.parentElement?.parentElement?.addEventListener('keydown', ({ key }) => {
    if (key === 'Escape') found.hidden = true;
  });
  found.addEventListener('click', ({ target }) => {
    if (target instanceof HTMLAnchorElement) found.hidden = true;
  });
}

async function search(text: string): Promise<void> {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  found.hidden = !text;
  if (!text) return;
  try {
    const capital = text.charAt(0).toUpperCase() + text.slice(1);
    const [agents, knowledge] = await Promise.all([
      ask<{ agents: { nodes: Named[] } }>(AGENTS, { text, capital }, signal).then((answer) => answer.agents.nodes),
      searchKnowledge(text, signal),
    ]);
    if (signal.aborted) return;
    const items = agents.map((agent) => make('li', {}, linkAgent(agent), ` ${agent.key}`));
    for (const { agent, topic, content } of knowledge)
      items.push(make('li', {}, linkAgent(agent), ` knows of ${topic.name}: ${content}`));
    if (!items.length) items.push(make('li', { class: 'quiet' }, 'Nothing found.'));
    if (!hasKnowledge) items.push(make('li', { class: 'quiet' }, 'This server does not search knowledge.'));
    found.replaceChildren(...items);
  } catch (error) {
    if (!signal.aborted) found.replaceChildren(make('li', { role: 'alert' }, words(error)));
  }
}

async function searchKnowledge(text: string, signal: AbortSignal): Promise<Piece[]> {
  if (!hasKnowledge) return [];
  try {
    return (await ask<{ searchKnowledge: { nodes: Piece[] } }>(KNOWLEDGE, { text }, signal)).searchKnowledge.nodes;
  } catch (error) {
    if (!(error instanceof Refusal && error.unknownField)) throw error;
    hasKnowledge = false;
    return [];
  }
}
