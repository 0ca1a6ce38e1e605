/**
 * Bearer tokens of agents. A token is shown once; what is kept is its SHA-256. A fast hash is right here, because the
 * token is 256 random bits and not a password.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/** A new token and the digest to keep of it. */
export type NewToken = { readonly token: string; readonly digest: Uint8Array };

/** 32 random bytes after the prefix `oat_`, in base64url (RFC 4648 section 5). */
export function createAgentToken(): NewToken {
  const token = `oat_${randomBytes(32).toString("base64url")}`;
  return { token, digest: digestOf(token) };
}

/** SHA-256 of a token. */
export function digestOf(token: string): Uint8Array {
  return createHash("sha256").update(token).digest();
}

// compared with when there is nothing to compare with, so that both cases take the same time
const nothing = new Uint8Array(32);

/** Whether `token` is the one that `digest` was made of, in constant time; a null digest (revoked, unknown) never is. */
export function matchesToken(token: string, digest: Uint8Array | null): boolean {
  const same = timingSafeEqual(digestOf(token), digest ?? nothing);
  return same && digest !== null;
}
