/** The agent's hallway: builds the rooms, hands facts on, starts in order, stops in reverse. */
import { type Clock, timestamp } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import type { LogLevel } from "#src/protocol/config.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { ReexecAnswer, StatusAnswer } from "#src/protocol/ipc.ts";

import { readBootId } from "./boot.ts";
import { createContainers } from "./containers/containers.ts";
import { type Lock, takeLock } from "./daemon/lock.ts";
import type { Tempo } from "./daemon/tempo.ts";
import { createDelivery } from "./delivery/delivery.ts";
import { makeConfigFolder, makeRunFolder } from "./folders.ts";
import type { ReloadAnswer } from "./ipc/orders.ts";
import { createIpcServer } from "./ipc/server.ts";
import { createLife } from "./life.ts";
import { createLooks } from "./looks.ts";
import { createMetrics } from "./metrics/metrics.ts";
import { createOrders, createTurns } from "./orders.ts";
import { createProblemTeller } from "./problems.ts";
import { createReport } from "./report.ts";
import { openScriptsFile } from "./scripts-file.ts";
import type { SettingsSource } from "./settings.ts";
import type { Beginning, Kept, Succession } from "./succession/door.ts";
import type { DescriptorStore } from "./supervisor/output.ts";
import { createCapturePipes } from "./supervisor/pipe.ts";
import type { OutputPort } from "./supervisor/ports.ts";
import { createSupervisor } from "./supervisor/supervisor.ts";

export { openLog } from "./daemon/log.ts";
export { readHostname } from "./metrics/hostname.ts";
export { openSettings } from "./settings.ts";

/** Lines that come in pieces of this size come in thousands a second. */
const busyChunkBytes = 16 * 1024;
/** What delivery may take at the end for sending; the rest is on disk and goes next time. */
const lastSendMs = 2000;

export type AgentWorld = {
  readonly clock: Clock;
  readonly version: string;
  /** left out where the agent shares its process, as with the trial's hub */
  readonly tempo?: Tempo;
  /** how this process is replaced in place; left out where it is not the agent's alone */
  readonly succession?: Succession;
  /** keeps copies of the pipes while no agent is there */
  readonly store?: DescriptorStore;
  /** A successor takes over from here on. */
  readonly handingOver?: () => void;
  /** It could not, and nothing runs here any more. */
  readonly handOverFailed?: (error: unknown) => void;
  readonly log: {
    debug(message: string): void;
    info(message: string): void;
    warn(message: string): void;
    error(message: string): void;
    setLevel(level: LogLevel): void;
  };
};

export type Agent = {
  /** Starts everything. @throws {Fault} when there can be no agent here; what was started is stopped again */
  start(): Promise<void>;
  /**
   * Stops everything, also after or during half a start. `keep` leaves the scripts running for the next agent.
   * Never rejects: what fails to stop is logged.
   */
  stop(options?: { readonly reason?: string; readonly keep?: boolean }): Promise<void>;
  /** Everything that `orion status` shows. */
  status(): StatusAnswer;
  /** Reads settings and scripts again and acts on what changed. */
  reload(): Promise<ReloadAnswer>;
  /** Sends a heartbeat now, out of turn. */
  beat(): void;
};

