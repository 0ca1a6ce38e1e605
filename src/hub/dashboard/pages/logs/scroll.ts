/**
 * The lines in sight of all that there are. Those that are held are measured; the rest of the way, before and after them, is
 * as long as the census says, so that the scroll bar tells where one is, and leads there.
 */
import {
  type VirtualItem,
  type VirtualizerOptions,
  Virtualizer,
  elementScroll,
  observeElementOffset,
  observeElementRect,
} from "@tanstack/virtual-core";
import { useCallback, useLayoutEffect, useReducer, useRef } from "preact/hooks";

import type { Census } from "./bars.ts";
import type { BookState } from "./book.ts";
import type { Line } from "./lines.ts";
import { type Place, comparePlaces } from "./place.ts";

/** Pixels of a line that is not wrapped. style/logs.css has the same. */
export const lineHeight = 20;
/** Room for what is said at either end of the lines, in pixels; below the newest there is nothing to say. */
export const edgeHeight = 40;
const endHeight = 10;
/** Browsers end at some 17 million pixels; what is longer is drawn to scale. */
const longestWay = 12_000_000;
const overscan = 10;
/** More is loaded when an end of the lines is so close, in pixels. */
const closeTo = 3000;
/** A scroll bar that has been let go of, in milliseconds. */
const settledMs = 120;

export type Scroll = {
  readonly items: readonly VirtualItem[];
  readonly height: number;
  /** where the lines begin and end, in pixels */
  readonly begin: number;
  readonly end: number;
  readonly measure: (element: HTMLElement | null) => void;
  readonly show: (index: number, align?: "auto" | "center") => void;
  /** indexes of the lines in sight */
  readonly inSight: () => { readonly first: number; readonly last: number };
};

type Wanted = {
  readonly state: BookState;
  readonly census: Census | undefined;
  readonly sizeOf: (line: Line) => number;
  readonly onFollow: (on: boolean) => void;
  readonly onMore: (end: "older" | "newer") => void;
  readonly onGo: (place: Place) => void;
};

type Box = { readonly current: HTMLElement | null };

