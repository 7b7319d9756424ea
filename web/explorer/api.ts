import { createClient } from 'graphql-ws';
import { askForKey, credentials, currentKey } from './key';

/** The server could not be reached, or refused; the message is fit to be shown. */
export class Refusal extends Error {
  constructor(
    message: string,
    /** Whether the server does not know a field that was asked for. */
    readonly unknownField = false,
  ) {
    super(message);
  }
}

interface Answer<T> {
  data?: T | null;
  errors?: { message: string }[];
}

/** Sends a query to this server. Throws Refusal. */
export async function ask<T>(query: string, variables: object = {}, signal?: AbortSignal): Promise<T> {
  let answer: Answer<T>;
  let status: number;
  const key = currentKey();
  try {
    const response = await fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', ...credentials() },
      body: JSON.stringify({ query, variables }),
      signal: signal ?? null,
    });
    status = response.status;
    answer = (await response.json()) as Answer<T>;
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refusal('The server does not answer. Is it running? Reload once it is.');
  }
  const message = answer.errors?.[0]?.message;
  // Others may have been asked for a key meanwhile.
  if (status === 401 && (currentKey() !== key || (await askForKey(message ?? '')))) return ask(query, variables, signal);
  if (message) throw new Refusal(message, message.startsWith('Cannot query field'));
  if (!answer.data) throw new Refusal('The server answered without data.');
  return answer.data;
}

// The code by which the server closes the sockets of those whom it does not know, or no longer.
const FORBIDDEN = 4403;

const address = new URL('/graphql', location.href);
address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
// A socket is only opened once there is something to subscribe to.
const socket = createClient({
  url: address.href,
  retryAttempts: Infinity,
  shouldRetry: () => true,
  connectionParams: credentials,
  on: {
    closed: (event) => {
      const { code, reason } = event as CloseEvent;
      if (code === FORBIDDEN) void askForKey(reason);
    },
  },
});

/** Hands over what happens until the returned function is called; `fail` gets words to show. */
export function subscribe<T>(
  query: string,
  variables: Record<string, unknown>,
  next: (data: T) => void,
  fail: (message: string) => void,
): () => void {
  return socket.subscribe<T>(
    { query, variables },
    {
      next: ({ data, errors }) => (data ? next(data) : fail(errors?.[0]?.message ?? 'Live events ended.')),
      error: (error) =>
        fail(Array.isArray(error) ? String(error[0]?.message) : 'Live events ended: the server does not answer.'),
      complete: () => {},
    },
  );
}
