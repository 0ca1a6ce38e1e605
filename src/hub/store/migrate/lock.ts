/** One migration a data folder. */
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";

import { tryLock } from "#src/lib/libc.ts";
import { Fault } from "#src/protocol/fault.ts";

/** Locks `migrate.lock` below `folder`; the kernel gives it back however the process ends. @returns releases it */
export function lockMigration(folder: string): () => void {
  const fd = openSync(join(folder, "migrate.lock"), "a+", 0o600);
  if (!tryLock(fd)) {
    closeSync(fd);
    throw new Fault("conflict", `another migration of ${folder} is under way`, { hint: "Wait for it, or end it" });
  }
  return () => closeSync(fd);
}
