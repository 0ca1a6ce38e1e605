/** Sends what the spool holds, in order, and tells the spool what the hub has. */
import { ladderDelay } from "#src/lib/backoff.ts";
import type { Cancel, Clock } from "#src/lib/clock.ts";

import type { Batch } from "./batches.ts";
import { type Flight, type Ready, bytesOf, createCarrier } from "./carrier.ts";
import type { Answer, Client } from "./client.ts";
import type { Connection } from "./door.ts";
import type { Spool } from "./spool.ts";
import { createStream } from "./stream.ts";

/** A batch waits this long for company, unless it is large. */
const gatherMs = 250;
/** NDJSON bytes that are worth a request of their own, and the most in one. */
const promptBytes = 256 * 1024;
const maxBatchBytes = 2 * 1024 * 1024;
const retryLadderMs = [5_000, 10_000, 30_000, 60_000] as const;
/** A hub that acknowledges nothing for so long counts as away. */
export const awayAfterMs = 5_000;
const refusedSaidEveryMs = 60_000;

type Log = {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
};

export type SenderStatus = {
  readonly state: "off" | "online" | "away" | "refused";
  readonly lastAckMs: number | null;
  readonly lastError: string | null;
  readonly nextAttemptMs: number | null;
  readonly sent: number;
};

export type Sender = {
  start(): void;
  /** Something was taken. */
  wake(): void;
  /** Something could not be taken, and waits for room: like what was taken, only so long as the hub is there. */
  holdUp(): void;
  connect(connection: Connection | null): void;
  /** Sends until the spool is empty, an attempt fails, or `withinMs` have passed; then no more. */
  stop(withinMs: number): Promise<void>;
  /** Whether the hub acknowledges what it is sent (or there is nothing to send). */
  online(): boolean;
  status(): SenderStatus;
};

