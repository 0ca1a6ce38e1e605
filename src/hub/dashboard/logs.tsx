/** A small live tail for other pages: the newest lines, and the way to all of them. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import type { LogsPage, Server } from "#src/protocol/api.ts";
import { get } from "./client.ts";
import { EntryText } from "./pages/logs/line.tsx";
import { type Line, entryLine, gapLine, mergeLines } from "./pages/logs/lines.ts";
import { lastPosition } from "./pages/logs/place.ts";
import { followTail } from "./tail.ts";

/** Lines that it begins with, and holds. */
const [firstLines, mostLines] = [100, 200];

export function Logs({ servers, source }: { readonly servers: readonly Server[]; readonly source?: string }) {
  const only = servers.length === 1 ? servers[0]?.id : undefined;
  const query = new URLSearchParams();
  if (only !== undefined) query.set("server", only);
  if (source !== undefined) query.set("source", source);
  const lines = useNewest(query.toString());
  const hosts = new Map(servers.map((server) => [server.id, server.hostname]));
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    if (atEnd.current && box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  return (
    <section class="logs" aria-label="Logs">
      <div class="tools">
        <h2>Logs</h2>
        <a href={query.size === 0 ? "/logs" : `/logs?${query}`}>Search and follow all</a>
      </div>
      <div
        class="panel lines small"
        ref={box}
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label="Newest lines"
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
          atEnd.current = scrollHeight - scrollTop - clientHeight < 24;
        }}
      >
        {lines?.length === 0 && <p class="nothing">No lines yet. Output of scripts appears here.</p>}
        {lines?.map((line) =>
          line.kind === "entry" ? (
            <div key={line.key} class={`line ${line.entry.level}`}>
              <EntryText
                entry={line.entry}
                whole={line.whole}
                look={{
                  host: hosts.size > 1 ? hosts.get(line.entry.serverId) : undefined,
                  patterns: [],
                  dated: false,
                  wrap: true,
                }}
              />
            </div>
          ) : line.kind === "gap" ? (
            <p key={line.key} class="between warn">
              {line.lines.toLocaleString("en")} lines are not shown: they came faster than anybody reads
            </p>
          ) : null,
        )}
      </div>
    </section>
  );
}

/** The newest lines, as they come; undefined: the first ones are awaited. */
function useNewest(query: string): readonly Line[] | undefined {
  const [lines, setLines] = useState<readonly Line[]>();
  useEffect(() => {
    setLines(undefined);
    const cancelled = new AbortController();
    const wanted = new URLSearchParams(query);
    const put = (more: readonly Line[]) => setLines((before) => mergeLines(before ?? [], more).slice(-mostLines));
    const close = followTail(wanted, {
      onReady() {
        const earlier = new URLSearchParams(wanted);
        earlier.set("limit", String(firstLines));
        get<LogsPage>(`/api/logs?${earlier}`, { signal: cancelled.signal }).then(
          ({ entries }) => put(entries.map(entryLine)),
          // without what was before, what comes is shown all the same
          () => (cancelled.signal.aborted ? undefined : put([])),
        );
      },
      onBatch({ entries, skipped }) {
        const more = entries.map(entryLine);
        const after = more[0]?.place ?? { ms: Date.now(), position: lastPosition };
        put(skipped > 0 ? [gapLine(after, skipped), ...more] : more);
      },
      onState: () => undefined,
      onProblem: () => undefined,
    });
    return () => {
      cancelled.abort();
      close();
    };
  }, [query]);
  return lines;
}
