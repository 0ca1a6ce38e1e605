/** Cookies as better-auth signs them: HMAC-SHA-256 in base64 after the value and a dot, all of it URL-encoded. */
import { createHmac, timingSafeEqual } from "node:crypto";

export type CookieReader = {
  /** The value of a signed cookie, if the signature is ours. */
  readonly unsign: (value: string) => string | null;
  /** The value of a request's signed cookie; null: none, or not ours. */
  readonly readSigned: (request: Request, name: string) => string | null;
  /** The raw value of a request's cookie. */
  readonly readRaw: (request: Request, name: string) => string | undefined;
};

export function createCookieReader(secret: string): CookieReader {
  function unsign(value: string): string | null {
    const plain = decode(value);
    const dot = plain.lastIndexOf(".");
    if (dot < 1) return null;
    const signed = plain.slice(0, dot);
    const given = Buffer.from(plain.slice(dot + 1), "base64");
    const right = createHmac("sha256", secret).update(signed).digest();
    return given.length === right.length && timingSafeEqual(given, right) ? signed : null;
  }

  return {
    unsign,
    readSigned(request, name) {
      const value = readCookie(request, name);
      return value === undefined ? null : unsign(value);
    },
    readRaw: readCookie,
  };
}

function readCookie(request: Request, name: string): string | undefined {
  const header = request.headers.get("cookie");
  if (header === null) return undefined;
  for (const part of header.split(";")) {
    const [key, value] = readPair(part);
    if (key === name) return value;
  }
  return undefined;
}

/** `name=value`. */
export function readPair(text: string): readonly [name: string, value: string] {
  const index = text.indexOf("=");
  return index === -1 ? [text.trim(), ""] : [text.slice(0, index).trim(), text.slice(index + 1).trim()];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // a malformed escape is no cookie of ours
    return "";
  }
}
