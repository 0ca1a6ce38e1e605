/** What a compressed body says of its size before anything is inflated: a hint, which may be missing or a lie. */

/** RFC 8878 section 3.1.1. */
const zstdMagic = 0xfd2fb528;
/** RFC 1952: ten bytes of header, eight of trailer, and something between them. */
const minGzipBytes = 20;

/** Bytes after decompression; undefined when the body doesn't say. */
export function declaredSize(body: Uint8Array, encoding: string | null): number | undefined {
  const name = encoding?.trim().toLowerCase();
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (name === "zstd") return zstdSize(bytes);
  // the last four bytes hold the size of the last member, modulo 2^32
  if (name === "gzip" || name === "x-gzip") {
    return bytes.length < minGzipBytes ? undefined : bytes.readUInt32LE(bytes.length - 4);
  }
  return bytes.length;
}

/** Frame_Content_Size of the first frame (RFC 8878 section 3.1.1.1). */
function zstdSize(bytes: Buffer): number | undefined {
  // the longest header: magic, descriptor, window, dictionary, size
  if (bytes.length < 4 + 1 + 1 + 4 + 8 || bytes.readUInt32LE(0) !== zstdMagic) return undefined;
  const descriptor = bytes[4] ?? 0;
  const single = (descriptor & 32) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const at = 5 + (single ? 0 : 1) + dictionaryBytes;
  switch (descriptor >> 6) {
    case 0:
      return single ? bytes[at] : undefined;
    case 1:
      return bytes.readUInt16LE(at) + 256;
    case 2:
      return bytes.readUInt32LE(at);
    default:
      return Number(bytes.readBigUInt64LE(at));
  }
}
