/** Long lists: only the rows in sight are drawn. The page itself scrolls, so that the browser's own keys and search work. */
import {
  type VirtualItem,
  type VirtualizerOptions,
  Virtualizer,
  observeWindowOffset,
  observeWindowRect,
  windowScroll,
} from "@tanstack/virtual-core";
import { useLayoutEffect, useReducer, useRef } from "preact/hooks";

export type Rows = {
  /** those to draw; `start` is pixels from the list's beginning */
  readonly items: readonly VirtualItem[];
  /** pixels of all of them */
  readonly height: number;
  /** brings a row into sight */
  readonly show: (index: number) => void;
};

/** Rows drawn beyond what is in sight, so that scrolling doesn't show holes. */
const overscan = 12;

type Wanted = {
  readonly count: number;
  /** pixels */
  readonly sizeOf: (index: number) => number;
  readonly keyOf: (index: number) => string;
};

/** Rows of a list that scrolls with the page; `box` is its element. */
export function useRows(box: { readonly current: HTMLElement | null }, { count, sizeOf, keyOf }: Wanted): Rows {
  const [, redraw] = useReducer((turn: number) => turn + 1, 0);
  const virtual = useRef<Virtualizer<Window, Element>>(undefined);
  const options: VirtualizerOptions<Window, Element> = {
    count,
    estimateSize: sizeOf,
    getItemKey: keyOf,
    getScrollElement: () => window,
    observeElementRect: observeWindowRect,
    observeElementOffset: observeWindowOffset,
    scrollToFn: windowScroll,
    initialOffset: () => window.scrollY,
    initialRect: { width: window.innerWidth, height: window.innerHeight },
    scrollMargin: box.current === null ? 0 : box.current.getBoundingClientRect().top + window.scrollY,
    overscan,
    onChange: () => redraw(undefined),
  };
  virtual.current ??= new Virtualizer(options);
  const current = virtual.current;
  current.setOptions(options);
  useLayoutEffect(() => current._didMount(), []);
  useLayoutEffect(() => current._willUpdate());
  // sizes may be others for the same rows: of a phone that was turned, say
  const sizes = useRef("");
  useLayoutEffect(() => {
    const now = Array.from({ length: Math.min(count, 64) }, (_, i) => sizeOf(i)).join();
    if (now === sizes.current) return;
    sizes.current = now;
    current.measure();
  });
  const margin = options.scrollMargin ?? 0;
  return {
    items: current.getVirtualItems().map((item) => ({ ...item, start: item.start - margin, end: item.end - margin })),
    height: current.getTotalSize(),
    show: (index) => current.scrollToIndex(index, { align: "auto" }),
  };
}
