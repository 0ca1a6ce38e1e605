/** How silent servers are watched in their agents' stead. The next look tells it again. */
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
  /** All of it as JSON, for other hubs; null: it is not watched. */
  readonly body: (id: string) => string | null;
  /** Takes what another hub has written with `body`. */
  readonly take: (id: string, body: string | null) => void;
};

export function createWatches(): Watches {
  const all = new Map<string, { readonly state: SshWatch; readonly report: string | null }>();
  function set(id: string, watch: Watch | null): void {
    if (watch === null) all.delete(id);
    else all.set(id, { state: watch.state, report: watch.report === null ? null : JSON.stringify(watch.report) });
  }
  return {
    set,
    state: (id) => all.get(id)?.state,
    report: (id) => all.get(id)?.report ?? null,
    body(id) {
      const watch = all.get(id);
      return watch === undefined ? null : `{"state":${JSON.stringify(watch.state)},"report":${watch.report ?? "null"}}`;
    },
    take: (id, body) => set(id, body === null ? null : (JSON.parse(body) as Watch)),
  };
}
