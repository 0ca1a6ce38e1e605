/** Lines of a container to NDJSON entries. The engine's own time of each is kept, to the nanosecond. */
import { maxMessageLength } from "#src/protocol/log.ts";

import type { ContainerChunk } from "./door.ts";
import type { Encoded } from "./encode.ts";
import { levelOf } from "./level.ts";

/** Encodes the lines, of which there is at least one; the last entry carries the position and so commits the chunk. */
export function encodeContainerLines(chunk: ContainerChunk, firstSeq: number): Encoded {
  const { lines } = chunk;
  const source = JSON.stringify(chunk.source);
  const fields = `"container":${JSON.stringify(chunk.container)},"containerId":${JSON.stringify(chunk.containerId)}`;
  const last = lines.length - 1;
  let text = "";
  for (const [index, { at, stream, message, piece }] of lines.entries()) {
    const body = JSON.stringify(fit(message));
    const level = levelOf(body.slice(1, -1), body.includes("\\u001b"));
    const cut = piece === undefined ? "" : `,"cut":true,"part":${piece.part},"last":${piece.last}`;
    const position = index === last ? `,"pos":${JSON.stringify(chunk.position)}` : "";
    text += `{"seq":${firstSeq + index},"at":"${at}","source":${source},"stream":"container","level":"${level}","message":${body},"fields":{${fields},"stream":"${stream}"${cut}}${position}}\n`;
  }
  return { bytes: Buffer.from(text), count: lines.length };
}

/** NUL is no character that a store could keep; a message is as long as it may be. */
function fit(message: string): string {
  const visible = message.includes("\0") ? message.replaceAll("\0", "\u2400") : message;
  return visible.length > maxMessageLength ? visible.slice(0, maxMessageLength) : visible;
}
