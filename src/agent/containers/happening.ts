/** What the engine says happened: one JSON object a line. Pure. */
import { z } from "#src/protocol/schema.ts";

/** Only these: a health check makes two `exec_…` events each time it runs. */
const wanted = [
  "create",
  "start",
  "restart",
  "die",
  "kill",
  "oom",
  "stop",
  "destroy",
  "rename",
  "health_status",
  "pause",
  "unpause",
  "update",
  // what Podman calls `die` and `destroy`; an engine passes over names that it does not know
  "died",
  "remove",
];
/** Podman's words in Docker's. */
const translated: Readonly<Record<string, string>> = { died: "die", remove: "destroy" };

export const eventsPath = `/events?filters=${encodeURIComponent(JSON.stringify({ type: ["container"], event: wanted }))}`;

/** Docker since 1.22 calls it `Action`; Podman's likeness and older ones `status`. */
const event = z.object({
  Action: z.optional(z.string()),
  status: z.optional(z.string()),
  id: z.optional(z.string()),
  Actor: z.optional(
    z.object({ ID: z.optional(z.string()), Attributes: z.optional(z.nullable(z.record(z.string(), z.string()))) }),
  ),
});

export type Happening = {
  readonly id: string;
  /** `start`, `die`, … */
  readonly what: string;
  /** of `health_status`: which */
  readonly detail: string;
  readonly attributes: Readonly<Record<string, string>>;
};

/** A line of the event stream; undefined when it is not understood. */
export function readHappening(line: string): Happening | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // an event of a kind that nobody asked for, at most
    return undefined;
  }
  const { success, data } = z.safeParse(event, value);
  if (!success) return undefined;
  const id = data.Actor?.ID ?? data.id;
  const [what = "", ...detail] = (data.Action ?? data.status ?? "").split(":");
  if (id === undefined || id === "" || what === "") return undefined;
  const attributes = data.Actor?.Attributes ?? {};
  return {
    id,
    what: translated[what] ?? what,
    detail: detail.join(":").trim() || (attributes["health_status"] ?? ""),
    attributes,
  };
}

/** An event has some kilobytes at most: labels are in it. */
const maxLineBytes = 4 * 1024 * 1024;

/** Cuts a stream of bytes into lines. @returns false when a line is too long to be an event */
export function createLineCutter(): (bytes: Buffer, onLine: (line: string) => void) => boolean {
  let rest: Buffer = Buffer.alloc(0);
  return (bytes, onLine) => {
    const all = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    let at = 0;
    for (let end = all.indexOf(10); end !== -1; end = all.indexOf(10, at)) {
      if (end > at) onLine(all.toString("utf8", at, end));
      at = end + 1;
    }
    rest = Buffer.from(all.subarray(at));
    return rest.length <= maxLineBytes;
  };
}
