/** Which boot of the machine this is. */
import { readFileSync } from "node:fs";

import { parseBootId } from "#src/procfs/boot-id.ts";

/** The boot that this is; "" where the kernel doesn't say, and then every start counts as one of the same boot. */
export function readBootId(): string {
  try {
    return parseBootId(readFileSync("/proc/sys/kernel/random/boot_id", "utf8")) ?? "";
  } catch {
    // a container may hide it
    return "";
  }
}
