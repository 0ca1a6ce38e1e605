/**
 * The hub's one secret: 32 random bytes from which every key is derived. Whoever has it and the databases can read what
 * is sealed, so both lie in the data folder together and neither is of use alone.
 */
import { hkdfSync, randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";

import { writeFileAtomic } from "#src/lib/files.ts";
import { Fault, errnoOf, reasonOf } from "#src/protocol/fault.ts";

const secretBytes = 32;

export type HubSecret = {
  /** 32 bytes for one purpose and no other: HKDF with SHA-256 (RFC 5869). */
  derive(purpose: string): Uint8Array<ArrayBuffer>;
};

/** Group and others may do nothing with it … */
const ownersOnly = 0o077;
/** … but a group may read one that is brought to several hubs: that is how orchestrators hand secrets to a user. */
const groupReads = 0o037;

/**
 * Reads `file`, or `secret` in the data folder when that is null, or makes it (mode 0600) where there is none.
 * @throws {Fault} `failed`: others may read it, or it is damaged or unreadable
 */
export function openSecret(dataDir: string, file: string | null = null): HubSecret {
  const path = file ?? join(dataDir, "secret");
  const text = read(path, file === null ? ownersOnly : groupReads) ?? make(path);
  if (!/^[0-9a-f]{64}\n?$/.test(text)) {
    throw new Fault("failed", `${path} is not the hub's secret: it must be 64 hexadecimal digits`, {
      hint: "Restore it from a backup; without it nobody's second factor works",
    });
  }
  const key = Buffer.from(text.trim(), "hex");
  return {
    derive: (purpose) => new Uint8Array(hkdfSync("sha256", key, "", `orion ${purpose}`, secretBytes)),
  };
}

/**
 * Makes sure that all hubs of a database have the same secret: another one could open nothing that they have sealed, and
 * its sessions would be none of theirs. What is compared tells nothing of the secret.
 * @param agree notes what is to be alike for all hubs, unless it is noted already, and gives what is noted
 * @throws {Fault} `failed`: it is another one
 */
export async function agreeOnSecret(secret: HubSecret, agree: (value: string) => Promise<string>): Promise<void> {
  const fingerprint = Buffer.from(secret.derive("fingerprint")).toString("hex");
  if ((await agree(fingerprint)) === fingerprint) return;
  throw new Fault("failed", "this hub's secret is not the one that the hubs of its database have", {
    hint: "Copy the file `secret` from the data folder of a hub that works to this one's (chmod 600), or name one file with secretFile for all hubs",
  });
}

function read(path: string, refused: number): string | undefined {
  try {
    const { mode } = statSync(path);
    if ((mode & refused) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, "0");
      throw new Fault("failed", `the hub's secret ${path} may be read by others (mode ${shown})`, {
        hint: `chmod 600 ${path}`,
      });
    }
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Fault) throw error;
    if (errnoOf(error) === "ENOENT") return undefined;
    throw new Fault("failed", `can't read the hub's secret ${path}: ${reasonOf(error)}`, {
      hint: "Check who owns it: the hub's user must be able to read it",
      cause: error,
    });
  }
}

function make(path: string): string {
  const text = `${randomBytes(secretBytes).toString("hex")}\n`;
  try {
    writeFileAtomic(path, text, 0o600);
  } catch (error) {
    throw new Fault("failed", `can't write the hub's secret ${path}: ${reasonOf(error)}`, {
      hint: "Check the folder's rights and free space",
      cause: error,
    });
  }
  return text;
}
