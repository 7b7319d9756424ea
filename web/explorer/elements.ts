/** Returns the page's element with this id. */
export function find<T extends HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no element #${id}`);
  return element as T;
}

/** Makes an element of what is given; text stays text. */
export function make(tag: string, properties: Record<string, string> = {}, ...children: (Node | string)[]): HTMLElement {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Makes a link that opens an agent's panel. */
export function linkAgent(agent: { key: string; name: string }): HTMLElement {
  return make('a', { href: `#${new URLSearchParams({ agent: agent.key })}` }, agent.name);
}

/** Shows what went wrong, or what is missing, in one line; the same line once. */
export function notice(message: string): void {
  const notices = find('notices');
  if (![...notices.children].some((each) => each.textContent === message)) notices.append(make('li', {}, message));
}

/** Returns the words of an error. */
export function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
