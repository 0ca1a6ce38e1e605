/** Data of a page: loaded when it is shown, again on demand or every few seconds while somebody looks. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { ApiFault, get, sentenceOf } from "./client.ts";

export type Loaded<T> = {
  /** undefined until it has come; what came last stays while a newer one is awaited */
  readonly data: T | undefined;
  /** why it could not be loaded; empty: nothing went wrong */
  readonly problem: string;
  /** there is no such thing, or it is not this person's to see */
  readonly missing: boolean;
  /** loads it again */
  readonly reload: () => void;
};

/** What is loaded, and may be told how it has changed. */
export type Kept<T> = Loaded<T> & {
  /** shows it as it has become by what the reader did, and loads it again; answers that were on their way are older */
  readonly change: (by: (data: T) => T) => void;
};

type State<T> = { readonly path: string | null; readonly data: T | undefined; readonly problem: unknown };

/** Loads `path`; null: nothing yet. `everyMs` keeps it fresh. */
export function useLoad<T>(path: string | null, everyMs?: number): Kept<T> {
  const [state, setState] = useState<State<T>>({ path, data: undefined, problem: undefined });
  const [turn, setTurn] = useState(0);
  const asking = useRef<AbortController>(undefined);
  useEffect(() => {
    if (path === null) return;
    const cancelled = new AbortController();
    asking.current = cancelled;
    get<T>(path, { signal: cancelled.signal }).then(
      (data) => setState({ path, data, problem: undefined }),
      (problem: unknown) => {
        if (!cancelled.signal.aborted)
          setState((before) => ({ path, data: before.path === path ? before.data : undefined, problem }));
      },
    );
    return () => cancelled.abort();
  }, [path, turn]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  const change = useCallback(
    (by: (data: T) => T) => {
      asking.current?.abort();
      setState((before) =>
        before.path === path && before.data !== undefined ? { ...before, data: by(before.data) } : before,
      );
      reload();
    },
    [path],
  );
  useEvery(everyMs, reload);
  // what belongs to another path is not shown for a moment under this one
  const mine = state.path === path;
  return {
    data: mine ? state.data : undefined,
    problem: mine && state.problem !== undefined ? sentenceOf(state.problem) : "",
    missing: mine && state.problem instanceof ApiFault && state.problem.status === 404,
    reload,
    change,
  };
}

/** All pages of a list so far, and the way to the next one. */
export type Paged<Item> = Omit<Loaded<readonly Item[]>, "missing"> & {
  /** loads what comes after; undefined: that was all */
  readonly more: (() => void) | undefined;
  readonly busy: boolean;
};

type PagedState<Item> = {
  readonly path: string;
  readonly items: readonly Item[] | undefined;
  readonly cursor: string | null;
};

type ItemOf<List> = List extends readonly (infer Item)[] ? Item : never;

/** Loads a list that pages by `cursor`; `member` of the answer holds the items. */
export function usePaged<Page extends { readonly cursor: string | null }, Member extends keyof Page>(
  path: string,
  member: Member,
): Paged<ItemOf<Page[Member]>> {
  type Item = ItemOf<Page[Member]>;
  const [state, setState] = useState<PagedState<Item>>({ path, items: undefined, cursor: null });
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const [turn, setTurn] = useState(0);
  const latest = useRef(path);
  latest.current = path;

  function load(before: readonly Item[], cursor: string | null, signal?: AbortSignal): void {
    setBusy(true);
    const joint = path.includes("?") ? "&" : "?";
    const from = cursor === null ? path : `${path}${joint}cursor=${encodeURIComponent(cursor)}`;
    const show = (page: Page) => {
      if (latest.current !== path) return;
      setState({ path, items: [...before, ...(page[member] as readonly Item[])], cursor: page.cursor });
      setProblem("");
      setBusy(false);
    };
    get<Page>(from, signal === undefined ? {} : { signal }).then(show, (error: unknown) => {
      if (signal?.aborted === true || latest.current !== path) return;
      setProblem(sentenceOf(error));
      setBusy(false);
    });
  }

  useEffect(() => {
    const cancelled = new AbortController();
    load([], null, cancelled.signal);
    return () => cancelled.abort();
  }, [path, turn]);
  const mine = state.path === path;
  const { items = [], cursor } = state;
  return {
    data: mine ? state.items : undefined,
    problem,
    busy,
    more: mine && cursor !== null ? () => load(items, cursor) : undefined,
    reload: () => setTurn((before) => before + 1),
  };
}

/** Calls `run` every so often while the page is looked at. */
function useEvery(everyMs: number | undefined, run: () => void): void {
  useEffect(() => {
    if (everyMs === undefined) return;
    const timer = setInterval(() => {
      if (document.visibilityState !== "hidden") run();
    }, everyMs);
    return () => clearInterval(timer);
  }, [everyMs, run]);
}
