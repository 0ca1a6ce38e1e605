/** The agent's settings, as the agent itself reads them. */
import { Fault } from "#src/protocol/fault.ts";
import { version } from "#src/protocol/version.ts";

import { checkConfigRights, readersTodo } from "./files.ts";
import { type Finding, type Patient, fail, ok, warn } from "./finding.ts";

/** What later checks need to know. */
export type Known = {
  readonly endpoint: string | undefined;
  readonly token: string | undefined;
  readonly serverId: string | undefined;
  readonly caFile: string | undefined;
  readonly insecureHttp: boolean;
  readonly procPath: string;
  readonly diskPath: string;
  readonly dockerSocket: string;
  readonly bufferBytes: number;
};

const unknown: Known = {
  endpoint: undefined,
  token: undefined,
  serverId: undefined,
  caFile: undefined,
  insecureHttp: false,
  procPath: "/proc",
  diskPath: "/",
  dockerSocket: "/var/run/docker.sock",
  bufferBytes: 268_435_456,
};

export async function checkSettings(patient: Patient): Promise<{ findings: readonly Finding[]; known: Known }> {
  const { openSettings } = await import("#src/agent/agent.ts");
  try {
    const settings = openSettings({ env: patient.variables, dir: patient.dir, version });
    const { config, connection } = settings.current();
    // what is broken here breaks the agent: only a misspelt key does no harm
    const findings = settings
      .problems()
      .map(({ what, why, todo }) =>
        (what.includes("not known") ? warn : fail)("config", `${what}: ${why}`, readersTodo(todo, patient.uid)),
      );
    if (findings.length === 0)
      findings.push(
        connection === null ? noHub(patient) : ok("config", `${settings.paths.config} and environment are well`),
      );
    const known = {
      endpoint: connection?.apiUrl ?? config.apiUrl,
      token: connection?.token,
      serverId: connection?.serverId,
      caFile: connection?.caFile ?? config.caFile,
      insecureHttp: config.insecureHttp,
      procPath: config.procPath,
      diskPath: config.diskPath,
      dockerSocket: config.dockerSocket,
      bufferBytes: config.buffer.maxBytes,
    };
    return { findings: [...findings, ...checkConfigRights(patient)], known };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { findings: [fail("config", error.message, error.hint ?? "Correct it")], known: unknown };
  }
}

const noHub = ({ paths }: Patient): Finding =>
  warn(
    "config",
    "no hub is configured: entries are kept on this host only",
    `Connect it: sudo orion setup --server (or set apiUrl, token and serverId in ${paths.config})`,
  );
