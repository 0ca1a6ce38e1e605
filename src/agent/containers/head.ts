/** The head of an HTTP answer (RFC 9112), as far as a client of one engine needs it. Pure. */

export type Head = {
  readonly status: number;
  /** bytes of the body, when the engine knows them beforehand */
  readonly length: number | undefined;
  /** where the body begins */
  readonly size: number;
};

/** An engine's head has some 300 bytes; nothing that is one of these has so many. */
export const maxHeadBytes = 64 * 1024;

const headEnd = Buffer.from("\r\n\r\n");

/** @returns undefined: not whole yet; null: this is no HTTP answer */
export function parseHead(bytes: Buffer): Head | undefined | null {
  const end = bytes.indexOf(headEnd);
  if (end === -1) return bytes.length > maxHeadBytes ? null : undefined;
  const text = bytes.toString("latin1", 0, end);
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1]);
  if (!Number.isInteger(status)) return null;
  const length = /^content-length: *(\d{1,15})\s*$/im.exec(text)?.[1];
  return { status, length: length === undefined ? undefined : Number(length), size: end + headEnd.length };
}
