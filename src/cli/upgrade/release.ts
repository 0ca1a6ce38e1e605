/** A release on its server: `<base>/latest/download/<file>` or `<base>/download/v<version>/<file>`, and its checksums. */
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";

import { errnoOf, reasonOf } from "#src/protocol/fault.ts";

import { CliFault, exitCodes } from "../exit.ts";

/** Where releases are, unless somebody says otherwise; the same as in install.sh. */
export const defaultBase = "https://install.orion.dev/releases";

/** A stalled connection ends after this long without a byte; a slow one goes on. */
const stalledAfterMs = 30_000;
const nothingChanged = "Nothing was changed";

export type Release = {
  /** SHA-256 of the file, in hex */
  readonly checksum: string;
  readonly url: string;
};

const failed = (message: string, hint = nothingChanged, cause?: unknown): CliFault =>
  new CliFault(exitCodes.failed, "failed", message, hint, cause);

/** Looks a release up. @throws {CliFault} when the server can't be reached, or has none for this platform */
export async function findRelease(base: string, version: string | undefined, platform: string): Promise<Release> {
  const name = `orion-linux-${platform}`;
  const folder = `${base.replace(/\/+$/, "")}/${version === undefined ? "latest/download" : `download/v${version}`}`;
  const response = await get(`${folder}/SHA256SUMS`);
  const sums = await response.text();
  for (const line of sums.split("\n")) {
    const [checksum = "", file] = line.trim().split(/\s+\*?/);
    if (file === name && /^[0-9a-f]{64}$/.test(checksum)) return { checksum, url: `${folder}/${name}` };
  }
  throw failed(`${folder}/SHA256SUMS names no checksum for ${name}`, "Is there a release for this CPU?");
}

/**
 * Fetches a release into `file`, which is made 0755, on disk and checked when this returns.
 * @throws {CliFault} no space, a damaged or false file, a connection that breaks off
 */
export async function fetchRelease({ url, checksum }: Release, file: string): Promise<void> {
  const response = await get(url);
  const hasher = new Bun.CryptoHasher("sha256");
  const fd = openSync(file, "w", 0o755);
  try {
    for await (const chunk of chunksOf(url, response)) {
      hasher.update(chunk);
      for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at);
    }
    fsyncSync(fd);
  } catch (error) {
    if (errnoOf(error) === "ENOSPC")
      throw failed(`no space is left for ${file}: 120 MB are needed there`, undefined, error);
    throw error;
  } finally {
    closeSync(fd);
  }
  const got = hasher.digest("hex");
  if (got === checksum) return;
  throw failed(`the download ${url} is damaged or not genuine (SHA-256 is ${got}, should be ${checksum})`);
}

/** The SHA-256 of a file, in hex. */
export async function checksumOf(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const chunk of Bun.file(path).stream()) hasher.update(chunk);
  return hasher.digest("hex");
}

async function get(url: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(stalledAfterMs) });
  } catch (error) {
    throw failed(
      `${url} could not be fetched: ${reasonOf(error)}`,
      "Is the network there? ORION_DOWNLOAD_URL names another place",
      error,
    );
  }
  if (!response.ok) throw failed(`${url} could not be fetched: the server answered ${response.status}`);
  return response;
}

async function* chunksOf(url: string, response: Response): AsyncGenerator<Uint8Array> {
  const reader = (response.body ?? new Blob([]).stream()).getReader();
  for (;;) {
    const stalled = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => stalled.reject(failed(`${url} stalled: nothing came for ${stalledAfterMs / 1000} s`)),
      stalledAfterMs,
    );
    try {
      const { value } = await Promise.race([reader.read(), stalled.promise]);
      if (value === undefined) return;
      yield value;
    } catch (error) {
      if (error instanceof CliFault) throw error;
      throw failed(`${url} broke off: ${reasonOf(error)}`, undefined, error);
    } finally {
      clearTimeout(timer);
    }
  }
}
