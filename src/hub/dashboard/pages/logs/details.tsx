/** What is under a line that was opened: all of its text, its fields, and what can be done with it. */
import { useState } from "preact/hooks";

import type { StoredEntry } from "#src/protocol/api.ts";
import type { ContextAnswer } from "#src/protocol/query-answers.ts";
import { address, get, sentenceOf } from "../../client.ts";
import { fullTime } from "../../format.ts";
import { Context } from "./context.tsx";
import { type Field, fieldsOf, messageFields } from "./fields.ts";
import { type EntryLook, Shown, shownLength } from "./line.tsx";
import type { EntryLine } from "./lines.ts";
import { printField } from "./view.ts";

export type LineActions = {
  /** searches for this too, or for its absence */
  readonly filter: (part: string, not: boolean) => void;
  readonly copy: (what: string, text: string) => void;
  /** the address of the line */
  readonly linkTo: (line: EntryLine) => string;
  /** the address of all lines around it */
  readonly amongAll: (line: EntryLine) => string;
  readonly hostOf: (serverId: string) => string;
};

export function Details({
  line,
  look,
  actions,
}: {
  readonly line: EntryLine;
  readonly look: EntryLook;
  readonly actions: LineActions;
}) {
  const { entry } = line;
  const [context, setContext] = useState(false);
  const fields = fieldsOf(entry);
  const inside = line.whole === null ? messageFields(entry.message) : [];
  const host = actions.hostOf(entry.serverId);
  const own: readonly Field[] = [
    { path: "level", value: entry.level, query: printField("level", entry.level) },
    { path: "source", value: entry.source, query: printField("source", entry.source) },
    { path: "server", value: host, query: printField("server", entry.serverId) },
    { path: "stream", value: entry.stream, query: printField("stream", entry.stream) },
  ];
  return (
    <div class="details" role="group" aria-label="Details of the line">
      <div class="acts">
        <button type="button" onClick={() => actions.copy("Line", entry.message)}>
          Copy line
        </button>
        <button type="button" onClick={() => actions.copy("Entry", JSON.stringify(entry, null, 2))}>
          Copy as JSON
        </button>
        <button
          type="button"
          onClick={() => actions.copy("Link", new URL(actions.linkTo(line), location.origin).toString())}
        >
          Copy link
        </button>
        <button type="button" aria-expanded={context} onClick={() => setContext(!context)}>
          Context
        </button>
        <a class="button" href={actions.amongAll(line)}>
          Show among all lines
        </a>
      </div>
      {context && <Context id={entry.id} look={look} />}
      <Text line={line} look={look} />
      <dl class="fields">
        <div>
          <dt>time</dt>
          <dd>{fullTime(entry.at)}</dd>
        </div>
        {[...own, ...fields].map((field, i) => (
          <FieldRow key={`${i} ${field.path}`} field={field} look={look} filter={actions.filter} />
        ))}
      </dl>
      {inside.length > 0 && (
        <>
          <h3>In the message</h3>
          <dl class="fields">
            {inside.map((field, i) => (
              <FieldRow key={`${i} ${field.path}`} field={field} look={look} filter={actions.filter} />
            ))}
          </dl>
        </>
      )}
    </div>
  );
}

function FieldRow({
  field: { path, value, query },
  look,
  filter,
}: {
  readonly field: Field;
  readonly look: EntryLook;
  readonly filter: LineActions["filter"];
}) {
  const said = `${path} ${value}`.slice(0, 120);
  return (
    <div>
      <dt>
        <Shown text={path} patterns={[]} wrap />
      </dt>
      <dd>
        <span class="value">
          <Shown text={value.slice(0, shownLength)} patterns={look.patterns} wrap />
        </span>
        {query !== null && (
          <span class="filters">
            <button
              type="button"
              class="plain"
              title="Only lines with this"
              aria-label={`Only lines with ${said}`}
              onClick={() => filter(query, false)}
            >
              +
            </button>
            <button
              type="button"
              class="plain"
              title="No lines with this"
              aria-label={`No lines with ${said}`}
              onClick={() => filter(query, true)}
            >
              −
            </button>
          </span>
        )}
      </dd>
    </div>
  );
}

/** The whole text where its line shows less. */
function Text({ line: { entry, whole }, look }: { readonly line: EntryLine; readonly look: EntryLook }) {
  const [all, setAll] = useState<string | null>(null);
  const [problem, setProblem] = useState("");
  const isCut = entry.message.length > shownLength || (!look.wrap && entry.message.includes("\n"));
  if (!isCut && whole === null) return null;

  async function load(): Promise<void> {
    try {
      setAll(await wholeMessage(entry));
    } catch (error) {
      setProblem(sentenceOf(error));
    }
  }

  return (
    <>
      <pre class="whole" tabIndex={0} aria-label="All of the text">
        <Shown text={all ?? entry.message} patterns={look.patterns} wrap />
      </pre>
      {whole !== null && all === null && (
        <p>
          <button type="button" class="link" onClick={() => void load()}>
            Show all {whole.toLocaleString("en")} characters
          </button>{" "}
          {problem}
        </p>
      )}
    </>
  );
}

/** The message of an entry of which the page holds only the beginning. */
async function wholeMessage({ id }: StoredEntry): Promise<string> {
  const answer = await get<ContextAnswer>(address("/api/logs/:id/context", { id }, { before: 0, after: 0 }));
  return answer.entries.find((entry) => entry.id === id)?.message ?? "";
}
