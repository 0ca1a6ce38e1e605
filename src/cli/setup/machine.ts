/** Who this host is, so that a renamed or a cloned one is noticed. */
import { readFileSync } from "node:fs";

/**
 * Orion's application id (a random UUID, never to change): the hub gets a hash that is of no use to anybody else, since
 * the machine id itself must not leave the host (machine-id(5)).
 */
const application = Buffer.from("5f0c6d6be2b14c0f9a5d3b1f64a7c28e", "hex");

/**
 * The machine id as an application may tell it, 32 hexadecimal digits: what sd_id128_get_machine_app_specific(3) gives,
 * and `systemd-id128 machine-id --app-specific=5f0c6d6be2b14c0f9a5d3b1f64a7c28e`. Undefined: this host has none.
 */
export function readMachine(path = "/etc/machine-id"): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8").trim();
  } catch {
    // a system without one: then nothing is told, and the host is known by its name alone
    return undefined;
  }
  // `uninitialized` stands there until the first boot is over
  if (!/^[0-9a-f]{32}$/.test(text) || /^0+$/.test(text)) return undefined;
  const digest = new Bun.CryptoHasher("sha256", Buffer.from(text, "hex")).update(application).digest().subarray(0, 16);
  // marked as a random UUID (RFC 9562, version 4), as systemd does
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x40;
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80;
  return Buffer.from(digest).toString("hex");
}
