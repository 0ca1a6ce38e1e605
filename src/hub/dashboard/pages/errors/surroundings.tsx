/** What the source logged around an event: as it lies in the log, or, when that is gone, what the sample kept. */
import { useEffect, useRef } from "preact/hooks";

import type { ErrorSample } from "#src/protocol/error-group.ts";
import type { ContextAnswer } from "#src/protocol/query-answers.ts";
import { plainText } from "../../ansi.ts";
import { address } from "../../client.ts";
import { clockTime } from "../../format.ts";
import { useLoad } from "../../loading.ts";
import { logsAt } from "./links.ts";

/** Lines before an event, and after its last. */
const [before, after] = [20, 5];

type Told = { readonly key: string; readonly at: string; readonly level: string; readonly message: string };

export function Surroundings({ sample }: { readonly sample: ErrorSample }) {
  const context = useLoad<ContextAnswer>(
    address("/api/logs/:id/context", { id: sample.entry }, { before, after: sample.lines.length + after }),
  );
  const { data } = context;
  const box = useRef<HTMLOListElement>(null);
  const event = useRef<HTMLLIElement>(null);
  // the event's own first line, with some of what led to it above
  useEffect(() => {
    if (box.current !== null && event.current !== null) {
      box.current.scrollTop = event.current.offsetTop - box.current.offsetTop - box.current.clientHeight / 3;
    }
  }, [data === undefined]);
  if (data === undefined && context.problem === "") return <p class="nothing surrounding">Loading…</p>;
  const told: readonly Told[] =
    data?.entries.map(({ id, at, level, message }) => ({ key: id, at, level, message })) ??
    [...sample.before, ...sample.lines].map((message, i) => ({ key: String(i), at: "", level: "", message }));
  const own = ownLines(told, sample, data === undefined);
  const [first] = own;
  return (
    <>
      {data === undefined && (
        <p class="hint">The log no longer has these lines; this is what was kept with the event.</p>
      )}
      <ol ref={box} class="surrounding panel" tabIndex={0} aria-label="Lines around the event">
        {told.map(({ key, at, level, message }, i) => (
          <li key={key} {...(i === first ? { ref: event } : {})} class={`${level} ${own.has(i) ? "own" : ""}`}>
            <span class="when">{at === "" ? "" : clockTime(at)}</span>
            <bdi class="message">{textOf(message)}</bdi>
          </li>
        ))}
      </ol>
      <p class="after">
        <a href={logsAt(sample)}>Open in the log</a>
      </p>
    </>
  );
}

/** Which of the lines are the event's own. */
function ownLines(
  lines: readonly Told[],
  { entry, lines: own, before: kept }: ErrorSample,
  keptOnly: boolean,
): ReadonlySet<number> {
  if (keptOnly) return new Set(lines.keys().filter((i) => i >= kept.length));
  const wanted = new Set(own);
  const first = lines.findIndex(({ key }) => key === entry);
  return new Set(lines.keys().filter((i) => i >= first && wanted.has(lines[i]?.message ?? "")));
}

/** Characters of a line that are drawn. */
const maxShown = 2000;

const textOf = (message: string): string =>
  plainText(message.length > maxShown ? `${message.slice(0, maxShown)}…` : message);
