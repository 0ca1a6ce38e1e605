/** Host keys: what they are called, and what is said when one is not the one that was approved. */
import { hash } from "node:crypto";

import { Fault } from "#src/protocol/fault.ts";

/** `SHA256:…`, base64 without padding, as `ssh-keygen -l` prints it. @param key the key's blob, RFC 4253 section 6.6 */
export function fingerprintOf(key: Uint8Array): string {
  return `SHA256:${Buffer.from(hash("sha256", key, "buffer"))
    .toString("base64")
    .replace(/=+$/, "")}`;
}

/** The algorithm that a key's blob begins with, such as `ssh-ed25519`. */
export function keyTypeOf(key: Uint8Array): string {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
  if (bytes.length < 4) return "unknown";
  return bytes.toString("latin1", 4, 4 + Math.min(bytes.readUInt32BE(0), 64));
}

/** Nobody has approved a key of this host, so nothing secret is sent to it. */
export function unapprovedKey(host: string, seen: string): Fault {
  return new Fault("conflict", `the host key of ${host} is not approved yet: it shows ${seen}`, {
    hint: "Compare it with what `ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub` prints on the host, then approve it",
  });
}

/** The host shows another key than the approved one. Nothing was sent to it but the hub's greeting. */
export function changedKey(host: string, pinned: string, seen: string): Fault {
  return new Fault(
    "conflict",
    `the host key of ${host} has changed: approved is ${pinned}, it shows ${seen}. Somebody may stand in between, or the host was installed anew`,
    {
      hint: "Nothing was sent to it. If the change is meant, check the host's SSH details again and approve the new key",
    },
  );
}
