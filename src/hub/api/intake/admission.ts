/**
 * Overload is said, not suffered: what would not fit into memory is answered with 503 before it is read, and nobody may
 * hold so much of it that others get none. Bodies that are large once they are inflated take their turn, one at a time:
 * what is made of one takes several times its size.
 */
import { keep } from "#src/lib/keep.ts";
import { maxBodyBytes } from "#src/protocol/log.ts";
import { HttpFault, retryAfterSeconds } from "../problem.ts";

/** Bytes of bodies that may be on their way in or wait to be written, over all requests. */
const maxPendingBytes = 96 * 1024 * 1024;
/** Of them, what one sender may hold: four of the largest bodies. */
const maxSenderBytes = 32 * 1024 * 1024;

/** From this size on, a body is large: twice what agents send at once. */
export const largeBytes = 4 * 1024 * 1024;
/** Large bodies that wait for their turn, compressed; each turn takes about a fifth of a second. */
const maxLargeWaiting = 32;

/** Room for a body that doesn't say how long it is, until it grows. */
const firstPartBytes = 64 * 1024;

/** What is said when there is no room. */
export const noRoom = "the hub has more to write than it can hold; try again";

/** The room that one request has. */
export type Room = {
  /** Makes room for what the body has grown to as it came or was inflated. Throws HttpFault 503 when there is none. */
  readonly grow: (bytes: number) => void;
  /**
   * Waits for the turn of a large body, which lasts until the request is answered; what it then grows by is not
   * counted. Rejects with HttpFault 503 when too many wait.
   */
  readonly alone: () => Promise<void>;
  /** Gives back what was needed of a large body until now; of others nothing is worth the time. */
  readonly sweep: () => Promise<void>;
};

export type Admission = {
  /** Runs `work` when there is room for the body of a request of `sender`, else rejects with HttpFault 503. */
  readonly admit: (request: Request, sender: string, work: (room: Room) => Promise<Response>) => Promise<Response>;
  /** Room for `bytes` of `sender`, to be given back; undefined: there is none. */
  readonly reserve: (sender: string, bytes: number) => (() => void) | undefined;
};

/** Bounds the memory that deliveries take together; `waiting` are the bytes that storage holds. */
export function createAdmission(waiting: () => number): Admission {
  let pending = 0;
  const held = new Map<string, number>();
  const turns = createTurns();

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
      let endTurn: (() => void) | undefined;
      try {
        return await work({
          grow(bytes) {
            if (endTurn !== undefined) return;
            const more = Math.max(0, bytes - wire - grown);
            if (pending + waiting() + more > maxPendingBytes) throw overloaded();
            grown += more;
            hold(sender, more);
          },
          async alone() {
            endTurn ??= await turns.take();
          },
          async sweep() {
            if (endTurn !== undefined) await collect();
          },
        });
      } finally {
        hold(sender, -grown);
        release();
        endTurn?.();
      }
    },
  };
}

/** Collects garbage, in a turn of the event loop of its own: on the stack of a request its body may still be found. */
async function collect(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
  Bun.gc(true);
}

/** One after the other, in order of arrival. */
function createTurns() {
  let taken = false;
  const queue: (() => void)[] = [];

  /** Hands the turn on. */
  async function end(): Promise<void> {
    // or the next one's would come on top of what this one has left
    await collect();
    const next = queue.shift();
    if (next === undefined) taken = false;
    else next();
  }

  return {
    /** @returns ends the turn */
    async take(): Promise<() => void> {
      if (taken) {
        if (queue.length >= maxLargeWaiting) throw overloaded();
        await new Promise<void>((resolve) => queue.push(resolve));
      }
      taken = true;
      return () => keep(end(), () => undefined);
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
