/** Private keys as people paste them: OpenSSH, PEM (PKCS#1, SEC1) and PKCS#8, with or without a passphrase. */
import { createPrivateKey } from "node:crypto";

import { utils } from "ssh2";

import { Fault } from "#src/protocol/fault.ts";

/** What ssh2 signs with. */
export type PrivateKey = { readonly privateKey: string; readonly publicKey: string; readonly type: string };

const formats = "Paste the whole private key file: OpenSSH, PEM or PKCS#8; ed25519, RSA or ECDSA";

/**
 * The text of a private key as ssh2 takes it, decrypted.
 * @throws {Fault} `invalid`: no private key, of an unknown kind, or the passphrase is missing or wrong
 */
export function readPrivateKey(text: string, passphrase: string | null): string {
  return parsePrivateKey(text, passphrase).pem;
}

/** Its public half as it stands in authorized_keys. @throws {Fault} as above */
export function publicKeyOf(text: string, passphrase: string | null): string {
  const { type, blob } = parsePrivateKey(text, passphrase);
  return `${type} ${blob.toString("base64")}`;
}

function parsePrivateKey(text: string, passphrase: string | null) {
  const trimmed = `${text.trim().replaceAll("\r\n", "\n")}\n`;
  const plain = isPkcs8(trimmed) ? fromPkcs8(trimmed, passphrase) : trimmed;
  const parsed = utils.parseKey(plain, passphrase ?? undefined);
  if (parsed instanceof Error) throw unreadable(parsed, passphrase);
  const key = Array.isArray(parsed) ? parsed[0] : parsed;
  if (key === undefined || !key.isPrivateKey()) {
    throw new Fault("invalid", "this is a public key, not a private one", { hint: formats });
  }
  if (key.type === "ssh-dss") throw new Fault("invalid", "DSA keys are too weak", { hint: "Use an ed25519 key" });
  return { pem: key, type: key.type, blob: key.getPublicSSH() };
}
