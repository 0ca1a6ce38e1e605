/** Temporary folders that go away with the test. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type Folder = AsyncDisposable & {
  readonly path: string;
  /** The path of something in it. */
  at(...parts: string[]): string;
};

/** Makes a new folder, mode 0700: `await using folder = temporaryFolder()`. */
export function temporaryFolder(prefix = "orion-test-"): Folder {
  const path = mkdtempSync(join(tmpdir(), prefix));
  return {
    path,
    at: (...parts) => join(path, ...parts),
    async [Symbol.asyncDispose]() {
      rmSync(path, { recursive: true, force: true });
    },
  };
}
