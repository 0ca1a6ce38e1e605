/** `orion hub export`: log lines as NDJSON, out of the hub's files or ClickHouse. */
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { resolve } from "node:path";

import { errnoOf, reasonOf } from "#src/protocol/fault.ts";
import { describeProblem, parseQuery } from "#src/protocol/query-parser.ts";
import { command } from "../../command.ts";
import { CliFault, exitCodes, usageFault } from "../../exit.ts";
import { interruptible } from "../../interrupt.ts";
import { note, printBytes } from "../../output.ts";
import { bytes } from "../../units.ts";
import { parseSince } from "../../values.ts";
import { commandWorld, dataDirFlag, hubSettings } from "./folder.ts";

/** Text that is compressed at once: each makes a frame, of which a zstd file may have any number (RFC 8878). */
const frameBytes = 1024 * 1024;

export const exportCommand = command({
  args: {
    from: { type: "string", valueHint: "time", description: "from then on: 12h, 7d, or 2026-01-31T14:00:00Z" },
    to: { type: "string", valueHint: "time", description: "up to, but without: 1h, or a time" },
    server: { type: "string", valueHint: "name", description: "of this server or source: hostname, name or id" },
    source: { type: "string", valueHint: "name", description: "lines that are filed under this name" },
    query: { type: "string", valueHint: "query", description: "lines that match, see docs/search.md" },
    output: { type: "string", alias: "o", valueHint: "file", description: "write there (0600); stdout if left out" },
    zstd: { type: "boolean", description: "compress; what a name that ends in .zst does by itself" },
    ...dataDirFlag,
  },
  about: [
    "Writes an entry a line, oldest first, whether the hub runs or not; a hub that runs goes on. What is damaged is left",
    "out and said. With clickhouseUrl it needs the settings of the hub's service.",
  ].join("\n"),
  examples: [
    "sudo -u orion orion hub export --from 2026-05-01 --to 2026-06-01 -o may.ndjson.zst",
    "sudo -u orion orion hub export --from 1h --query 'level:error' | jq -r .message",
  ],
  async run({ args, session }) {
    const settings = await hubSettings(session, args["data-dir"]);
    const now = Date.now();
    const wish = {
      from: args.from === undefined ? undefined : parseSince(args.from, now),
      to: args.to === undefined ? undefined : parseSince(args.to, now),
      server: args.server,
      source: args.source,
      query: args.query === undefined ? undefined : checkedQuery(args.query),
    };
    const isPressed = args.zstd === true || args.output?.endsWith(".zst") === true;
    const { exportLogs } = await import("#src/hub/hub.ts");
    await interruptible(async (control) => {
      const { signal } = control;
      let damaged = false;
      const onDamaged = () => (damaged = true);
      const text = exportLogs(settings, wish, { ...commandWorld(), onDamaged, signal });
      const pieces = isPressed ? pressed(text) : text;
      if (args.output === undefined) for await (const piece of pieces) await printBytes(piece);
      else {
        const file = resolve(session.environment.cwd, args.output);
        const partial = `${file}.${process.pid}.partial`;
        control.always(partial, () => rm(partial, { force: true }));
        const written = await write(pieces, partial, file);
        if (!session.json) await note(`${file}: ${bytes(written)}`);
      }
      signal.throwIfAborted();
      if (damaged) await note("Damaged blocks are left out: see orion hub check");
    });
    return exitCodes.done;
  },
});

function checkedQuery(text: string): string {
  const parsed = parseQuery(text);
  if (parsed.query !== undefined) return text;
  throw usageFault(`--query can't be "${text}": ${describeProblem(parsed)}`, "docs/search.md has the language");
}

/** The same in zstd frames. */
async function* pressed(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  let waiting: Uint8Array[] = [];
  let size = 0;
  for await (const piece of pieces) {
    waiting.push(piece);
    size += piece.length;
    if (size < frameBytes) continue;
    yield await Bun.zstdCompress(Buffer.concat(waiting));
    [waiting, size] = [[], 0];
  }
  if (size > 0) yield await Bun.zstdCompress(Buffer.concat(waiting));
}

/** Writes `partial`, and gives it the name `file` when it is whole. @returns its size in bytes */
async function write(pieces: AsyncIterable<Uint8Array>, partial: string, file: string): Promise<number> {
  let written = 0;
  let handle: FileHandle;
  try {
    handle = await open(partial, "wx", 0o600);
  } catch (error) {
    throw cannotWrite(file, error);
  }
  try {
    for await (const piece of pieces) {
      try {
        await handle.writeFile(piece);
      } catch (error) {
        throw cannotWrite(file, error);
      }
      written += piece.length;
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(partial, file);
  return written;
}

function cannotWrite(file: string, error: unknown): CliFault {
  const hint = errnoOf(error) === "ENOSPC" ? "Choose a disk with more free space" : "Check the folder and its rights";
  return new CliFault(exitCodes.failed, "failed", `can't write ${file}: ${reasonOf(error)}`, hint, error);
}
