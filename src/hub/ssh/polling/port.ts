/** What polling needs of the rest of the hub. */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import type { WatchEvent } from "#src/protocol/event.ts";
import type { PolledReport, SshWatch } from "#src/protocol/polled.ts";
import type { OpenSession, SshTargets } from "../port.ts";

/** A server, as far as polling looks at it. */
export type PolledServer = {
  readonly id: string;
  readonly hostname: string;
  readonly lastSeenMs: number | null;
  /** the agent's newest heartbeat as JSON */
  readonly heartbeat: string | null;
};

export type PolledServers = {
  get(id: string): PolledServer | undefined;
  /** Whether its agent reports. */
  isPresent(id: string): boolean;
  /** Tells when an agent falls silent and when one is back. */
  onPresence(listener: (id: string, present: boolean) => void): Cancel;
  /** Tells which server has changed, among them those that are gone. */
  onChange(listener: (id: string) => void): Cancel;
  /** Takes how watching a server goes; null: it is not watched. `report`: what was just read, if anything was. */
  setWatch(id: string, watch: { readonly state: SshWatch; readonly report: PolledReport | null } | null): void;
};

export type PollingWorld = {
  readonly servers: PolledServers;
  readonly targets: SshTargets;
  readonly openSession: OpenSession;
  /** Takes what was measured. */
  readonly record: (serverId: string, report: PolledReport) => void;
  /** Takes that watching begins to fail, or goes on. */
  readonly tell: (serverId: string, event: WatchEvent) => void;
  readonly clock: Clock;
  readonly log: { debug(message: string): void; info(message: string): void; warn(message: string): void };
};
