/** Request bodies, bounded on the wire and after decompression. */
import { constants, gunzipSync, zstdDecompressSync } from "node:zlib";

import { reasonOf } from "#src/protocol/fault.ts";
import { maxBodyBytes, maxInflatedBytes } from "#src/protocol/log.ts";
import { type z, check } from "#src/protocol/schema.ts";
import { HttpFault } from "./problem.ts";

/** JSON bodies of people are small. */
const maxJsonBytes = 64 * 1024;

/** Bytes of a request body. Throws HttpFault 413 past `limit`. */
export async function readBody(request: Request, limit = maxBodyBytes): Promise<Uint8Array> {
  const declared = request.headers.get("content-length");
  if (declared !== null) {
    if (Number(declared) > limit) throw tooLarge(limit);
    return await readWhole(request);
  }
  if (request.body === null) return new Uint8Array();
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of request.body) {
    size += part.length;
    if (size > limit) throw tooLarge(limit);
    parts.push(part);
  }
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
}

async function readWhole(request: Request): Promise<Uint8Array> {
  try {
    return await request.bytes();
  } catch (error) {
    throw new HttpFault(400, `the body did not arrive whole: ${reasonOf(error)}`);
  }
}

function tooLarge(limit: number): HttpFault {
  return new HttpFault(413, `the body is larger than ${limit} bytes`);
}

/** A body as it came, and what it says. */
export type Inflated = { readonly plain: Uint8Array; readonly zstd: Uint8Array | null };

/** Undoes `Content-Encoding`. Throws HttpFault 413 past 64 MiB, 400 for damaged data, 415 for other encodings. */
export function inflate(body: Uint8Array, encoding: string | null): Inflated {
  const name = encoding?.trim().toLowerCase() ?? "identity";
  const options = { maxOutputLength: maxInflatedBytes, chunkSize: 1024 * 1024 };
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
      throw new HttpFault(413, `the body is larger than ${maxInflatedBytes} bytes after decompression`);
    }
    throw new HttpFault(400, `the body is not valid ${name}: ${reasonOf(error)}`);
  }
  throw new HttpFault(415, `Content-Encoding "${name.slice(0, 40)}" is not supported; use zstd, gzip or none`, {
    "accept-encoding": "zstd, gzip",
  });
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
