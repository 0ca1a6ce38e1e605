/** All lines of the view: scrolled through by hand or followed, walked through by keyboard, opened in place. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { useShortcuts } from "../../keys.tsx";
import type { Census } from "./bars.ts";
import { Between, type EdgeProps, EdgeText } from "./between.tsx";
import { Details, type LineActions } from "./details.tsx";
import { type EntryLook, EntryText, shownLength } from "./line.tsx";
import type { EntryLine, Line } from "./lines.ts";
import { edgeHeight, lineHeight, useScroll } from "./scroll.ts";

export type ListProps = EdgeProps & {
  readonly census: Census | undefined;
  readonly look: Omit<EntryLook, "host">;
  readonly actions: LineActions;
  /** the hostname is shown with each line */
  readonly manyHosts: boolean;
  /** nothing is followed until the reader says so */
  readonly paused: boolean;
  readonly onPause: (on: boolean) => void;
  readonly onZoom: (fromMs: number, toMs: number) => void;
};

export function List(props: ListProps) {
  const { book, state, census, view, look, actions, manyHosts, paused, onPause } = props;
  const { lines } = state;
  const box = useRef<HTMLDivElement>(null);
  const [selected, setSelected] = useState<string | null>(null);
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const characters = useCharacters(box);
  const scroll = useScroll(box, {
    state,
    census,
    sizeOf: (line) => roughHeight(line, look.wrap, characters, opened.has(line.key)),
    onFollow(on) {
      // who reads what is open is not carried off
      if (!(on && (paused || opened.size > 0))) book.follow(on);
    },
    onMore: (end) => book.more(end),
    onGo: (place) => book.go(place),
  });

  // a link to a line leads to it, opened
  const { at } = view;
  useEffect(() => {
    if (at === null || at.position === 0) return;
    const key = String(at.position);
    setSelected(key);
    setOpened((before) => new Set(before).add(key));
  }, [book]);

  const toggle = (key: string) => {
    setOpened((before) => {
      const after = new Set(before);
      if (!after.delete(key)) after.add(key);
      return after;
    });
    // once it is as high as it will be, it is in sight
    requestAnimationFrame(() =>
      requestAnimationFrame(() => box.current?.querySelector(".item.selected")?.scrollIntoView({ block: "nearest" })),
    );
  };

  const now = useRef({ lines, selected, opened, scroll, actions, state });
  now.current = { lines, selected, opened, scroll, actions, state };
  const shortcuts = useMemo(() => {
    const move = (by: 1 | -1) => {
      const { lines: all, selected: from, scroll: way } = now.current;
      const { first, last } = way.inSight();
      const before = all.findIndex((line) => line.key === from);
      // what is out of sight is not what one goes on from
      let index = before < first || before > last ? (by > 0 ? first - 1 : last + 1) : before;
      do index += by;
      while (all[index] !== undefined && all[index]?.kind !== "entry");
      const line = all[index];
      if (line === undefined) return;
      book.follow(false);
      setSelected(line.key);
      way.show(index);
    };
    const chosen = () => now.current.lines.find((line) => line.key === now.current.selected);
    return [
      { keys: "j", does: "next line", run: () => move(1) },
      { keys: "k", does: "line before", run: () => move(-1) },
      {
        keys: "Enter",
        does: "open or close the line",
        run() {
          const line = chosen();
          if (line?.kind !== "entry") return;
          book.follow(false);
          toggle(line.key);
        },
      },
      {
        keys: "c",
        does: "copy the line",
        run() {
          const line = chosen();
          if (line?.kind === "entry") actions.copy("Line", line.entry.message);
        },
      },
      {
        keys: "Escape",
        does: "close what is open",
        run() {
          if (now.current.opened.size > 0) setOpened(new Set());
          else setSelected(null);
        },
      },
      { keys: "End", does: "go to the newest line, and follow", run: () => onPause(false) },
    ];
  }, [book]);
  useShortcuts("Log lines", shortcuts);

  const current = lines.find((line) => line.key === selected);
  // a few lines may end long before the list's own room does, with nothing beyond them
  const beyond = scroll.height - scroll.end - edgeHeight;
  return (
    <>
      <div
        class={`panel lines all${look.wrap ? "" : " unwrapped"}${manyHosts ? " hosts" : ""}${look.dated ? " dated" : ""}`}
        ref={box}
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label="Log lines"
        aria-busy={state.older.kind === "loading"}
      >
        <div class="way" style={{ height: `${scroll.height}px` }}>
          <div class="beyond" style={{ height: `${scroll.begin - edgeHeight}px` }} />
          {lines.length > 0 && beyond > 0 && (
            <div class="beyond" style={{ top: `${scroll.end + edgeHeight}px`, height: `${beyond}px` }} />
          )}
          <div class="edge" style={{ transform: `translateY(${scroll.begin - 34}px)` }}>
            <EdgeText {...props} end="older" />
          </div>
          {scroll.items.map(({ index, key, start }) => {
            const line = lines[index];
            if (line === undefined) return null;
            return (
              <div
                key={key}
                ref={scroll.measure}
                data-index={index}
                class="slot"
                style={{ transform: `translateY(${start}px)` }}
              >
                {line.kind === "entry" ? (
                  <Row
                    line={line}
                    look={{ ...look, host: manyHosts ? actions.hostOf(line.entry.serverId) : undefined }}
                    actions={actions}
                    selected={line.key === selected}
                    open={opened.has(line.key)}
                    onToggle={() => {
                      // what is read must not be carried off by what comes
                      book.follow(false);
                      setSelected(line.key);
                      toggle(line.key);
                    }}
                  />
                ) : (
                  <Between line={line} lines={lines} hostOf={actions.hostOf} onZoom={props.onZoom} />
                )}
              </div>
            );
          })}
          {lines.length > 0 && (
            <div class="edge" style={{ transform: `translateY(${scroll.end}px)` }}>
              <EdgeText {...props} end="newer" />
            </div>
          )}
        </div>
      </div>
      <p class="unseen" role="status">
        {current?.kind === "entry" ? `${current.entry.level}: ${current.entry.message.slice(0, 300)}` : ""}
      </p>
    </>
  );
}

