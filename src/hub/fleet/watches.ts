/** How silent servers are watched in their agents' stead. In memory only: the next look tells it again. */
import type { PolledReport, SshWatch } from "#src/protocol/polled.ts";

export type Watch = {
  readonly state: SshWatch;
  /** what was just read; null: nothing, and what was read before is not of now */
  readonly report: PolledReport | null;
};

export type Watches = {
  /** null: it is not watched. */
  readonly set: (id: string, watch: Watch | null) => void;
  readonly state: (id: string) => SshWatch | undefined;
  /** The report as JSON, while watching works. */
  readonly report: (id: string) => string | null;
};

export function createWatches(): Watches {
  const all = new Map<string, { readonly state: SshWatch; readonly report: string | null }>();
  return {
    set(id, watch) {
      if (watch === null) all.delete(id);
      else all.set(id, { state: watch.state, report: watch.report === null ? null : JSON.stringify(watch.report) });
    },
    state: (id) => all.get(id)?.state,
    report: (id) => all.get(id)?.report ?? null,
  };
}
