/** The TLS certificate and its key: read, checked, and read again when they are renewed. */
import { X509Certificate, createPrivateKey } from "node:crypto";
import { type FSWatcher, readFileSync, statSync, watch } from "node:fs";
import { dirname } from "node:path";

import type { Cancel, Clock } from "#src/lib/clock.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";

/** A certificate chain with the key that fits it, both PEM. */
export type Pair = { readonly cert: string; readonly key: string };
export type PairFiles = { readonly cert: string; readonly key: string };

/** How often the files are looked at, should the file system not tell of a change: a network share, a replaced link. */
const pollMs = 10_000;
/** Programs that renew write one file after the other: looked at when both have had their time. */
const settleMs = 500;

/**
 * Reads both files.
 * @throws {Fault} `invalid`, naming the file that can't be read or understood, or saying that they don't fit
 */
export function readPair(files: PairFiles): Pair {
  const cert = read(files.cert, "certificate");
  const key = read(files.key, "key");
  const certificate = understand(files.cert, "certificate", () => new X509Certificate(cert));
  const privateKey = understand(files.key, "key", () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new Fault("invalid", `the TLS key ${files.key} does not fit the certificate ${files.cert}`, {
      hint: "Give the key that the certificate was made for",
    });
  }
  return { cert, key };
}

/** The end of a certificate's validity, milliseconds since the epoch. */
export function validUntil({ cert }: Pair): number {
  return Date.parse(new X509Certificate(cert).validTo);
}

export type Watch = {
  /** the files were found changed, and hold another pair */
  readonly renewed: (pair: Pair) => void;
  /** the files were found changed, and hold nothing that can be used */
  readonly failed: (fault: unknown) => void;
};

/** Looks after the files from now on, `current` being what they hold. @returns ends it */
export function watchPair(files: PairFiles, current: Pair, clock: Clock, { renewed, failed }: Watch): Cancel {
  let last = current;
  let seen = fingerprint(files);
  let cancelPoll: Cancel = () => undefined;
  let cancelSettle: Cancel | undefined;

  function look(): void {
    const now = fingerprint(files);
    if (now === seen) return;
    seen = now;
    try {
      const pair = readPair(files);
      if (pair.cert === last.cert && pair.key === last.key) return;
      last = pair;
      renewed(pair);
    } catch (error) {
      failed(error);
    }
  }

  function poll(): void {
    look();
    cancelPoll = clock.after(pollMs, poll);
  }

  cancelPoll = clock.after(pollMs, poll);
  const watchers = watchFolders(files, () => {
    cancelSettle?.();
    cancelSettle = clock.after(settleMs, look);
  });
  return () => {
    cancelPoll();
    cancelSettle?.();
    for (const watcher of watchers) watcher.close();
  };
}

/** Folders, because files are renewed by putting others in their place. */
function watchFolders(files: PairFiles, changed: () => void): readonly FSWatcher[] {
  return [...new Set([dirname(files.cert), dirname(files.key)])].flatMap((folder) => {
    try {
      const watcher = watch(folder, { persistent: false }, changed);
      // polling goes on
      watcher.on("error", () => watcher.close());
      return [watcher];
    } catch {
      // no more watches, or a file system without them: polling sees the change a little later
      return [];
    }
  });
}

/** What changes when either file does, links followed. */
function fingerprint({ cert, key }: PairFiles): string {
  return [cert, key]
    .map((path) => {
      const stat = statSync(path, { throwIfNoEntry: false });
      return stat === undefined ? "-" : `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}`;
    })
    .join(" ");
}

function read(path: string, what: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Fault("invalid", `can't read the TLS ${what} ${path}: ${reasonOf(error)}`, {
      hint: "Give this user the right to read it",
      cause: error,
    });
  }
}

function understand<T>(path: string, what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new Fault("invalid", `the TLS ${what} ${path} can't be understood: ${reasonOf(error)}`, {
      hint: "It must be in PEM form, a key without a passphrase",
      cause: error,
    });
  }
}
