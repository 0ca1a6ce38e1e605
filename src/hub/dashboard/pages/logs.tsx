/** All lines of all servers: followed as they come, searched as one types, back to the first. The address holds the view. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { useShortcuts } from "../keys.tsx";
import { now as hubNow, servers } from "../live.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Menu } from "../parts/menu.tsx";
import { useTitle } from "../parts/page.tsx";
import { navigate, usePlace } from "../router.ts";
import { censusOf } from "./logs/bars.ts";
import { copyText } from "./logs/copy.ts";
import type { LineActions } from "./logs/details.tsx";
import { Filters, hostOf } from "./logs/filters.tsx";
import { FirstLine } from "./logs/first-line.tsx";
import { patternsOf } from "./logs/highlight.ts";
import { Histogram } from "./logs/histogram.tsx";
import { firstEntry } from "./logs/lines.ts";
import { List } from "./logs/list.tsx";
import { SearchField } from "./logs/search-field.tsx";
import { endsOf, fixedSpan, widerStretch } from "./logs/span.ts";
import { type View, around, isFiltered, readQuery, readView, requestOf, withPart, writeView } from "./logs/view.ts";
import { EdgeStatus } from "./logs/status.tsx";
import { ends, useBars, useBook, useMarks } from "./logs/use-view.ts";

/** How long it is said that something was copied, in milliseconds. */
const saidForMs = 2000;
const day = 86_400_000;

