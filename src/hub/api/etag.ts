/** Answers that a page asks for again and again: what has not changed is not sent again (RFC 9110 sections 8.8.3, 13). */

/** A weak tag of a body, as `of` whom or what gets to see it: 64 bits of its hash, and its length. */
export function tagOf(body: string | NodeJS.TypedArray, of = ""): string {
  return `W/"${Bun.hash(body, Bun.hash.crc32(of)).toString(36)}-${body.length.toString(36)}"`;
}

/** Whether the client has this already; the comparison is weak (RFC 9110 section 13.1.2). */
export function isKnown(request: Request, tag: string): boolean {
  const known = request.headers.get("if-none-match");
  if (known === null) return false;
  const opaque = tag.replace(/^W\//, "");
  return known.trim() === "*" || (known.match(/"[^"]*"/g)?.includes(opaque) ?? false);
}

/**
 * The answer with a tag of its body, or 304 when the client has that body. Its body must not be endless.
 * @param of who asks: what one has been given says nothing to another
 */
export async function withTag(request: Request, response: Response, of: string): Promise<Response> {
  const body = await response.bytes();
  const headers = new Headers(response.headers);
  const tag = tagOf(body, of);
  headers.set("etag", tag);
  headers.set("cache-control", "private, no-cache");
  headers.set("vary", "authorization, cookie");
  if (!isKnown(request, tag)) return new Response(body, { status: response.status, headers });
  headers.delete("content-type");
  return new Response(null, { status: 304, headers });
}
