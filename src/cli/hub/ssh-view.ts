/** SSH details and checks for people. */
import type { SshCheck, SshDetails } from "#src/protocol/ssh.ts";

import { type Paint, harmless } from "../colour.ts";

/** What a check has found. */
export function renderCheck({ status, hostKey, jumpHostKey, host, problem }: SshCheck, paint: Paint): string {
  const keys = [
    ["jump host key", jumpHostKey],
    ["host key", hostKey],
  ] as const;
  const lines = keys.flatMap(([name, seen]) =>
    seen === null
      ? []
      : [
          `${name}: ${seen.fingerprint} (${harmless(seen.type, false)})${seen.approved === seen.fingerprint ? ", approved" : ""}`,
        ],
  );
  if (host !== null) {
    const { os, cpu, libc, systemd, docker, root, agentVersion, missing } = host;
    const parts = [
      os,
      cpu,
      libc,
      systemd ? "systemd" : "no systemd",
      docker === null ? "no Docker" : `Docker ${docker}`,
    ];
    lines.push(harmless([...parts, root ? "root" : "not root", `agent: ${agentVersion ?? "none"}`].join(", "), false));
    if (missing.length > 0) lines.push(paint("yellow", `missing: ${harmless(missing.join(", "), false)}`));
  }
  if (problem !== null) {
    const hint = problem.hint === null ? "" : `. ${problem.hint}`;
    lines.push(paint(status === "unapproved" ? "yellow" : "red", harmless(`${problem.message}${hint}`, false)));
  }
  if (status === "unapproved" || status === "changed")
    lines.push("Approve it: orion server ssh check SERVER --approve FINGERPRINT");
  if (status === "ok") lines.push(paint("green", "the hub can sign in"));
  return `${lines.join("\n")}\n`;
}

/** How a server is reached. */
export function renderDetails({ jump, sudo, ...host }: SshDetails): string {
  const hop = (one: NonNullable<SshDetails["jump"]>) => [
    `${one.user}@${one.host}:${one.port}, ${one.auth === "password" ? "with a password" : one.auth === "hub-key" ? "with the hub's own key" : "with a key"}`,
    ...(one.publicKey === null ? [] : [`  public key: ${one.publicKey}`]),
    `  host key: ${one.hostKey ?? "not approved yet"}`,
  ];
  const way = jump === null ? [] : ["by way of", ...hop(jump)];
  return `${[...hop(host), `  sudo: ${sudo}`, ...way].map((line) => harmless(line, false)).join("\n")}\n`;
}
