/** All checks, in the order in which a person would look. */
import { checkDaemon } from "./daemon.ts";
import { checkDocker, findEngines } from "./docker.ts";
import { checkScriptsFile } from "./files.ts";
import type { Finding, Patient } from "./finding.ts";
import { checkProcfs, checkSpace } from "./host.ts";
import { checkHub } from "./hub.ts";
import { checkWay } from "./network.ts";
import { checkLogin } from "./login.ts";
import { checkSettings } from "./settings.ts";

/** Works without a daemon and without a hub: what can't be looked at is a finding. */
export async function examine(patient: Patient): Promise<readonly Finding[]> {
  const [daemon, settings] = await Promise.all([checkDaemon(patient), checkSettings(patient)]);
  const { known } = settings;
  // the daemon may be configured by variables that only its service has
  const endpoint = known.endpoint ?? daemon.status?.delivery.endpoint ?? undefined;
  const [toHub, docker, login] = await Promise.all([
    endpoint === undefined ? [] : checkEndpoint(endpoint),
    checkDocker(known, daemon.status, patient.uid, findEngines(patient)),
    checkLogin(patient.session),
  ]);
  return [
    ...daemon.findings,
    ...settings.findings,
    ...checkScriptsFile(patient),
    ...toHub,
    ...checkProcfs(known),
    ...checkSpace(patient, known),
    ...docker,
    ...login,
  ];

  async function checkEndpoint(endpoint: string): Promise<readonly Finding[]> {
    const way = await checkWay(endpoint, known);
    return way.open ? [...way.findings, ...(await checkHub(endpoint, known))] : way.findings;
  }
}
