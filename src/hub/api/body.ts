/** Request bodies, bounded on the wire and after decompression. */
import { constants, gunzipSync, zstdDecompressSync } from "node:zlib";

import { keep } from "#src/lib/keep.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import { maxBodyBytes, maxInflatedBytes } from "#src/protocol/log.ts";
import { type z, check } from "#src/protocol/schema.ts";
import { declaredSize } from "./body-size.ts";
import { type Room, largeBytes } from "./intake/admission.ts";
import { isHeavy } from "./intake/weight.ts";
import { HttpFault } from "./problem.ts";

/** JSON bodies of people are small. */
const maxJsonBytes = 64 * 1024;

/**
 * A body must be here within this time, whatever its pace: 8 MiB at 1 Mbit/s. Connections that send nothing at all are
 * closed by the server sooner.
 */
export const bodyWithinMs = 70_000;

export type ReadOptions = {
  readonly withinMs?: number;
  /** told how much of a body without a length has come; may throw to end it */
  readonly onBytes?: (size: number) => void;
};

/**
 * Bytes of a request body. Throws HttpFault 413 past `limit` bytes, 408 when it is not whole after `withinMs`, 400 when
 * it breaks off.
 */
export async function readBody(
  request: Request,
  limit = maxBodyBytes,
  { withinMs = bodyWithinMs, onBytes = () => undefined }: ReadOptions = {},
): Promise<Uint8Array> {
  const declared = request.headers.get("content-length");
  if (declared !== null && Number(declared) > limit) throw tooLarge(limit);
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(tooSlow(withinMs)), withinMs);
  try {
    // asking for `body` makes a stream, which the fast way does without
    if (declared !== null) return await readWhole(request, late.promise);
    if (request.body === null) return new Uint8Array();
    return await readParts(request.body, limit, late.promise, onBytes);
  } finally {
    clearTimeout(timer);
  }
}

async function readWhole(request: Request, late: Promise<never>): Promise<Uint8Array> {
  try {
    return await Promise.race([request.bytes(), late]);
  } catch (error) {
    throw brokenOff(error);
  }
}

/** A body without a length: counted as it comes. */
async function readParts(
  body: ReadableStream<Uint8Array>,
  limit: number,
  late: Promise<never>,
  onBytes: (size: number) => void,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) break;
      size += value.length;
      if (size > limit) throw tooLarge(limit);
      onBytes(size);
      parts.push(value);
    }
  } catch (error) {
    // what is still to come is not taken; that it can't be told so changes nothing
    keep(reader.cancel(), () => undefined);
    throw brokenOff(error);
  }
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
}

function brokenOff(error: unknown): HttpFault {
  if (error instanceof HttpFault) return error;
  return new HttpFault(400, `the body did not arrive whole: ${reasonOf(error)}`);
}

function tooSlow(withinMs: number): HttpFault {
  // the rest of it is not waited for, so this connection can't carry another request
  return new HttpFault(408, `the body was not whole after ${withinMs / 1000} s`, { connection: "close" });
}

function tooLarge(limit: number): HttpFault {
  return new HttpFault(413, `the body is larger than ${limit} bytes`);
}

function tooLargeInflated(limit: number): HttpFault {
  return new HttpFault(413, `the body is larger than ${limit} bytes after decompression`);
}

/** Inflated at a time where the body doesn't say how much it will be, or says too little. */
const pieceBytes = 64 * 1024;

/** A body as it came, and what it says. */
export type Inflated = { readonly plain: Uint8Array; readonly zstd: Uint8Array | null };

/**
 * Undoes `Content-Encoding`. Throws HttpFault 413 past `limit` bytes, 400 for damaged data, 415 for other encodings.
 * @param size what it will be, if that is known: memory is taken once and not in pieces that are then joined
 */
export function inflate(body: Uint8Array, encoding: string | null, limit = maxInflatedBytes, size?: number): Inflated {
  const name = encoding?.trim().toLowerCase() ?? "identity";
  const options = { maxOutputLength: limit, chunkSize: Math.min(limit, Math.max(size ?? 0, pieceBytes)) };
  try {
    if (name === "identity" || name === "") return { plain: body, zstd: null };
    // a window of at most 8 MiB: RFC 8878 section 3.1.1.1.2 asks decoders to refuse what would take more memory
    if (name === "zstd")
      return {
        plain: zstdDecompressSync(body, { ...options, params: { [constants.ZSTD_d_windowLogMax]: 23 } }),
        zstd: body,
      };
    if (name === "gzip" || name === "x-gzip") return { plain: gunzipSync(body, options), zstd: null };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE") {
      throw tooLargeInflated(limit);
    }
    throw new HttpFault(400, `the body is not valid ${name}: ${reasonOf(error)}`);
  }
  throw new HttpFault(415, `Content-Encoding "${name.slice(0, 40)}" is not supported; use zstd, gzip or none`, {
    "accept-encoding": "zstd, gzip",
  });
}

/**
 * Reads and inflates a delivery, making room for it before it takes it; a large one waits for its turn. Throws
 * HttpFault as `readBody`, `inflate` and the room do.
 */
export async function readDelivery(request: Request, { grow, alone }: Room): Promise<Inflated> {
  const body = await readBody(request, maxBodyBytes, { onBytes: grow });
  const encoding = request.headers.get("content-encoding");
  const size = declaredSize(body, encoding);
  if (size !== undefined && size > maxInflatedBytes) throw tooLargeInflated(maxInflatedBytes);
  if ((size ?? 0) <= largeBytes) {
    grow(size ?? 0);
    try {
      const inflated = inflate(body, encoding, largeBytes, size);
      grow(inflated.plain.length);
      if (isHeavy(inflated.plain, body.length)) await alone();
      return inflated;
    } catch (error) {
      // it is more than it said
      if (!(error instanceof HttpFault) || error.status !== 413) throw error;
    }
  }
  await alone();
  return inflate(body, encoding, maxInflatedBytes, size);
}

/** A JSON body of a person or page, checked. Throws HttpFault 400, 413 or 415, or the schema's Fault. */
export async function readJson<S extends z.core.$ZodType>(request: Request, schema: S): Promise<z.core.output<S>> {
  const type = request.headers.get("content-type") ?? "";
  // forms of other sites can't send this type without asking first
  if (!/^application\/(?:[\w.+-]+\+)?json\b/i.test(type)) {
    throw new HttpFault(415, "send application/json");
  }
  const bytes = await readBody(request, maxJsonBytes);
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
  } catch (error) {
    throw new HttpFault(400, `the body is not JSON: ${reasonOf(error)}`);
  }
  return check(schema, value, "the body");
}

/** The same, where nothing at all means that nothing is asked for in particular. */
export async function readOptionalJson<S extends z.core.$ZodType>(
  request: Request,
  schema: S,
): Promise<z.core.output<S>> {
  const empty = request.body === null || request.headers.get("content-length") === "0";
  return empty ? check(schema, {}, "the body") : await readJson(request, schema);
}
