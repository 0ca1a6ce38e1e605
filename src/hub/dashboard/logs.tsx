/** The live tail: newest at the bottom, followed until the reader scrolls up. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import type { Server, StoredEntry } from "#src/protocol/api.ts";
import type { Level } from "#src/protocol/log.ts";
import { piecesOf } from "./ansi.ts";
import { clockTime, fullTime } from "./format.ts";
import { type Filter, type Line, keptLines, useTail } from "./tail.ts";

const leastLevels: readonly Level[] = ["info", "warn", "error", "fatal"];
const noFilter: Filter = { q: "", source: "", level: "" };

export function Logs({ servers }: { readonly servers: readonly Server[] }) {
  const [filter, setFilter] = useState(noFilter);
  const [follow, setFollow] = useState(true);
  const { lines, sources } = useTail(filter, follow);
  const hosts = new Map(servers.map((server) => [server.id, server.hostname]));
  const change = (part: Partial<Filter>) => setFilter({ ...filter, ...part });
  return (
    <section class="logs" aria-label="Logs">
      <div class="tools">
        <h2>Logs</h2>
        <Search value={filter.q} onChange={(q) => change({ q })} />
        <select
          aria-label="Source"
          value={filter.source}
          onChange={(event) => change({ source: event.currentTarget.value })}
        >
          <option value="">All sources</option>
          {sources.map((source) => (
            <option key={source} value={source}>
              {source}
            </option>
          ))}
        </select>
        <select
          aria-label="Least level"
          value={filter.level}
          onChange={(event) =>
            change({ level: leastLevels.find((level) => level === event.currentTarget.value) ?? "" })
          }
        >
          <option value="">All levels</option>
          {leastLevels.map((level) => (
            <option key={level} value={level}>
              {level === "fatal" ? "fatal" : `${level} and worse`}
            </option>
          ))}
        </select>
        <button type="button" class={follow ? "" : "on"} onClick={() => setFollow(!follow)}>
          {follow ? "Pause" : "Resume"}
        </button>
      </div>
      <Lines lines={lines} hosts={hosts} follow={follow} filtered={isFiltered(filter)} />
    </section>
  );
}

const isFiltered = (filter: Filter) => filter.q !== "" || filter.source !== "" || filter.level !== "";

/** Typing waits a moment before it searches. */
function Search({ value, onChange }: { readonly value: string; readonly onChange: (value: string) => void }) {
  const [text, setText] = useState(value);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => onChange(text), 250);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <input
      type="search"
      placeholder="Search"
      aria-label="Search messages"
      value={text}
      onInput={(event) => setText(event.currentTarget.value)}
    />
  );
}

function Lines({
  lines,
  hosts,
  follow,
  filtered,
}: {
  readonly lines: readonly Line[];
  readonly hosts: ReadonlyMap<string, string>;
  readonly follow: boolean;
  readonly filtered: boolean;
}) {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    if (follow && atEnd.current && box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  }, [lines, follow]);
  return (
    <div
      class="panel lines"
      ref={box}
      tabIndex={0}
      role="log"
      aria-live="off"
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        atEnd.current = scrollHeight - scrollTop - clientHeight < 24;
      }}
    >
      {lines.length === 0 && (
        <p class="nothing">{filtered ? "No line matches." : "No lines yet. Output of scripts appears here."}</p>
      )}
      {lines.length >= keptLines && <p class="nothing">Older lines are searched, not shown.</p>}
      {lines.map((line) =>
        line.kind === "skipped" ? (
          <p key={line.id} class="skipped">
            {line.lines.toLocaleString("en")} lines were skipped: they came faster than this page reads
          </p>
        ) : (
          <Entry
            key={line.entry.id}
            entry={line.entry}
            host={hosts.size > 1 ? hosts.get(line.entry.serverId) : undefined}
          />
        ),
      )}
    </div>
  );
}

function Entry({ entry, host }: { readonly entry: StoredEntry; readonly host: string | undefined }) {
  return (
    <div class={`line ${entry.level}`}>
      <time dateTime={entry.at} title={fullTime(entry.at)}>
        {clockTime(entry.at)}
      </time>
      <span class="level">{entry.level}</span>
      <span class="source" title={host === undefined ? entry.source : `${entry.source} on ${host}`}>
        {entry.source}
      </span>
      <span class="message">
        {piecesOf(entry.message).map((piece, i) =>
          piece.style === "" ? (
            piece.text
          ) : (
            <span key={i} class={piece.style}>
              {piece.text}
            </span>
          ),
        )}
      </span>
    </div>
  );
}
