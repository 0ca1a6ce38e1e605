/** Private keys as people paste them: OpenSSH, PEM (PKCS#1, SEC 1) and PKCS#8, with or without a passphrase. */
import { createPrivateKey } from "node:crypto";

import { type ParsedKey, utils } from "ssh2";

import { Fault } from "#src/protocol/fault.ts";
import { refuseCostlyKey } from "./key-cost.ts";

const formats = "Paste the whole private key file: OpenSSH, PEM or PKCS#8; ed25519, RSA or ECDSA";

/**
 * A private key ready to sign with.
 * @throws {Fault} `invalid`: no private key, of an unknown kind, or the passphrase is missing or wrong
 */
export function readPrivateKey(text: string, passphrase: string | null): ParsedKey {
  const trimmed = `${text.trim().replaceAll("\r\n", "\n")}\n`;
  if (passphrase !== null) refuseCostlyKey(trimmed);
  const pkcs8 = /^-----BEGIN (?:ENCRYPTED )?PRIVATE KEY-----/.test(trimmed);
  const parsed: ParsedKey | Error | readonly ParsedKey[] = pkcs8
    ? utils.parseKey(fromPkcs8(trimmed, passphrase))
    : utils.parseKey(trimmed, passphrase ?? undefined);
  if (parsed instanceof Error) throw unreadable(parsed.message, passphrase);
  const key = "type" in parsed ? parsed : parsed[0];
  if (key === undefined) throw new Fault("invalid", "there is no key in it", { hint: formats });
  if (!key.isPrivateKey()) {
    throw new Fault("invalid", "this is a public key; the private one is needed", { hint: formats });
  }
  if (key.type === "ssh-dss") {
    throw new Fault("invalid", "hosts no longer take DSA keys", { hint: "Use an ed25519 key: ssh-keygen -t ed25519" });
  }
  return key;
}

/**
 * Both halves: the public one as it stands in authorized_keys, the private one without its passphrase, because taking
 * that away takes up to seconds in which nothing else runs, and must not be done for each connection.
 * @throws {Fault} as `readPrivateKey`
 */
export function halvesOf(
  text: string,
  passphrase: string | null,
): { readonly privateKey: string; readonly publicKey: string } {
  const key = readPrivateKey(text, passphrase);
  return { privateKey: passphrase === null ? text : key.getPrivatePEM(), publicKey: publicLine(key) };
}

const publicLine = (key: ParsedKey): string => `${key.type} ${key.getPublicSSH().toString("base64")}`;

/** The public half of a private key as it stands in authorized_keys. @throws {Fault} as `readPrivateKey` */
export function publicKeyOf(text: string, passphrase: string | null): string {
  return publicLine(readPrivateKey(text, passphrase));
}

/** PKCS#8 (RFC 5958), which ssh2 does not read, in a form that it does. */
function fromPkcs8(text: string, passphrase: string | null): string {
  const key = (() => {
    try {
      return createPrivateKey({ key: text, ...(passphrase === null ? {} : { passphrase }) });
    } catch (error) {
      throw unreadable(error instanceof Error ? error.message : String(error), passphrase);
    }
  })();
  switch (key.asymmetricKeyType) {
    case "rsa":
      return key.export({ type: "pkcs1", format: "pem" });
    case "ec":
      return key.export({ type: "sec1", format: "pem" });
    case "ed25519": {
      const { d = "", x = "" } = key.export({ format: "jwk" });
      return openSshKey(Buffer.from(d, "base64url"), Buffer.from(x, "base64url"));
    }
    default:
      throw new Fault("invalid", `a key of the kind ${key.asymmetricKeyType} can't be used for SSH`, { hint: formats });
  }
}

/** An unencrypted ed25519 key in OpenSSH's container, see its PROTOCOL.key. */
function openSshKey(seed: Buffer, point: Buffer): string {
  const type = "ssh-ed25519";
  const open = Buffer.concat([field(type), field(point)]);
  // the two equal numbers tell whether decryption worked, and there is none
  const secret = Buffer.concat([Buffer.alloc(8), open, field(Buffer.concat([seed, point])), field("")]);
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, index) => index + 1));
  const one = Buffer.from([0, 0, 0, 1]);
  const all = [Buffer.from("openssh-key-v1\0"), field("none"), field("none"), field(""), one];
  const body = Buffer.concat([...all, field(open), field(Buffer.concat([secret, padding]))]).toString("base64");
  const lines = body.match(/.{1,70}/g) ?? [];
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join("\n")}\n-----END OPENSSH PRIVATE KEY-----\n`;
}

/** A string of RFC 4251 section 5: its length, then its bytes. */
function field(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function unreadable(reason: string, passphrase: string | null): Fault {
  if (passphrase !== null && /passphrase|decrypt|integrity|padding/i.test(reason)) {
    return new Fault("invalid", "the private key's passphrase is wrong");
  }
  if (/no passphrase|passphrase (?:was )?(?:given|required)|encrypted/i.test(reason)) {
    return new Fault("invalid", "the private key is protected by a passphrase", {
      hint: "Give the passphrase as well",
    });
  }
  return new Fault("invalid", `the private key can't be read: ${reason}`, { hint: formats });
}
