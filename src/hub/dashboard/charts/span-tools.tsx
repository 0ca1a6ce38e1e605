/** Which time the charts show, and what happened in it: stays in sight while the charts scroll by. */
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { fullTime } from "../format.ts";
import { useShortcuts } from "../keys.tsx";
import { Notice } from "../parts/notice.tsx";
import { cursor, pointAt } from "./chart.tsx";
import { type Cluster, type Mark, joinMarks, placeOf, wordsOf } from "./marks.ts";
import { type Move, moves, rangeNames } from "./span.ts";
import type { Charts } from "./use-charts.ts";

const moveLooks: Readonly<Record<Move, readonly [sign: string, label: string, key: string]>> = {
  earlier: ["‹", "Earlier", "["],
  out: ["−", "Zoom out", "-"],
  in: ["+", "Zoom in", "+"],
  later: ["›", "Later", "]"],
};
/** Pixels that a mark takes: room for a finger (WCAG 2.2, 2.5.8). */
const markWidth = 24;
/** Lines of what is said of a cluster. */
const mostTold = 8;

export function SpanTools({ charts }: { readonly charts: Charts }) {
  const { span, plots, marks, problem, serverId } = charts;
  const latest = useRef(charts);
  latest.current = charts;
  const shortcuts = useMemo(
    () =>
      moves.map((move) => ({
        keys: moveLooks[move][2],
        does: `charts: ${moveLooks[move][1].toLowerCase()}`,
        run: () => latest.current.move(move),
      })),
    [],
  );
  useShortcuts("Server", shortcuts);
  const ssh = plots.cpu.stretches.length > 0;
  return (
    <div class="span-tools">
      <div class="row">
        <div class="segments" role="group" aria-label="Time shown">
          {rangeNames.map((name) => (
            <button
              key={name}
              type="button"
              aria-pressed={span.kind === "live" && span.name === name}
              onClick={() => charts.show({ kind: "live", name })}
            >
              {name}
            </button>
          ))}
        </div>
        <div class="segments" role="group" aria-label="Move through time">
          {moves.map((move) => {
            const [sign, label, key] = moveLooks[move];
            const isNow = span.kind === "live" && move === "later";
            return (
              <button
                key={move}
                type="button"
                aria-label={label}
                title={`${label} (${key})`}
                disabled={isNow}
                onClick={() => charts.move(move)}
              >
                {sign}
              </button>
            );
          })}
        </div>
        {span.kind === "fixed" && (
          <button type="button" onClick={() => charts.show({ kind: "live", name: "1h" })}>
            Back to now
          </button>
        )}
        {ssh && (
          <span class="over-ssh">
            <span class="swatch" /> watched over SSH
          </span>
        )}
        <Moment charts={charts} />
      </div>
      {problem !== "" && (
        <Notice tone="bad" alert>
          {problem}
        </Notice>
      )}
      <Strip serverId={serverId} marks={marks} from={plots.cpu.from} to={plots.cpu.to} />
    </div>
  );
}

/** The moment under the cursor; without one, the stretch that was zoomed into. */
function Moment({ charts: { span, plots } }: { readonly charts: Charts }) {
  const at = cursor.value;
  const seconds = at === null ? undefined : plots.cpu.times[at];
  if (seconds !== undefined) return <span class="moment">{fullTime(iso(seconds * 1000))}</span>;
  if (span.kind === "live") return <span class="moment" />;
  return (
    <span class="moment" title={`${iso(span.fromMs)} – ${iso(span.toMs)}`}>
      {shortTime(span.fromMs)} – {shortTime(span.toMs)}
    </span>
  );
}

const iso = (ms: number) => new Date(ms).toISOString();

function shortTime(ms: number): string {
  const day = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
  return new Date(ms).toLocaleString("en-GB", day);
}

/** What happened, from the left end of the time to the right; the lines through the charts are the same. */
function Strip({
  serverId,
  marks,
  from,
  to,
}: {
  readonly serverId: string;
  readonly marks: readonly Mark[];
  readonly from: number;
  readonly to: number;
}) {
  const row = useRef<HTMLOListElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    if (row.current === null) return;
    const watch = new ResizeObserver(([entry]) => setWidth(entry?.contentRect.width ?? 0));
    watch.observe(row.current);
    return () => watch.disconnect();
  }, []);
  const clusters = useMemo(
    () => (width === 0 ? [] : joinMarks(marks, from * 1000, to * 1000, markWidth / width)),
    [marks, from, to, width],
  );
  return (
    <ol class="marks" aria-label="What happened" ref={row}>
      {clusters.map((cluster) => (
        <li key={cluster.marks[0]?.id} style={{ left: `${(cluster.share * 100).toFixed(3)}%` }}>
          <MarkLink serverId={serverId} cluster={cluster} />
        </li>
      ))}
    </ol>
  );
}

function MarkLink({ serverId, cluster: { marks, tone } }: { readonly serverId: string; readonly cluster: Cluster }) {
  const lines = marks.slice(0, mostTold).map((mark) => `${wordsOf(mark)}, ${fullTime(mark.at)}`);
  if (marks.length > mostTold) lines.push(`and ${marks.length - mostTold} more`);
  const [first] = marks;
  const show = () => pointAt(first === undefined ? null : Date.parse(first.at));
  const hide = () => pointAt(null);
  return (
    <a
      class={tone}
      href={placeOf(serverId, marks)}
      title={lines.join("\n")}
      aria-label={`${marks.length > 1 ? `${marks.length} events: ` : ""}${lines.join("; ")}`}
      onMouseEnter={show}
      onMouseLeave={hide}
      onFocus={show}
      onBlur={hide}
    >
      <span>{marks.length > 1 ? marks.length : ""}</span>
    </a>
  );
}
