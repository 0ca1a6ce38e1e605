/** A state store in a folder of its own. */
import { type EmbeddedStateStore, openStateStore } from "#src/hub/store/state.ts";
import type { ProjectRow, ServerRow } from "#src/hub/store/port.ts";
import { systemClock } from "#src/lib/clock.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";

export type TestStore = AsyncDisposable & {
  readonly folder: Folder;
  /** the store that is open now */
  readonly store: EmbeddedStateStore;
  /** Closes it and opens it again, as a restart does. */
  reopen(): Promise<EmbeddedStateStore>;
};

export async function openTestStore(): Promise<TestStore> {
  const folder = temporaryFolder();
  let store = await openStateStore(folder.path, systemClock);
  return {
    folder,
    get store() {
      return store;
    },
    async reopen() {
      store.close();
      return (store = await openStateStore(folder.path, systemClock));
    },
    async [Symbol.asyncDispose]() {
      store.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

export const project = (id = "p1", rest: Partial<ProjectRow> = {}): ProjectRow => ({
  id,
  organizationId: null,
  name: id,
  createdAtMs: 1,
  retention: { days: null, bytes: null },
  ...rest,
});

export const server = (id: string, rest: Partial<ServerRow> = {}): ServerRow => ({
  id,
  projectId: "p1",
  hostname: `host-${id}`,
  createdAtMs: 1,
  machine: null,
  replacedAtMs: null,
  digest: new Uint8Array([1, 2, 3]),
  tokenUsedAtMs: null,
  version: null,
  lastSeenMs: null,
  heartbeat: null,
  ...rest,
});
