/**
 * Writing to the terminal or a pipe. `process.stdout` costs 12 ms to load and `node:tty` 4 ms (measured, compiled), more
 * than a whole command may take: so bytes go out through `Bun.write`, which also waits for a slow reader.
 */
import { errnoOf } from "#src/protocol/fault.ts";

import { OutputClosed } from "./exit.ts";

/**
 * Writes to stdout, all of it.
 * @throws {OutputClosed} when the reader has hung up
 */
export async function print(text: string): Promise<void> {
  await writeTo(Bun.stdout, text);
}

/**
 * The same with bytes, which need not be text.
 * @throws {OutputClosed} when the reader has hung up
 */
export async function printBytes(bytes: Uint8Array): Promise<void> {
  await writeTo(Bun.stdout, bytes);
}

/** Writes one line to stderr; line breaks within it become spaces. */
export async function note(line: string): Promise<void> {
  await writeTo(Bun.stderr, `${line.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ")}\n`);
}

async function writeTo(file: Bun.BunFile, content: string | Uint8Array): Promise<void> {
  try {
    await Bun.write(file, content);
  } catch (error) {
    if (errnoOf(error) === "EPIPE") throw new OutputClosed();
    throw error;
  }
}

/** One JSON document and a newline. */
export async function printJson(value: unknown): Promise<void> {
  await print(`${JSON.stringify(value)}\n`);
}
