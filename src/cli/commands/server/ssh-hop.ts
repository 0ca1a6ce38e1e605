/** A host to sign in to, as people type it. */
import type { SshAuth } from "#src/protocol/ssh.ts";
import { reasonOf } from "#src/protocol/fault.ts";

import { usageFault } from "../../exit.ts";

export type HopFiles = {
  /** the hub's own key, whatever it has kept */
  readonly hubKey: boolean;
  readonly key: string | undefined;
  readonly passphraseFile: string | undefined;
  readonly passwordFile: string | undefined;
};

export type Hop = { readonly host: string; readonly port: number; readonly user: string; readonly auth?: SshAuth };

/** `user@host`, `user@host:22`, `user@[2001:db8::1]:22`. @throws {CliFault} it is not, or a file can't be read */
export async function readHop(prefix: string, text: string, files: HopFiles): Promise<Hop> {
  const found = /^([^@\s]+)@(?:\[([^\]\s]+)\]|([^@:\s]+))(?::(\d{1,5}))?$/.exec(text);
  if (found === null) throw usageFault(`"${text}" is no address to sign in to`, "Write user@host, or user@host:port");
  const [, user = "", address, name, port = "22"] = found;
  const auth = await readAuth(prefix, files);
  return { host: address ?? name ?? "", port: Number(port), user, ...(auth === undefined ? {} : { auth }) };
}

async function readAuth(
  prefix: string,
  { hubKey, key, passphraseFile, passwordFile }: HopFiles,
): Promise<SshAuth | undefined> {
  if (hubKey) return { kind: "hub-key" };
  if (key !== undefined && passwordFile !== undefined)
    throw usageFault(`--${prefix}key and --${prefix}password-file can't go together`, "Give one of them");
  if (passwordFile !== undefined) {
    return { kind: "password", password: await readSecret(`--${prefix}password-file`, passwordFile) };
  }
  if (key === undefined) return undefined;
  const privateKey = await readSecret(`--${prefix}key`, key);
  if (passphraseFile === undefined) return { kind: "key", privateKey };
  return { kind: "key", privateKey, passphrase: await readSecret("--passphrase-file", passphraseFile) };
}

/** The content of a file, or with `-` of stdin, without its last line break. @throws {CliFault} it can't be read */
export async function readSecret(flag: string, path: string): Promise<string> {
  try {
    const text = path === "-" ? await Bun.stdin.text() : await Bun.file(path).text();
    return text.replace(/\r?\n$/, "");
  } catch (error) {
    throw usageFault(`${flag} can't be read: ${reasonOf(error)}`, "Name a file that this user may read");
  }
}
