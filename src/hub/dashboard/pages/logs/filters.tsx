/** Which lines: of which sources and servers, how bad, of what time. On a phone they are in a sheet. */
import { useState } from "preact/hooks";

import { type Level, levels } from "#src/protocol/level.ts";
import type { TopAnswer } from "#src/protocol/query-answers.ts";
import { servers } from "../../live.ts";
import { useLoad } from "../../loading.ts";
import { Menu } from "../../parts/menu.tsx";
import { Ready } from "../../parts/page.tsx";
import { Pick, type Option } from "./pick.tsx";
import { type LogSpan, fixedSpan, stretchNames, stretchWords, endsOf } from "./span.ts";
import { localText, nameOfSpan } from "./span-text.ts";
import { type View, requestOf } from "./view.ts";

/** Sources that are offered: those with the most lines. */
const mostSources = 500;

export type Change = (part: Partial<View>) => void;

export function Filters({ view, change }: { readonly view: View; readonly change: Change }) {
  return (
    <>
      <Menu stays label="Sources" name={<Chosen what="sources" values={view.sources} />}>
        <Sources view={view} change={change} />
      </Menu>
      {(servers.value.length > 1 || view.servers.length > 0) && (
        <Menu stays label="Servers" name={<Chosen what="servers" values={view.servers.map(hostOf)} />}>
          <Pick
            what="servers"
            options={serverOptions(view.servers)}
            chosen={view.servers}
            onChange={(chosen) => change({ servers: chosen })}
          />
        </Menu>
      )}
      {view.containers.map((container) => (
        <button
          key={container}
          type="button"
          class="chip on"
          aria-label={`All containers, not only ${container}`}
          onClick={() => change({ containers: view.containers.filter((one) => one !== container) })}
        >
          {container} ✕
        </button>
      ))}
      <select
        aria-label="Least level"
        value={view.level}
        onChange={({ currentTarget: { value } }) =>
          change({ level: leastLevels.find((level) => level === value) ?? "" })
        }
      >
        <option value="">All levels</option>
        {leastLevels.map((level) => (
          <option key={level} value={level}>
            {level === "fatal" ? "fatal" : `${level} and worse`}
          </option>
        ))}
      </select>
      <Menu stays label="Time" name={<span class="face">{nameOfSpan(view.span)}</span>}>
        <Times span={view.span} onChange={(span) => change({ span, at: null })} />
      </Menu>
    </>
  );
}

const leastLevels: readonly Level[] = levels.slice(1);

export const hostOf = (id: string): string => servers.value.find((server) => server.id === id)?.hostname ?? id;

/** What a menu's button says: `All sources`, `api`, `api + 2`. */
function Chosen({ what, values }: { readonly what: string; readonly values: readonly string[] }) {
  const [first] = values;
  if (first === undefined) return <span class="face">All {what}</span>;
  return (
    <span class="face on">
      <bdi>{first}</bdi>
      {values.length > 1 ? ` + ${values.length - 1}` : ""}
    </span>
  );
}

function serverOptions(chosen: readonly string[]): readonly Option[] {
  const known = servers.value.map(({ id, hostname }) => ({ value: id, name: hostname, note: "" }));
  const gone = chosen.filter((id) => !known.some(({ value }) => value === id));
  return [...gone.map((id) => ({ value: id, name: id, note: "" })), ...known];
}

/** Those that logged in the view's time, most lines first. */
function Sources({ view, change }: { readonly view: View; readonly change: Change }) {
  // as it was when the list was opened: it must not move under the pointer
  const [path] = useState(() => {
    const query = requestOf(
      { ...view, q: "", sources: [], containers: [], level: "", servers: view.servers.slice(0, 1) },
      Date.now(),
    );
    if (view.servers.length > 1) query.delete("server");
    query.set("field", "source");
    query.set("limit", String(mostSources));
    return `/api/logs/top?${query}`;
  });
  const loaded = useLoad<TopAnswer>(path);
  return (
    <Ready from={loaded}>
      {({ values }) => {
        const known = values.map(({ value, count }) => ({ value, name: value, note: count.toLocaleString("en") }));
        const others = view.sources.filter((source) => !values.some(({ value }) => value === source));
        return (
          <Pick
            what="sources"
            options={[...others.map((source) => ({ value: source, name: source, note: "" })), ...known]}
            chosen={view.sources}
            onChange={(chosen) => change({ sources: chosen })}
          />
        );
      }}
    </Ready>
  );
}

function Times({ span, onChange }: { readonly span: LogSpan; readonly onChange: (span: LogSpan) => void }) {
  const { fromMs, toMs } = endsOf(span, Date.now());
  const [from, setFrom] = useState(localText(fromMs ?? Date.now() - 86_400_000));
  const [to, setTo] = useState(localText(toMs ?? Date.now()));
  const valid = Date.parse(to) > Date.parse(from);
  return (
    <div class="times">
      <div class="presets" role="group" aria-label="Up to now">
        {stretchNames.map((name) => (
          <button
            key={name}
            type="button"
            aria-pressed={span.kind === "live" && span.name === name}
            onClick={() => onChange({ kind: "live", name })}
          >
            {stretchWords[name]}
          </button>
        ))}
      </div>
      <form
        class="absolute"
        onSubmit={(event) => {
          event.preventDefault();
          if (valid) onChange(fixedSpan(Date.parse(from), Date.parse(to)));
        }}
      >
        <label>
          From
          <input
            type="datetime-local"
            step="1"
            value={from}
            onInput={({ currentTarget }) => setFrom(currentTarget.value)}
          />
        </label>
        <label>
          To
          <input
            type="datetime-local"
            step="1"
            value={to}
            onInput={({ currentTarget }) => setTo(currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary" disabled={!valid}>
          Show
        </button>
      </form>
    </div>
  );
}
