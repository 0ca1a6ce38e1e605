/** Text to be taken elsewhere: commands, links, and tokens that are shown once. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { Notice } from "./notice.tsx";

/** Milliseconds for which the button says that it has copied. */
const saidForMs = 2000;

/** A block of text with a button that copies it. */
export function Copyable({ label, text }: { readonly label: string; readonly text: string }) {
  const block = useRef<HTMLPreElement>(null);
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (said === "") return;
    const timer = setTimeout(() => setSaid(""), saidForMs);
    return () => clearTimeout(timer);
  }, [said]);

  async function copy(): Promise<void> {
    if (block.current !== null) select(block.current);
    setSaid((await write(text)) ? "Copied" : "Selected");
  }

  return (
    <figure class="copyable">
      <figcaption>
        <span>{label}</span>
        <button type="button" aria-label={`Copy: ${label}`} onClick={() => void copy()}>
          <span role="status">{said === "" ? "Copy" : said}</span>
        </button>
      </figcaption>
      <pre ref={block} tabIndex={0}>
        {text}
      </pre>
    </figure>
  );
}

/** What was just made and can't be shown a second time. */
export function ShownOnce({ children, what }: { readonly children: ComponentChildren; readonly what: string }) {
  return (
    <div class="once">
      <Notice tone="warn" alert>
        {what} is shown only now. Keep it somewhere safe.
      </Notice>
      {children}
    </div>
  );
}

/** The clipboard exists only under TLS and on this machine itself; elsewhere the older way must do. */
async function write(text: string): Promise<boolean> {
  if (navigator.clipboard !== undefined) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // not permitted: the text stays selected, and the older way is tried
    }
  }
  return document.execCommand("copy");
}

function select(block: HTMLElement): void {
  const range = document.createRange();
  range.selectNodeContents(block);
  const selection = getSelection();
  selection?.removeAllRanges();
  selection?.addRange(range);
}
