/**
 * What it costs to open a private key that a passphrase protects. The file says it itself, and whoever pastes one that
 * wants an hour of it would stop the hub for everybody.
 */
import { Fault } from "#src/protocol/fault.ts";

/** Of bcrypt in OpenSSH's form, some 30 ms each; ssh-keygen makes 16 to 24 unless it is told (-a). */
const maxRounds = 128;
/** Of PBKDF2 in PKCS#8, less than a second; openssl makes 2048. */
const maxIterations = 5_000_000;

/** @throws {Fault} `invalid` when it is too much */
export function refuseCostlyKey(text: string): void {
  const found = /^-----BEGIN (OPENSSH|ENCRYPTED) PRIVATE KEY-----([^-]+)-----END/.exec(text);
  if (found === null) return;
  const bytes = Buffer.from(found[2] ?? "", "base64");
  const [cost, most] = found[1] === "OPENSSH" ? [roundsOf(bytes), maxRounds] : [iterationsOf(bytes), maxIterations];
  if (cost <= most) return;
  throw new Fault("invalid", `the private key's passphrase is guarded by ${cost} rounds; ${most} are the most here`, {
    hint: "Change that on a copy of it: ssh-keygen -p -a 24 -f KEY",
  });
}

/** OpenSSH's PROTOCOL.key: magic, cipher, kdf, then the kdf's options, which are a salt and the rounds. */
function roundsOf(bytes: Buffer): number {
  let at = "openssh-key-v1\0".length;
  for (let skipped = 0; skipped < 2; skipped++) at += 4 + lengthAt(bytes, at);
  if (lengthAt(bytes, at) === 0) return 0;
  at += 4;
  at += 4 + lengthAt(bytes, at);
  return lengthAt(bytes, at);
}

const lengthAt = (bytes: Buffer, at: number): number => (at + 4 <= bytes.length ? bytes.readUInt32BE(at) : 0);

type Der = { readonly tag: number; readonly body: Buffer };

/** RFC 5958 section 3 with RFC 8018: of PBES2 `{ oid, { { oid, { salt, iterations … } } … } }`, of PBES1 one level less. */
function iterationsOf(bytes: Buffer): number {
  const [whole] = derOf(bytes);
  const [algorithm] = derOf(whole?.body);
  const parameters = derOf(derOf(algorithm?.body)[1]?.body);
  const [first] = parameters;
  const last = first?.tag === 0x30 ? derOf(derOf(first.body)[1]?.body)[1] : parameters[1];
  // scrypt has a bound of its own, of memory, in OpenSSL
  return last?.tag === 0x02 ? last.body.reduce((sum, byte) => sum * 256 + byte, 0) : 0;
}

/** The elements of a sequence, X.690 section 8.1. */
function derOf(bytes: Buffer = Buffer.alloc(0)): readonly Der[] {
  const found: Der[] = [];
  for (let at = 0; at + 2 <= bytes.length;) {
    const [tag = 0, short = 0] = bytes.subarray(at, at + 2);
    const more = short < 0x80 ? 0 : Math.min(short & 0x7f, 4);
    if (at + 2 + more > bytes.length) break;
    const length = more === 0 ? short & 0x7f : bytes.readUIntBE(at + 2, more);
    found.push({ tag, body: bytes.subarray(at + 2 + more, at + 2 + more + length) });
    at += 2 + more + length;
  }
  return found;
}
