/** Times that go on by the second; only their words are drawn anew. */
import { duration } from "../../format.ts";
import { now } from "../../live.ts";

/** How long something has lasted that began then. */
export function Since({ startMs }: { readonly startMs: number }) {
  return <>{duration(Math.max(0, (now.value - startMs) / 1000))}</>;
}

/** `restarts in 12 s` */
export function Restarting({ at }: { readonly at: string }) {
  const seconds = (Date.parse(at) - now.value) / 1000;
  return <>{seconds > 1 ? `restarts in ${duration(seconds)}` : "restarting"}</>;
}