export function LogsPage() {
  useTitle("Logs");
  const { query } = usePlace();
  const address = query.toString();
  const view = useMemo(() => readView(query), [address]);
  const [said, say] = useSaid();
  const [sheet, setSheet] = useState(false);
  const typing = useRef(false);

  const change = (part: Partial<View>, options: { readonly replace?: boolean } = {}) =>
    navigate(writeView({ ...view, ...part }), { keepScroll: true, ...options });

  const parsed = useMemo(() => readQuery(view), [view]);
  const asked = parsed.problem === undefined;
  const patterns = useMemo(() => (parsed.query === undefined ? [] : patternsOf(parsed.query)), [parsed]);
  // of what the lines depend on; wrapping does not change them
  const subject = writeView({ ...view, wrap: true });
  const bars = useBars(view, subject, asked);
  const book = useBook(view, subject, asked, bars.count);
  const [paused, setPaused] = useState(false);
  useEffect(() => setPaused(false), [subject]);
  const { fromMs, toMs } = ends(view, bars.bars);
  const census = useMemo(() => (bars.bars === undefined ? undefined : censusOf(bars.bars)), [bars.bars]);
  const dated = fromMs < new Date().setHours(0, 0, 0, 0) || toMs - fromMs > day;
  const look = useMemo(() => ({ patterns, dated, wrap: view.wrap }), [patterns, dated, view.wrap]);
  const state = book?.state.value;
  useMarks(book, view);

  const onPause = (on: boolean) => {
    setPaused(on);
    book?.follow(!on);
    if (!on && view.span.kind === "fixed") change({ span: { kind: "live", name: "1h" }, at: null });
  };
  const pause = useRef(onPause);
  pause.current = onPause;
  const now = useRef({ state, change, view });
  now.current = { state, change, view };
  const shortcuts = useMemo(
    () => [
      { keys: "p", does: "pause or follow", run: () => pause.current(now.current.state?.following === true) },
      {
        keys: "w",
        does: "wrap lines or not",
        run: () => now.current.change({ wrap: !now.current.view.wrap }, { replace: true }),
      },
    ],
    [],
  );
  useShortcuts("Logs", shortcuts);

  const actions = useMemo(
    (): LineActions => ({
      filter: (part, not) => change({ q: withPart(view.q, part, not), at: null }),
      copy(what, text) {
        void copyText(text).then((done) => say(done ? `${what} copied` : "The browser doesn't allow copying"));
      },
      linkTo: (line) => writeView({ ...pinned(view, line.place.ms), at: line.place }),
      amongAll: ({ place, entry }) =>
        writeView({
          ...pinned({ ...view, q: "", level: "" }, place.ms),
          sources: [entry.source],
          servers: [entry.serverId],
          containers: [],
          at: place,
        }),
      hostOf,
    }),
    [address, servers.value],
  );

  const zoom = (from: number, to: number) => change({ span: fixedSpan(from, to), at: null });
  const { span } = view;
  const onWider =
    span.kind === "live" ? () => change({ span: { kind: "live", name: widerStretch(span.name) } }) : undefined;
  const filters = <Filters view={view} change={change} />;
  const chosen = view.sources.length + view.servers.length + view.containers.length + (view.level === "" ? 0 : 1);
  return (
    <main class="logs-page" tabIndex={-1}>
      <h1 class="unseen">Logs</h1>
      <div class="tools">
        <SearchField
          value={view.q}
          problem={parsed.problem !== undefined && parsed.problem.startsWith("too many") ? parsed.problem : ""}
          onChange={(q) => {
            // one step back leads to before the typing, not through its letters
            change({ q, at: null }, { replace: typing.current });
            typing.current = q !== "";
          }}
        />
        <div class="filters">{filters}</div>
        <button type="button" class="sheet-button" onClick={() => setSheet(true)}>
          Filters{chosen > 0 ? ` (${chosen})` : ""}
        </button>
        <div class="acts">
          <button
            type="button"
            aria-pressed={view.wrap}
            class={view.wrap ? "on" : ""}
            onClick={() => change({ wrap: !view.wrap }, { replace: true })}
          >
            Wrap
          </button>
          {state?.following === true ? (
            <button type="button" onClick={() => onPause(true)}>
              Pause
            </button>
          ) : (
            <button type="button" class="primary" onClick={() => onPause(false)}>
              Follow
            </button>
          )}
          <Menu label="More" name={<span class="face">⋯</span>}>
            <a href={exportAddress(view)} download="orion-logs.ndjson">
              Download (NDJSON)
            </a>
            <button
              type="button"
              onClick={() => actions.copy("Link", new URL(fixedAddress(view), location.origin).href)}
            >
              Copy a link to this view
            </button>
            {isFiltered(view) && (
              <button
                type="button"
                onClick={() => change({ q: "", sources: [], servers: [], containers: [], level: "", at: null })}
              >
                Show all lines
              </button>
            )}
          </Menu>
        </div>
      </div>
      {sheet && (
        <Dialog title="Filters" onClose={() => setSheet(false)}>
          <div class="sheet">{filters}</div>
        </Dialog>
      )}
      <Histogram bars={bars.bars} fromMs={fromMs} toMs={toMs} busy={bars.busy} onZoom={zoom} />
      {book !== undefined && state !== undefined && (
        <div class="stage">
          <List
            book={book}
            state={state}
            census={census}
            view={view}
            look={look}
            actions={actions}
            manyHosts={servers.value.length > 1 && view.servers.length !== 1}
            paused={paused}
            onPause={onPause}
            onZoom={zoom}
            onWider={onWider}
          />
          {state.older.kind === "none" && firstEntry(state.lines) === undefined && !isFiltered(view) && <FirstLine />}
          <EdgeStatus state={state} live={span.kind === "live"} onFollow={() => onPause(false)} said={said} />
        </div>
      )}
    </main>
  );
}

/** What was just done, for a moment. */
function useSaid(): readonly [said: string, say: (text: string) => void] {
  const [said, say] = useState("");
  useEffect(() => {
    if (said === "") return;
    const timer = setTimeout(() => say(""), saidForMs);
    return () => clearTimeout(timer);
  }, [said]);
  return [said, say];
}

/** A view whose time is certain to hold a moment, whenever it is opened. */
function pinned(view: View, ms: number): View {
  return view.span.kind === "fixed" ? view : { ...view, span: around({ ms }) };
}

/** The view with its time as it is now: who opens it later sees the same. */
function fixedAddress(view: View): string {
  const { fromMs, toMs } = endsOf(view.span, hubNow.peek());
  return writeView(fromMs === null ? view : { ...view, span: fixedSpan(fromMs, toMs ?? hubNow.peek()) });
}

function exportAddress(view: View): string {
  return `/api/logs/export?${requestOf(view, hubNow.peek())}`;
}
