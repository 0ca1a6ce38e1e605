/** Error groups in words. Pure. */
import type { ErrorGroup, GroupKind, GroupState } from "#src/protocol/error-group.ts";
import { plainText } from "../../ansi.ts";
import { moment } from "../../format.ts";

export const stateWords: Readonly<Record<GroupState, string>> = {
  unresolved: "Unresolved",
  resolved: "Resolved",
  ignored: "Ignored",
};

export const kindWords: Readonly<Record<GroupKind, string>> = {
  error: "With a traceback",
  message: "Error lines",
  warning: "Warnings",
};

/** `ValueError: no such user`; what there is of the two. */
export function titleOf({ type, value }: { readonly type: string | null; readonly value: string }): string {
  const said = plainText(value.split("\n", 1)[0] ?? "");
  if (type === null || type === "") return said === "" ? "(no message)" : said;
  return said === "" ? plainText(type) : `${plainText(type)}: ${said}`;
}

/** `12,345`; from a million on `1.2 M`. */
export function many(count: number): string {
  if (count < 1e6) return count.toLocaleString("en");
  return count < 1e9 ? `${(count / 1e6).toFixed(1)} M` : `${(count / 1e9).toFixed(1)} G`;
}

/** `3 events`, `1 event`. */
export function counted(count: number, one: string, several = `${one}s`): string {
  return `${many(count)} ${count === 1 ? one : several}`;
}

/** `web-1, web-2 and 3 more`; empty for none. */
export function listed(names: readonly string[], most = 2): string {
  if (names.length <= most) return names.join(", ");
  return `${names.slice(0, most).join(", ")} and ${names.length - most} more`;
}

/** What has been decided about a group, and how long that holds; empty: nothing. */
export function decisionText(group: ErrorGroup, nowMs: number): string {
  const by = group.decidedBy === null ? "" : ` by ${group.decidedBy}`;
  if (group.state === "resolved") {
    return group.resolvedIn === null ? `resolved${by}` : `resolved in ${group.resolvedIn}${by}`;
  }
  if (group.state === "unresolved") return "";
  const ends = [
    ...(group.ignoredFor === null ? [] : [`${many(group.ignoredFor)} more have come`]),
    ...(group.ignoredUntil === null ? [] : [moment(group.ignoredUntil, nowMs)]),
  ];
  return ends.length === 0 ? `ignored${by}, for good` : `ignored${by}, until ${ends.join(" or ")}`;
}
