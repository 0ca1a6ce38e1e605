/**
 * Overload is said, not suffered: what would not fit into memory is answered with 503 before it is read, and nobody may
 * hold so much of it that others get none.
 */
import { maxBodyBytes } from "#src/protocol/log.ts";
import { HttpFault, retryAfterSeconds } from "../problem.ts";

/** Bytes of bodies that may be on their way in or wait to be written, over all requests. */
const maxPendingBytes = 192 * 1024 * 1024;
/** Of them, what one sender may hold: eight of the largest bodies. */
const maxSenderBytes = 64 * 1024 * 1024;

/** Room for a body that doesn't say how long it is, until it grows. */
const firstPartBytes = 64 * 1024;

/** What is said when there is no room. */
export const noRoom = "the hub has more to write than it can hold; try again";

/** Makes room for what a body has grown to as it came or was inflated. Throws HttpFault 503 when there is none. */
export type Grow = (bytes: number) => void;

export type Admission = {
  /** Runs `work` when there is room for the body of a request of `sender`, else rejects with HttpFault 503. */
  readonly admit: (request: Request, sender: string, work: (grow: Grow) => Promise<Response>) => Promise<Response>;
  /** Room for `bytes` of `sender`, to be given back; undefined: there is none. */
  readonly reserve: (sender: string, bytes: number) => (() => void) | undefined;
};

/** Bounds the memory that deliveries take together; `waiting` are the bytes that storage holds. */
export function createAdmission(waiting: () => number): Admission {
  let pending = 0;
  const held = new Map<string, number>();

  function hold(sender: string, bytes: number): void {
    pending += bytes;
    const sum = (held.get(sender) ?? 0) + bytes;
    if (sum === 0) held.delete(sender);
    else held.set(sender, sum);
  }

  function reserve(sender: string, bytes: number): (() => void) | undefined {
    if (pending + waiting() + bytes > maxPendingBytes || (held.get(sender) ?? 0) + bytes > maxSenderBytes) {
      return undefined;
    }
    hold(sender, bytes);
    return () => hold(sender, -bytes);
  }

  return {
    reserve,
    async admit(request, sender, work) {
      const wire = declaredBytes(request);
      const release = reserve(sender, wire);
      if (release === undefined) throw overloaded();
      let grown = 0;
      try {
        return await work((bytes) => {
          const more = Math.max(0, bytes - wire - grown);
          // a sender alone may grow to the largest body there is: it is over when it is answered
          if (pending + waiting() + more > maxPendingBytes) {
            throw overloaded();
          }
          grown += more;
          hold(sender, more);
        });
      } finally {
        hold(sender, -grown);
        release();
      }
    },
  };
}

function overloaded(): HttpFault {
  return new HttpFault(503, noRoom, { "retry-after": String(retryAfterSeconds) });
}

/** What the request says that its body takes on the wire; a first part when it doesn't say. */
function declaredBytes(request: Request): number {
  const declared = Number(request.headers.get("content-length") ?? firstPartBytes);
  return Number.isFinite(declared) ? Math.min(Math.max(declared, 0), maxBodyBytes) : maxBodyBytes;
}
