/** A private certificate authority for a test, made with openssl(1). */
import { writeFileSync } from "node:fs";

import { type Folder, temporaryFolder } from "#test/kit/folder.ts";

export type Certificate = { readonly cert: string; readonly key: string };

export type Authority = AsyncDisposable & {
  /** its own certificate, PEM */
  readonly caFile: string;
  /** Signs a certificate for `names` (`DNS:localhost,IP:127.0.0.1`), valid between two times as `YYYYMMDDHHMMSSZ`. */
  sign(names: string, from?: string, to?: string): Certificate;
};

const settings = (folder: Folder): string => `
[ca]
default_ca = own
[own]
database = ${folder.at("index")}
serial = ${folder.at("serial")}
new_certs_dir = ${folder.path}
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
`;

export function createAuthority(): Authority {
  const folder = temporaryFolder();
  const at = (name: string): string => folder.at(name);
  writeFileSync(at("ca.cnf"), settings(folder));
  writeFileSync(at("index"), "");
  writeFileSync(at("serial"), "01\n");
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(["req", "-x509", ...newKey, "-keyout", at("ca.key"), "-out", at("ca.pem"), "-subj", "/CN=Test authority"]);
  let made = 0;
  return {
    caFile: at("ca.pem"),
    sign(names, from = "20200101000000Z", to = "20990101000000Z") {
      const name = `leaf${made++}`;
      const [key, request, cert] = [at(`${name}.key`), at(`${name}.csr`), at(`${name}.pem`)];
      const subject = ["-subj", "/CN=hub", "-addext", `subjectAltName=${names}`];
      openssl(["req", ...newKey, "-keyout", key, "-out", request, ...subject]);
      const signer = ["-config", at("ca.cnf"), "-cert", at("ca.pem"), "-keyfile", at("ca.key")];
      const dates = ["-startdate", from, "-enddate", to];
      openssl(["ca", "-batch", "-notext", ...signer, ...dates, "-in", request, "-out", cert]);
      return { cert, key };
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

function openssl(words: readonly string[]): void {
  const done = Bun.spawnSync(["openssl", ...words], { stdout: "pipe", stderr: "pipe" });
  if (done.exitCode !== 0) throw new Error(`openssl ${words.join(" ")}: ${done.stderr.toString()}`);
}
