/**
 * Bearer tokens. A token is shown once; what is kept is its SHA-256. A fast hash is right here, because the token is
 * 256 random bits and not a password.
 */
import { hash, randomBytes, timingSafeEqual } from "node:crypto";

import { type TokenKind, tokenPrefixes } from "#src/protocol/access.ts";

/** A new token, the digest to keep of it, and its first characters. */
export type NewToken = { readonly token: string; readonly digest: Uint8Array; readonly hint: string };

/** Characters of a token that may be shown: its prefix and 36 of its 256 bits. */
const hintLength = 10;

/** 32 random bytes in base64url (RFC 4648 section 5) after the prefix of its kind. */
export function createToken(kind: TokenKind): NewToken {
  const token = tokenPrefixes[kind] + randomBytes(32).toString("base64url");
  return { token, digest: digestOf(token), hint: hintOf(token) };
}

/** SHA-256 of a token. */
export function digestOf(token: string): Uint8Array {
  return hash("sha256", token, "buffer");
}

/** The first characters of a token, by which people tell tokens apart. */
export function hintOf(token: string): string {
  return token.slice(0, hintLength);
}

// compared with when there is nothing to compare with, so that both cases take the same time
const nothing = new Uint8Array(32);

/** Whether `token` is the one that `digest` was made of, in constant time; a null digest (revoked, unknown) never is. */
export function matchesToken(token: string, digest: Uint8Array | null): boolean {
  const same = timingSafeEqual(digestOf(token), digest ?? nothing);
  return same && digest !== null;
}

/** What a digest is found by. */
export function digestKey(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString("base64");
}
