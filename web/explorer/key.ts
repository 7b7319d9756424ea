import { make } from './elements';

const NAME = 'ecs-key';

/** The API key or token in use, kept until the tab is closed. */
export const currentKey = (): string | null => sessionStorage.getItem(NAME);

/** Returns what a request must carry to be let in. */
export function credentials(): Record<string, string> {
  const key = currentKey();
  return key ? { authorization: `Bearer ${key}` } : {};
}

let asking: Promise<boolean> | undefined;

/** Asks whoever uses the page for a key, once for all that need one. Returns whether there is one now. */
export function askForKey(reason: string): Promise<boolean> {
  asking ??= open(reason).then((key) => {
    if (key) {
      sessionStorage.setItem(NAME, key);
      asking = undefined;
    }
    // Whoever wants to give none is not asked again before the page is loaded anew.
    return Boolean(key);
  });
  return asking;
}

function open(reason: string): Promise<string> {
  const input = make('input', { type: 'password', autocomplete: 'off', spellcheck: 'false' }) as HTMLInputElement;
  const use = make('button', {}, 'Use');
  const cancel = make('button', { type: 'button' }, 'Cancel');
  const form = make(
    'form',
    { method: 'dialog' },
    make('p', {}, reason),
    make('label', {}, 'API key or token ', input),
    ' ',
    use,
    ' ',
    cancel,
  );
  const dialog = make('dialog', { 'aria-label': 'Key' }, form) as HTMLDialogElement;
  return new Promise((resolve) => {
    const end = (key: string): void => {
      dialog.remove();
      resolve(key);
    };
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (input.value.trim()) end(input.value.trim());
    });
    cancel.addEventListener('click', () => end(''));
    dialog.addEventListener('cancel', () => end(''));
    document.body.append(dialog);
    dialog.showModal();
  });
}