export function createSender(world: {
  readonly spool: Spool;
  readonly client: Client;
  readonly userAgent: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly connection: Connection | null;
  /** after each acknowledgement */
  readonly onAcknowledged: () => void;
}): Sender {
  const { spool, client, clock, log } = world;
  let connection = world.connection;
  let failures = 0;
  let sent = 0;
  let lastAckMs: number | null = null;
  let lastError: string | null = null;
  let nextAttemptMs: number | null = null;
  let refused = false;
  let refusedSaidAt = Number.NEGATIVE_INFINITY;
  /** monotonic: since when something waits without an acknowledgement */
  let waitingSince: number | undefined;
  let cancelTimer: Cancel | undefined;
  let running: Promise<void> | undefined;
  let stopping = false;
  let started = false;
  let batchLimit = maxBatchBytes;
  const stream = createStream({
    userAgent: world.userAgent,
    clock,
    log,
    connection,
    onOpen() {
      // the hub is there: what waits for the next attempt goes now
      failures = 0;
      nextAttemptMs = null;
      if (spool.counts().entries > 0) run();
    },
    onRefused: refuse,
  });
  const carrier = createCarrier(client, stream);

  function scheduleIn(delayMs: number): void {
    cancelTimer?.();
    cancelTimer = clock.after(delayMs, () => {
      cancelTimer = undefined;
      nextAttemptMs = null;
      run();
    });
  }

  function run(): void {
    if (running !== undefined || connection === null || !started) return;
    cancelTimer?.();
    cancelTimer = undefined;
    running = sendAll(connection)
      .catch((error: unknown) => {
        // every failure of a request is an answer; what is left is a fault of our own, and sending goes on after it
        spool.release();
        log.error(`sending failed: ${String(error)}`);
        retry(String(error), undefined);
      })
      .finally(() => {
        running = undefined;
        if (!stopping && nextAttemptMs === null && spool.counts().entries > 0) scheduleIn(gatherMs);
      });
  }

  /** While batches are on their way, the next one is made ready. */
  async function sendAll(to: Connection): Promise<void> {
    let flights: Flight[] = [];
    let next: Ready | undefined;
    try {
      for (;;) {
        if (next === undefined && (flights.length === 0 || isEnoughBehind(flights))) {
          const batch = spool.peek(batchLimit, flights.at(-1)?.batch.last ?? 0);
          if (batch !== undefined) next = await carrier.prepare(batch, to);
        }
        if (connection !== to) return;
        if (next !== undefined && carrier.mayFollow(flights, next)) {
          waitingSince ??= clock.monotonic();
          flights.push(carrier.send(next, to));
          next = undefined;
          continue;
        }
        const [oldest] = flights;
        if (oldest === undefined) {
          waitingSince = undefined;
          return;
        }
        const answer = await oldest.answer;
        flights.shift();
        const { batch, bytes } = oldest;
        sent += batch.count;
        // what another hub, or another token, was told says nothing about the one in use now
        if (connection !== to && answer.kind !== "ok") return;
        if (oldest.framed && answer.kind === "unacceptable") {
          carrier.avoidStream(flights.at(-1)?.batch.last ?? batch.last);
        }
        if (!handle(answer, oldest)) return;
        if (answer.kind !== "ok") {
          flights = [];
          next = undefined;
        }
        // a trickle gathers again before the next request
        if (flights.length > 0 || next !== undefined || answer.kind !== "ok") continue;
        if (bytes < promptBytes && batchLimit === maxBatchBytes && !stopping && spool.counts().bytes < promptBytes)
          return;
      }
    } finally {
      if (flights.some(({ framed }) => framed)) stream.drop("it was not waited for");
      spool.release();
    }
  }

  /** Whether what waits behind the batches on their way is worth one more. */
  function isEnoughBehind(flights: readonly Flight[]): boolean {
    return carrier.hasRoom(flights) && spool.counts().bytes - bytesOf(flights) >= promptBytes;
  }

  /** @returns whether to go on at once */
  function handle(answer: Answer, { batch, bytes, framed }: Flight): boolean {
    if (answer.kind === "ok") {
      spool.acknowledge(batch);
      if (failures > 0 || refused) log.info(`the hub acknowledges again, ${spool.counts().entries} entries wait`);
      failures = 0;
      refused = false;
      lastError = null;
      lastAckMs = clock.now();
      waitingSince = spool.counts().entries > 0 ? clock.monotonic() : undefined;
      batchLimit = Math.min(maxBatchBytes, batchLimit * 2);
      world.onAcknowledged();
      return true;
    }
    spool.release();
    lastError = answer.reason;
    if (answer.kind === "unacceptable") return framed || divide(batch, bytes, answer.reason);
    if (answer.kind === "refused") refuse(answer.reason);
    retry(answer.reason, answer.kind === "later" ? answer.retryAfterMs : undefined);
    return false;
  }

  function refuse(reason: string): void {
    refused = true;
    if (clock.monotonic() - refusedSaidAt < refusedSaidEveryMs) return;
    refusedSaidAt = clock.monotonic();
    log.error(`${reason}: the token was rotated or revoked; entries are kept, put a new one into config.json`);
  }

  /** A batch that the hub will never take is halved until the entry that it objects to stands alone. */
  function divide(batch: Batch, bytes: number, reason: string): boolean {
    if (batch.count === 1) {
      log.error(`entry ${batch.first} is lost: ${reason}`);
      spool.refuse(batch);
      batchLimit = maxBatchBytes;
      return true;
    }
    if (batchLimit > 1) batchLimit = bytes > 64 * 1024 ? Math.floor(bytes / 2) : 1;
    const next = spool.peek(batchLimit);
    spool.release();
    if (next !== undefined && next.count > 1 && next.count === batch.count) spool.split(Math.floor(next.count / 2));
    return true;
  }

  function retry(reason: string, retryAfterMs: number | undefined): void {
    if (failures === 0 && !refused) log.warn(`the hub does not acknowledge: ${reason}`);
    const ladder = ladderDelay(retryLadderMs, failures);
    // the ladder's steps must not keep a refusal from being said when its minute is over
    const untilSaid = refused
      ? Math.max(retryLadderMs[0], refusedSaidAt + refusedSaidEveryMs - clock.monotonic())
      : Infinity;
    const delay = Math.max(Math.min(ladder, untilSaid), Math.min(retryAfterMs ?? 0, 60_000));
    failures++;
    if (stopping) return;
    nextAttemptMs = clock.now() + delay;
    scheduleIn(delay);
  }

  function online(): boolean {
    if (connection === null || refused) return false;
    return waitingSince === undefined || clock.monotonic() - waitingSince < awayAfterMs;
  }

  return {
    start() {
      started = true;
      if (spool.counts().entries > 0) run();
    },
    wake() {
      if (running !== undefined || !started || connection === null || nextAttemptMs !== null) return;
      if (spool.counts().bytes >= promptBytes) run();
      else if (cancelTimer === undefined) scheduleIn(gatherMs);
    },
    holdUp() {
      waitingSince ??= clock.monotonic();
    },
    connect(next) {
      connection = next;
      failures = 0;
      refused = false;
      refusedSaidAt = Number.NEGATIVE_INFINITY;
      nextAttemptMs = null;
      lastError = null;
      cancelTimer?.();
      cancelTimer = undefined;
      carrier.avoidStream(0);
      stream.connect(next);
      if (running === undefined) run();
    },
    async stop(withinMs) {
      stopping = true;
      cancelTimer?.();
      if (connection !== null && started && failures === 0) run();
      const cancel = clock.after(withinMs, () => {
        carrier.abort();
        stream.stop();
      });
      await running;
      stream.stop();
      cancel();
      cancelTimer?.();
      cancelTimer = undefined;
      connection = null;
    },
    online,
    status: () => ({
      state: connection === null ? "off" : refused ? "refused" : online() ? "online" : "away",
      lastAckMs,
      lastError,
      nextAttemptMs,
      sent,
    }),
  };
}