export function useScroll(box: Box, { state, census, sizeOf, onFollow, onMore, onGo }: Wanted): Scroll {
  const [, redraw] = useReducer((turn: number) => turn + 1, 0);
  const { lines, older, newer, following, opened } = state;
  const virtual = useRef<Virtualizer<HTMLElement, HTMLElement>>(undefined);
  // where a scroll bar was let go of, in pixels: what is loaded for that place begins there
  const landing = useRef<number | null>(null);
  const way = useWay(state, census, landing);
  // the virtualizer keeps a line where it is when others come before it, but not when the way to it changes
  const wayBefore = useRef({ key: "", before: 0 });
  const firstKey = lines[0]?.key ?? "";
  const moved = wayBefore.current.key === firstKey ? way.before - wayBefore.current.before : 0;
  wayBefore.current = { key: firstKey, before: way.before };
  const options: VirtualizerOptions<HTMLElement, HTMLElement> = {
    count: lines.length,
    estimateSize: (index) => {
      const line = lines[index];
      return line === undefined ? lineHeight : sizeOf(line);
    },
    getItemKey: (index) => lines[index]?.key ?? index,
    getScrollElement: () => box.current,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    initialRect: { width: 800, height: 800 },
    paddingStart: way.before,
    paddingEnd: way.after,
    anchorTo: "end",
    overscan,
    onChange: () => redraw(undefined),
  };
  virtual.current ??= new Virtualizer(options);
  const current = virtual.current;
  current.setOptions(options);
  if (moved !== 0 && current.scrollOffset !== null) current.scrollOffset = Math.max(0, current.scrollOffset + moved);
  // where the reader is to be brought: until they are there, or go elsewhere themselves
  const pin = useRef<Place | "end" | null>(null);
  const openedBefore = useRef(-1);
  const jumping = useRef(false);
  // where it was scrolled to last, by the reader or by us
  const top = useRef(0);
  const latest = useRef({ look, following, newer, onFollow, hasLeft });
  if (openedBefore.current !== opened.count) {
    openedBefore.current = opened.count;
    pin.current = jumping.current || opened.at === "start" ? null : opened.at;
    jumping.current = false;
  }
  const toEnd = following || pin.current === "end";
  // the lines at the end are drawn in the same frame that brings them into sight
  if (toEnd) current.scrollOffset = Math.max(0, current.getTotalSize() - (current.scrollRect?.height ?? 0));

  useLayoutEffect(() => current._didMount(), []);
  useLayoutEffect(() => {
    current._willUpdate();
    const element = box.current;
    if (element === null) return;
    // somebody may have scrolled up since the last frame, and its event is yet to come
    if (toEnd && !latest.current.hasLeft()) {
      element.scrollTop = element.scrollHeight;
      top.current = element.scrollTop;
    } else if (moved !== 0) element.scrollTop += moved;
    if (pin.current === "end" && older.kind !== "loading") pin.current = null;
    if (pin.current !== null && pin.current !== "end" && lines.length > 0) {
      const target = pin.current;
      const index = lines.findIndex((line) => comparePlaces(line.place, target) >= 0);
      current.scrollToIndex(index < 0 ? lines.length - 1 : index, { align: "center" });
      if (older.kind !== "loading" && newer.kind !== "loading") pin.current = null;
    }
    look();
  });

  const height = current.getTotalSize();
  const end = height - way.after;
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);

  /** Sees to it that lines are where the reader is, or comes to. */
  function look(): void {
    const element = box.current;
    if (element === null) return;
    const { scrollTop, clientHeight } = element;
    clearTimeout(timer.current);
    if (lines.length === 0 && newer.kind === "loading") return;
    if (lines.length > 0 && !toEnd && (scrollTop + clientHeight < way.before - closeTo || scrollTop > end + closeTo)) {
      timer.current = setTimeout(() => jumpTo(scrollTop), settledMs);
      return;
    }
    if (older.kind === "more" && scrollTop < way.before + closeTo) onMore("older");
    // what has just come is told of, and shown to who goes there
    const close = newer.kind === "more" ? closeTo : newer.kind === "fresh" ? 0 : -Infinity;
    if (!toEnd && scrollTop + clientHeight > end - close) onMore("newer");
  }

  function jumpTo(from: number): void {
    if (census === undefined) return;
    const pixels = lineHeight * way.scale;
    const index = from < way.before ? from / pixels : census.total - (height - from) / pixels;
    jumping.current = true;
    landing.current = from;
    onGo({ ms: census.timeOf(Math.max(0, index)), position: 0 });
  }

  /** Whether the reader has gone from the end, where following had brought them. */
  function hasLeft(): boolean {
    const element = box.current;
    if (!following || element === null) return false;
    const { scrollTop, scrollHeight, clientHeight } = element;
    return scrollTop < top.current - 1 && scrollHeight - scrollTop - clientHeight > edgeHeight;
  }

  latest.current = { look, following, newer, onFollow, hasLeft };
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const scrolled = () => {
      const { scrollTop, scrollHeight, clientHeight } = element;
      const left = scrollHeight - scrollTop - clientHeight;
      const now = latest.current;
      if (now.hasLeft()) now.onFollow(false);
      else if (!now.following && now.newer.kind === "none" && scrollTop > top.current && left < 4) now.onFollow(true);
      top.current = scrollTop;
      now.look();
    };
    const letGo = () => (pin.current = null);
    // before the virtualizer's own: what it draws depends on whether the reader has gone from the end
    element.addEventListener("scroll", scrolled, { passive: true, capture: true });
    for (const name of ["wheel", "pointerdown", "keydown", "touchstart"])
      element.addEventListener(name, letGo, { passive: true });
    return () => {
      clearTimeout(timer.current);
      element.removeEventListener("scroll", scrolled, { capture: true });
      for (const name of ["wheel", "pointerdown", "keydown", "touchstart"]) element.removeEventListener(name, letGo);
    };
  }, []);

  const measure = useCallback((element: HTMLElement | null) => current.measureElement(element), []);
  return {
    items: current.getVirtualItems(),
    height,
    begin: way.before,
    end,
    measure,
    show(index, align = "auto") {
      pin.current = null;
      current.scrollToIndex(index, { align });
    },
    inSight: () => ({ first: current.range?.startIndex ?? 0, last: current.range?.endIndex ?? 0 }),
  };
}

/** Pixels before and after the lines that are held. */
type Way = { readonly before: number; readonly after: number; readonly scale: number };

/** What is before a line stays as long as it is: a census that changes must not move what is read. */
function useWay(state: BookState, census: Census | undefined, landing: { current: number | null }): Way {
  const { lines, older } = state;
  const held = useRef({ subject: "", before: 0 });
  const way = wayBeside(state, census);
  const subject = `${lines[0]?.key ?? ""} ${older.kind === "none"} ${census === undefined}`;
  if (held.current.subject !== subject) {
    const landed = lines.length > 0 ? landing.current : null;
    if (landed !== null) landing.current = null;
    held.current = { subject, before: landed ?? way.before };
  }
  return { ...way, before: held.current.before };
}

function wayBeside({ lines, older, newer }: BookState, census: Census | undefined): Way {
  const [first, last] = [lines[0], lines.at(-1)];
  if (census === undefined) return { before: edgeHeight, after: edgeHeight, scale: 1 };
  // while others are loaded in place of all, the way stays as long as it was
  const before =
    first === undefined
      ? newer.kind === "loading"
        ? census.total
        : 0
      : older.kind === "none"
        ? 0
        : census.before(first.place.ms);
  const after =
    newer.kind === "none" || last === undefined ? 0 : Math.max(0, census.total - census.before(last.place.ms));
  const pixels = (before + after) * lineHeight;
  const scale = pixels > longestWay ? longestWay / pixels : 1;
  return {
    before: Math.round(before * lineHeight * scale) + edgeHeight,
    after: newer.kind === "none" ? endHeight : Math.round(after * lineHeight * scale) + edgeHeight,
    scale,
  };
}
