/** The list of servers. Only the rows in sight are drawn, so that a thousand scroll like ten. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { address } from "../client.ts";
import { useShortcuts } from "../keys.tsx";
import { useRows } from "../parts/virtual.ts";
import { navigate } from "../router.ts";
import { history } from "./history.ts";
import type { Item, SortKey, View } from "./list.ts";
import { ServerRow } from "./row.tsx";

const columns: readonly { readonly key: SortKey; readonly title: string }[] = [
  { key: "name", title: "Server" },
  { key: "cpu", title: "CPU" },
  { key: "memory", title: "Memory" },
  { key: "disk", title: "Disk" },
  { key: "network", title: "Network" },
  { key: "load", title: "Load" },
  { key: "seen", title: "Last seen" },
];

/** Pixels; style/overview.css gives the rows the same. */
const heights = { wide: 48, narrow: 76, project: 34 } as const;
const narrow = matchMedia("(max-width: 860px)");

export function Rows({
  items,
  view,
  change,
  toggle,
  collapsed,
}: {
  readonly items: readonly Item[];
  readonly view: View;
  readonly change: (part: Partial<View>) => void;
  readonly toggle: (project: string) => void;
  readonly collapsed: ReadonlySet<string>;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [isNarrow, setNarrow] = useState(narrow.matches);
  const [chosen, setChosen] = useState("");
  useEffect(() => {
    const follow = () => setNarrow(narrow.matches);
    narrow.addEventListener("change", follow);
    return () => narrow.removeEventListener("change", follow);
  }, []);
  const rows = useRows(box, {
    count: items.length,
    sizeOf: (index) => (items[index]?.kind === "project" ? heights.project : isNarrow ? heights.narrow : heights.wide),
    keyOf: (index) => keyOf(items[index]),
  });

  function move(by: number): void {
    const servers = items.flatMap((item, index) => (item.kind === "server" ? [{ id: item.server.id, index }] : []));
    const at = servers.findIndex(({ id }) => id === chosen);
    const next =
      servers[at === -1 ? (by > 0 ? 0 : servers.length - 1) : Math.max(0, Math.min(servers.length - 1, at + by))];
    if (next === undefined) return;
    setChosen(next.id);
    rows.show(next.index);
  }
  const shortcuts = useMemo(
    () => [
      { keys: "j", does: "next server", run: () => move(1) },
      { keys: "k", does: "previous server", run: () => move(-1) },
      ...(chosen === ""
        ? []
        : [
            {
              keys: "Enter",
              does: "open the chosen server",
              run: () => navigate(address("/servers/:id", { id: chosen })),
            },
          ]),
    ],
    [items, chosen],
  );
  useShortcuts("Servers", shortcuts);

  const lines = history.value;
  return (
    <div class="panel fleet" role="table" aria-label="Servers" aria-rowcount={items.length + 1}>
      <div class="row head" role="row" aria-rowindex={1}>
        {columns.map(({ key, title }) => (
          <Head key={key} title={title} by={key} view={view} change={change} />
        ))}
      </div>
      <div class="body" role="rowgroup" ref={box} style={{ height: `${rows.height}px` }}>
        {rows.items.map(({ index, start, key }) => {
          const item = items[index];
          if (item === undefined) return null;
          if (item.kind === "project") {
            const open = !collapsed.has(item.id);
            return (
              <div
                key={key}
                class="row project"
                role="row"
                aria-rowindex={index + 2}
                style={{ transform: `translateY(${start}px)` }}
              >
                <div role="rowheader">
                  <button type="button" class="plain" aria-expanded={open} onClick={() => toggle(item.id)}>
                    <span class="fold" aria-hidden="true" />
                    {item.name}
                    <span class="count">{item.servers}</span>
                  </button>
                </div>
              </div>
            );
          }
          const { server, needs } = item;
          return (
            <ServerRow
              key={key}
              server={server}
              needs={needs}
              line={lines.get(server.id)}
              index={index}
              chosen={server.id === chosen}
              top={start}
            />
          );
        })}
      </div>
    </div>
  );
}

function keyOf(item: Item | undefined): string {
  if (item === undefined) return "";
  return item.kind === "project" ? `project ${item.id}` : item.server.id;
}

/** A heading that sorts: the way that is looked for first, then the other, then by name again. */
function Head({
  title,
  by,
  view,
  change,
}: {
  readonly title: string;
  readonly by: SortKey;
  readonly view: View;
  readonly change: (part: Partial<View>) => void;
}) {
  const active = view.sort === by;
  const rising = active && view.reversed !== (by === "name");
  const next = !active
    ? { sort: by, reversed: false }
    : view.reversed
      ? { sort: "name" as const, reversed: false }
      : { sort: by, reversed: true };
  return (
    <div role="columnheader" class={by} aria-sort={active ? (rising ? "ascending" : "descending") : "none"}>
      <button type="button" class="plain" onClick={() => change(next)}>
        {title}
        <span class="arrow" aria-hidden="true">
          {active ? (rising ? "↑" : "↓") : ""}
        </span>
      </button>
    </div>
  );
}