/** Builds an agent; nothing is touched before `start`. */
export function createAgent(settings: SettingsSource, world: AgentWorld): Agent {
  const { clock, log, version, tempo, succession } = world;
  const { paths } = settings;
  const built = settings.current();
  const { procPath, diskPath, buffer } = built.config;

  const metrics = createMetrics({ procPath, diskPath, clock, log });
  const delivery = createDelivery(
    {
      bufferPath: paths.buffer,
      overflowDir: paths.runDir,
      maxEntries: buffer.maxEntries,
      maxBytes: buffer.maxBytes,
      connection: built.connection,
      userAgent: built.userAgent,
      bootId: readBootId(),
      heartbeatSeconds: built.config.heartbeatInterval,
      async heartbeat() {
        const beat = await report.heartbeat();
        looks.behindHeartbeat();
        return beat;
      },
    },
    { clock, log },
  );
  const output: OutputPort = {
    ...delivery,
    take(chunk) {
      if (chunk.bytes.length >= busyChunkBytes) tempo?.busy();
      return delivery.take(chunk);
    },
  };
  const containers = createContainers({
    socketPath: built.config.dockerSocket,
    logs: built.config.logStream,
    rules: built.config.containerLogs,
    output: {
      ...delivery,
      ready: () => delivery.readyForContainers(),
      missed: (source, from, to) => delivery.missedOfContainer(source, from, to),
    },
    events: delivery,
    clock,
    log,
    onData(bytes) {
      if (bytes >= busyChunkBytes) tempo?.busy();
    },
  });
  const store = world.store === undefined ? {} : { store: world.store };
  const pipes = createCapturePipes({ runDir: paths.runDir, output, clock, log, ...store });
  const supervisor = createSupervisor({
    runDir: paths.runDir,
    procPath: "/proc",
    clock,
    pipes,
    output,
    events: delivery,
    log,
    inherit: settings.inherit,
  });
  const scriptsFile = openScriptsFile(paths.scripts, `${paths.runDir}/scripts.last.json`);
  const report = createReport({
    settings,
    metrics,
    supervisor,
    containers,
    delivery: () => delivery,
    scriptsFile,
    clock,
    log,
    version,
    program: succession?.program ?? null,
    beginning: () => ({ began, before: beginning }),
    settled: () => !leaving && succession?.onProbation() !== true,
  });
  const inTurn = createTurns();
  const orders = createOrders(
    { ...report, delivery, supervisor, scriptsFile, reload, reexec, sourceOf: (name) => containers.sourceOf(name) },
    inTurn,
  );
  const ipc = createIpcServer(paths.socket, orders, (message) => log.error(message));
  const tell = createProblemTeller(log);

  const scriptsProblems = () => scriptsFile.problems();
  const looks = createLooks({ settings, delivery, scriptsProblems, tell, tempo, clock, log });
  let beginning: Beginning | undefined;
  let began = "start";
  /** between the end of the start and the beginning of the stop */
  let running = false;
  /** the hub was told of the start, so it is told of the stop */
  let announced = false;
  /** being replaced by a successor */
  let leaving = false;

  function reload(): Promise<ReloadAnswer> {
    return inTurn(async () => {
      looks.refresh();
      const scripts = scriptsFile.load();
      const done = await supervisor.reload(scripts);
      tell([...settings.problems(), ...scriptsFile.problems()]);
      const { started, stopped, restarted, unchanged } = done;
      log.info(
        `reloaded: ${started.length} started, ${stopped.length} stopped, ${restarted.length} restarted, ${unchanged.length} unchanged`,
      );
      return done;
    });
  }

  /** Answers when a successor is found fit; then hands over to it, before any other order that changes the set of scripts. */
  function reexec(): Promise<ReexecAnswer> {
    if (succession === undefined) {
      const hint = "Stop the command that runs it, and start it again";
      throw new Fault("conflict", "this agent is a part of another process and can't be replaced", { hint });
    }
    const found = inTurn(() => succession.prepare());
    keep(
      inTurn(async () => handOver(succession, await found)),
      // a successor that is not fit: the caller is told why
      () => {},
    );
    return found;
  }

  async function handOver(successor: Succession, { version: next, changed }: ReexecAnswer): Promise<void> {
    if (!running) return;
    leaving = true;
    log.info(`orion agent ${version} hands over to ${changed ? `version ${next}` : "itself"}`);
    world.handingOver?.();
    try {
      await successor.become(async () => {
        const kept: Kept = { lock: null, pipes: [] };
        await life.stop({ reason: "replaced", keep: true, kept });
        return kept;
      });
    } catch (error) {
      log.error(`the successor could not take over: ${reasonOf(error)}`);
      world.handOverFailed?.(error);
    }
  }

  let lock: Lock | undefined;
  const life = createLife(log, [
    {
      start() {
        makeRunFolder(paths.runDir);
        beginning = succession?.takeUp();
        lock = takeLock(paths.runDir, beginning?.lock);
        if (beginning !== undefined) ({ began } = beginning);
        else if (lock.previous !== undefined) began = `start after pid ${lock.previous} ended without a stop`;
        const { config } = settings.current();
        log.setLevel(config.logLevel);
        // their spans begin now, so that the first heartbeat has figures
        report.begin();
        log.info(`orion agent ${version} begins (${began}), pid ${process.pid}, run folder ${paths.runDir}`);
      },
      stop({ kept }) {
        // without the lock another agent lives here, and the log is its own
        if (lock === undefined) return;
        if (kept !== undefined) {
          kept.lock = lock.handOver();
          return;
        }
        log.info("orion agent has stopped");
        lock.release();
        lock = undefined;
      },
    },
    {
      start() {
        makeConfigFolder(paths.configDir);
        delivery.open();
      },
      // what is not sent yet is the successor's to send
      stop: ({ kept }) => delivery.stop(kept === undefined ? lastSendMs : 0),
    },
    {
      async start() {
        await supervisor.start(scriptsFile.load());
        succession?.pipesAreOpen();
        tell([...settings.problems(), ...scriptsFile.problems()]);
      },
      async stop({ reason, keep: leave, kept }) {
        kept?.pipes.push(...pipes.handOver());
        await supervisor.stop({ keep: leave });
        pipes.stop();
        if (announced && kept === undefined)
          delivery.emit({ type: "agent.stopped", at: timestamp(clock.now()), reason });
      },
    },
    { start: () => containers.start(), stop: () => containers.stop() },
    { start: () => ipc.start(), stop: ({ kept }) => ipc.stop({ replaced: kept !== undefined }) },
    {
      start() {
        announced = true;
        delivery.emit({ type: "agent.started", at: timestamp(clock.now()), version, reason: began });
        delivery.start();
        running = true;
        succession?.serving(clock);
        looks.start();
      },
      stop() {
        running = false;
        looks.stop();
      },
    },
  ]);

  return {
    start: () => life.start(),
    async stop({ reason = "stop", keep: leave = false } = {}) {
      succession?.stopping(reason);
      // too late: the successor is told, and stops
      if (leaving) return await new Promise<never>(() => {});
      await life.stop({ reason, keep: leave });
    },
    status: () => report.status(),
    reload,
    beat: () => delivery.beat(),
  };
}