function Row({
  line,
  look,
  actions,
  selected,
  open,
  onToggle,
}: {
  readonly line: EntryLine;
  readonly look: EntryLook;
  readonly actions: LineActions;
  readonly selected: boolean;
  readonly open: boolean;
  readonly onToggle: () => void;
}) {
  const { entry, whole } = line;
  // most of what is in sight stays as it was from frame to frame
  const text = useMemo(
    () => <EntryText entry={entry} whole={whole} look={look} />,
    [line, look.host, look.patterns, look.dated, look.wrap],
  );
  return (
    <div class={`item${selected ? " selected" : ""}${open ? " open" : ""}`}>
      <div
        class={`line ${entry.level}`}
        onClick={(event) => {
          // who marks text wants to copy it
          if (getSelection()?.isCollapsed === false || (event.target as Element).closest("button") !== null) return;
          onToggle();
        }}
      >
        <button
          type="button"
          class="fold"
          tabIndex={selected ? 0 : -1}
          aria-expanded={open}
          aria-label={`Details of the line of ${entry.at}`}
          onClick={onToggle}
        />
        {text}
      </div>
      {open && <Details line={line} look={look} actions={actions} />}
    </div>
  );
}

/** Pixels that a line will take, until it is measured. */
function roughHeight(line: Line, wrap: boolean, characters: number, open: boolean): number {
  if (line.kind !== "entry") return lineHeight + 8;
  if (open) return 300;
  if (!wrap) return lineHeight;
  const { message } = line.entry;
  const length = Math.min(message.length, shownLength);
  let rows = Math.max(1, Math.ceil(length / characters));
  if (length < 200 || message.includes("\n")) {
    rows = message
      .slice(0, shownLength)
      .split("\n")
      .reduce((sum, row) => sum + Math.max(1, Math.ceil(row.length / characters)), 0);
  }
  return rows * lineHeight;
}

/** Characters of a message that go side by side. */
function useCharacters(box: { readonly current: HTMLElement | null }): number {
  const [characters, setCharacters] = useState(120);
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const watch = new ResizeObserver(() => {
      const message = element.querySelector(".line .message");
      const width = message?.clientWidth ?? element.clientWidth - 360;
      setCharacters(Math.max(20, Math.floor(width / 7.25)));
    });
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  return characters;
}
