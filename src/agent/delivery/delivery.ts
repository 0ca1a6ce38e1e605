/** The door of delivery: facts go in, are durable, are sent, and stay readable for a while. */
import { type Cancel, type Clock, timestamp } from "#src/lib/clock.ts";
import { createSeldom } from "#src/lib/seldom.ts";
import { Fault } from "#src/protocol/fault.ts";

import { createBeat } from "./beat.ts";
import { createClient } from "./client.ts";
import type { Connection, Delivery, DeliveryOptions } from "./door.ts";
import { createRecent } from "./recent.ts";
import { createSender } from "./sender.ts";
import { createSpool } from "./spool.ts";

/** Unacknowledged bytes at which pipes are left alone, so that they hold their writers back. */
const holdBytes = 32 * 1024 * 1024;
/** What a power cut can take: entries that were taken but are not yet on the disk itself. */
const tidyEveryMs = 1_000;
const sayAgainMs = 60_000;
/** Quiet rounds after which memory that only a burst needs is given back. */
const quietRoundsToRelax = 3;

type Log = {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
};

/** Creates delivery; nothing is touched before `open`. */
export function createDelivery(
  options: DeliveryOptions,
  world: { readonly clock: Clock; readonly log: Log },
): Delivery {
  const { clock, log } = world;
  let connection: Connection | null = options.connection;
  let cancelTidy: Cancel | undefined;
  let busy = false;
  let quietRounds = 0;
  let unsaidLost = 0;
  let sayLostFrom = Number.NEGATIVE_INFINITY;
  const recent = createRecent();
  const client = createClient(options.userAgent);
  const seldom = createSeldom(clock, sayAgainMs);
  // what goes wrong with a full disk goes wrong many times a second
  const spoolLog = {
    info: (message: string) => log.info(message),
    warn: (message: string) => void (seldom(message) && log.warn(message)),
    error: (message: string) => void (seldom(message) && log.error(message)),
  };
  const spool = createSpool(
    { ...options, path: options.bufferPath },
    {
      clock,
      log: spoolLog,
      limited: () => !sender.online(),
      // without a hub nobody will ever take them
      keepsContainers: () => connection !== null,
      onTaken: (source, ndjson) => recent.add(source, ndjson),
    },
  );
  const sender = createSender({
    spool,
    client,
    userAgent: options.userAgent,
    clock,
    log,
    connection,
    onAcknowledged: tellDrops,
  });
  const beat = createBeat({
    client,
    clock,
    log,
    connection: () => connection,
    seconds: options.heartbeatSeconds,
    read: async () => ({
      ...(await options.heartbeat()),
      delivery: { buffered: spool.counts().entries, dropped: spool.counts().dropped },
    }),
  });

  function tellDrops(): void {
    const lost = spool.takeDrops();
    if (lost === undefined) return;
    log.warn(`${lost.total} entries were dropped`);
    emit({ type: "logs.dropped", at: timestamp(clock.now()), ...lost });
    // at once, or a kill before the next acknowledgement would have it told again
    spool.save();
  }

  function emit(event: Parameters<Delivery["emit"]>[0]): void {
    if (!spool.takeEvent(event)) {
      log.error(`event ${event.type} can't be written and is lost`);
      spool.giveUp("events", "", 0, 1);
      return;
    }
    taken();
  }

  /** Bytes at the beginning of a chunk that were written down before the disk refused the rest of it. */
  function durablePart({ source, stream, bytes, end }: Parameters<Delivery["take"]>[0]): number {
    const begin = end - bytes.length;
    return Math.max(0, (spool.position(source, stream) ?? begin) - begin);
  }

  /** Said at once and then each minute: on a full disk it happens many times a second. */
  function sayLost(source: string, lines: number): void {
    unsaidLost += lines;
    if (clock.monotonic() < sayLostFrom) return;
    sayLostFrom = clock.monotonic() + sayAgainMs;
    log.error(
      `${unsaidLost} lines are lost, the last ones of ${source}: the buffer can't be written, and no acknowledgement makes room in it`,
    );
    unsaidLost = 0;
  }

  /** Something was written: it goes out soon, and to the disk itself within a second. */
  function taken(): void {
    busy = true;
    sender.wake();
    cancelTidy ??= clock.after(tidyEveryMs, tidy);
  }

  function tidy(): void {
    cancelTidy = undefined;
    spool.sync();
    // entries that came while the hub seemed online count against the limit once it is away
    if (!sender.online()) spool.enforceLimit();
    quietRounds = busy ? 0 : quietRounds + 1;
    busy = false;
    const over = spool.counts().entries > options.maxEntries;
    if (quietRounds < quietRoundsToRelax || over) cancelTidy = clock.after(tidyEveryMs, tidy);
    else spool.relax();
  }

  return {
    open: () => spool.open(),
    start() {
      sender.start();
      beat.start();
    },
    async stop(withinMs) {
      beat.stop();
      await sender.stop(withinMs);
      cancelTidy?.();
      spool.close();
    },
    connect(next) {
      connection = next;
      sender.connect(next);
      beat.now();
    },
    setHeartbeatInterval: (seconds) => beat.setInterval(seconds),
    beat: () => beat.now(),

    take(chunk) {
      if (spool.takeLines(chunk)) {
        taken();
        return true;
      }
      // a hub that takes what there is will make room; without one nobody may wait for the disk
      sender.holdUp();
      if (sender.online()) return false;
      const lost = chunk.piece === undefined ? countLines(chunk.bytes.subarray(durablePart(chunk))) : 1;
      sayLost(chunk.source, lost);
      spool.giveUp(chunk.source, chunk.stream, chunk.end, lost);
      return true;
    },
    ready: () => !sender.online() || spool.counts().bytes < holdBytes,
    position: (source, stream) => spool.position(source, stream),
    readyForContainers() {
      if (connection === null) return true;
      if (!sender.online()) return !spool.containersAreFull();
      return spool.counts().bytes < Math.min(holdBytes, options.maxBytes / 2);
    },
    missedOfContainer(source, from, to) {
      log.warn(`the engine had thrown lines of ${source} away before they were read, written from ${from} to ${to}`);
      spool.countMissed(source, Date.parse(from), Date.parse(to));
    },
    takeContainer(chunk) {
      if (spool.takeContainer(chunk)) {
        taken();
        return true;
      }
      // the engine keeps what it has on its own disk: nothing is given up, it is offered again
      sender.holdUp();
      return false;
    },
    containerPosition: (id) => spool.containerPosition(id),
    setContainerPosition: (id, position) => spool.setContainerPosition(id, position),
    keepContainerPositions: (ids) => spool.keepContainerPositions(ids),
    containerTail: (source, id, lines) =>
      recent
        .find({ source, lines: Number.POSITIVE_INFINITY })
        .filter(({ fields }) => fields?.["containerId"] === id)
        .slice(-lines)
        .map(({ message }) => message),
    forget: (source) => recent.forget(source),
    tail: (source, lines) => recent.find({ source, lines }).map(({ message }) => message),

    log(entry) {
      if (!spool.takeEntry(entry, "cli")) {
        throw new Fault("unavailable", "the entry was not taken: the buffer can't be written", {
          hint: "Free disk space, see `orion doctor`",
        });
      }
      taken();
    },
    emit,
    recent: (query) => recent.find(query),
    follow: (query, onEntry) => recent.follow(query, onEntry),

    status() {
      const { state, lastAckMs, lastError, nextAttemptMs, sent } = sender.status();
      const { entries, bytes, acknowledged, dropped } = spool.counts();
      return {
        state,
        endpoint: connection?.apiUrl ?? null,
        lastAck: lastAckMs === null ? null : timestamp(lastAckMs),
        lastError,
        nextAttemptAt: nextAttemptMs === null ? null : timestamp(nextAttemptMs),
        ledger: {
          read: acknowledged + dropped + entries,
          sent,
          acknowledged,
          dropped,
          buffered: entries,
          bufferedBytes: bytes,
        },
      };
    },
  };
}

function countLines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) count++;
  return count;
}
