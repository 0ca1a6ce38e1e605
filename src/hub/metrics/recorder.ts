/** From heartbeats to series. */
import type { Heartbeat } from "#src/protocol/heartbeat.ts";
import type { PolledReport } from "#src/protocol/polled.ts";
import type { Subject } from "#src/protocol/series.ts";
import { polledSampleOf, sampleOf } from "./sample.ts";

/** A heartbeat tells of now; one that says it is of another time comes from a clock that is wrong. */
const doubtMs = 10 * 60_000;

export type RecorderStore = {
  append(origin: string, atMs: number, subjects: readonly Subject[], values: ArrayLike<number>): boolean;
};

export type Recorder = {
  /** Takes what a server's heartbeat measured; a repeated or late one does no harm. */
  readonly record: (serverId: string, heartbeat: Heartbeat) => void;
  /** Takes what the hub itself measured of a server over SSH: the same series, and one that says so. */
  readonly recordPolled: (serverId: string, report: PolledReport) => void;
};

export function createRecorder(store: RecorderStore, now: () => number): Recorder {
  return {
    record(serverId, heartbeat) {
      const said = Date.parse(heartbeat.at);
      const nowMs = now();
      const { subjects, values } = sampleOf(heartbeat);
      store.append(serverId, Math.abs(said - nowMs) <= doubtMs ? said : nowMs, subjects, values);
    },
    recordPolled(serverId, report) {
      const { subjects, values } = polledSampleOf(report);
      store.append(serverId, Date.parse(report.at), subjects, values);
    },
  };
}
