/** Keyboard shortcuts: a table that pages add to while they are shown, and the dialog that lists them. */
import { signal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";

import { Dialog } from "./parts/dialog.tsx";

export type Shortcut = {
  /** as it is typed: `/`, `?`, `j`, or two after one another, `g s` */
  readonly keys: string;
  /** what it does, for the list: `go to the servers` */
  readonly does: string;
  readonly run: () => void;
};

/** How long the second key of a pair may take, in milliseconds. */
const pairMs = 1200;

const groups = signal<readonly { readonly title: string; readonly shortcuts: readonly Shortcut[] }[]>([]);
const listed = signal(false);

/** Has these work while the component is shown; of two with the same keys the one shown last counts. */
export function useShortcuts(title: string, shortcuts: readonly Shortcut[]): void {
  // at once, not after the next frame: a key that follows quickly is about what the one before has done
  useLayoutEffect(() => {
    const group = { title, shortcuts };
    groups.value = [...groups.value, group];
    return () => {
      groups.value = groups.value.filter((one) => one !== group);
    };
  }, [title, shortcuts]);
}

/** Listens to the keyboard. @returns ends it */
export function startKeys(): () => void {
  let first = "";
  let firstAt = 0;

  function press(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    // a dialog has keys of its own
    if (document.querySelector("dialog[open]") !== null) return;
    const pair = first !== "" && event.timeStamp - firstAt < pairMs ? `${first} ${event.key}` : "";
    const shortcuts = groups.value.toReversed().flatMap((group) => group.shortcuts);
    const found = shortcuts.find(({ keys }) => keys === pair) ?? shortcuts.find(({ keys }) => keys === event.key);
    first = "";
    if (found !== undefined) {
      event.preventDefault();
      found.run();
    } else if (shortcuts.some(({ keys }) => keys.startsWith(`${event.key} `))) {
      first = event.key;
      firstAt = event.timeStamp;
    }
  }

  addEventListener("keydown", press);
  return () => removeEventListener("keydown", press);
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || target.matches("input:not([type=checkbox]), select, textarea"))
  );
}

/** Shows the list of all shortcuts that work now. */
export function showShortcuts(): void {
  listed.value = true;
}

/** The list, when it is asked for. */
export function ShortcutList() {
  if (!listed.value) return null;
  return (
    <Dialog title="Keyboard shortcuts" onClose={() => (listed.value = false)}>
      <div class="shortcuts">
        {groups.value.map(({ title, shortcuts }) => (
          <section key={title} aria-label={title}>
            <h3>{title}</h3>
            <dl>
              {shortcuts.map(({ keys, does }) => (
                <div key={keys}>
                  <dt>
                    {keys.split(" ").map((key) => (
                      <kbd key={key}>{key}</kbd>
                    ))}
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
