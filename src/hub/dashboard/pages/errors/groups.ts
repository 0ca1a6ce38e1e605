/** The groups of a list: what the hub answered, page by page, and what the live connection has told since. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import type { ErrorGroup, ErrorsPage } from "#src/protocol/error-group.ts";
import { get } from "../../client.ts";
import { followErrors } from "../../errors-feed.ts";
import { type Paged, usePaged } from "../../loading.ts";
import { eachFrame } from "../../stream.ts";
import { type View, apiAddress, compare, matches, writeView } from "./view.ts";

/** Groups a page. */
const pageSize = 50;

export type Groups = Omit<Paged<ErrorGroup>, "data"> & {
  /** undefined until the first page has come */
  readonly list: readonly ErrorGroup[] | undefined;
  /** groups that wait, because the list is held still */
  readonly waiting: number;
  /** shows groups as somebody has just decided about them */
  readonly put: (groups: readonly ErrorGroup[]) => void;
  /** leaves out a group that is part of another one now */
  readonly drop: (fingerprint: string) => void;
};

/** null: gone */
type Told = ReadonlyMap<string, ErrorGroup | null>;

/** `held`: somebody is at work in the list, so that no row may move; figures in rows change all the same. */
export function useGroups(view: View, held: boolean): Groups {
  const address = writeView(view);
  const path = useMemo(() => apiAddress(view, Date.now(), pageSize), [address]);
  const page = usePaged<ErrorsPage, "groups">(path, "groups");
  const [told, setTold] = useState<Told>(new Map());
  const shown = useRef<readonly string[]>([]);

  useEffect(() => {
    shown.current = [];
    setTold(new Map());
    const cancelled = new AbortController();
    const news = new Map<string, ErrorGroup | null>();
    const show = eachFrame(() => {
      if (!cancelled.signal.aborted) put([...news.entries()]);
      news.clear();
    });
    const put = (entries: readonly (readonly [string, ErrorGroup | null])[]) =>
      setTold((before) => new Map([...before, ...entries]));
    const stop = followErrors({
      onGroup: ({ group }) => {
        news.set(group.fingerprint, group);
        show();
      },
      onGone: ({ fingerprint }) => {
        news.set(fingerprint, null);
        show();
      },
      onAgain: () => {
        get<ErrorsPage>(path, { signal: cancelled.signal }).then(
          ({ groups }) => put(groups.map((group) => [group.fingerprint, group] as const)),
          // what is shown is older than it could be; the next connection reads again
          () => undefined,
        );
      },
    });
    return () => {
      cancelled.abort();
      stop();
    };
  }, [path]);

  const all = useMemo(
    () => (page.data === undefined ? undefined : merge(page.data, told, view)),
    [page.data, told, address],
  );
  const list = useMemo(
    () => (all !== undefined && held ? still(all, page.data ?? [], shown.current) : all),
    [all, held],
  );
  useEffect(() => {
    if (list !== undefined) shown.current = list.map(({ fingerprint }) => fingerprint);
  }, [list]);

  const { data: _, ...rest } = page;
  return {
    ...rest,
    list,
    waiting: all === undefined || list === undefined ? 0 : countMissing(all, list),
    drop: (fingerprint) => setTold((before) => new Map([...before, [fingerprint, null] as const])),
    put: (groups) =>
      setTold((before) => new Map([...before, ...groups.map((group) => [group.fingerprint, group] as const)])),
  };
}

/** What was read and what was told since, in order. */
export function merge(read: readonly ErrorGroup[], told: Told, view: View): ErrorGroup[] {
  const nowMs = Date.now();
  const groups = new Map(read.map((group) => [group.fingerprint, group]));
  for (const [fingerprint, group] of told) {
    if (group !== null && matches(group, view, nowMs)) groups.set(fingerprint, group);
    else groups.delete(fingerprint);
  }
  return [...groups.values()].sort(compare(view.sort));
}

/** The rows of before in their places, as they are now, and after them what else was read; what was only told of waits. */
export function still(
  all: readonly ErrorGroup[],
  read: readonly ErrorGroup[],
  before: readonly string[],
): readonly ErrorGroup[] {
  if (before.length === 0) return all;
  const groups = new Map(all.map((group) => [group.fingerprint, group]));
  const order = new Set([...before, ...read.map(({ fingerprint }) => fingerprint)]);
  return [...order].flatMap((fingerprint) => groups.get(fingerprint) ?? []);
}

function countMissing(all: readonly ErrorGroup[], list: readonly ErrorGroup[]): number {
  const there = new Set(list.map(({ fingerprint }) => fingerprint));
  return all.filter(({ fingerprint }) => !there.has(fingerprint)).length;
}
