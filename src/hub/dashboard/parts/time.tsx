/** A moment: how long ago or ahead, with the full time on hover. */
import { useEffect, useState } from "preact/hooks";

import { fullTime, moment } from "../format.ts";

/** How often what is shown is brought up to date, in milliseconds. */
const againMs = 10_000;

// one timer for a page of a thousand moments
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function onTick(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    for (const tell of listeners) tell();
  }, againMs);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** `never` stands for null. */
export function Time({ at, never = "never" }: { readonly at: string | null; readonly never?: string }) {
  const [, setTick] = useState(0);
  useEffect(() => onTick(() => setTick((before) => before + 1)), []);
  if (at === null) return <span class="faint">{never}</span>;
  return (
    <time dateTime={at} title={fullTime(at)}>
      {moment(at, Date.now())}
    </time>
  );
}
