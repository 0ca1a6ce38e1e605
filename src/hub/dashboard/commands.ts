/** What to type on a server or in an application to be connected to this hub. */

/** Where the installer is. */
const installer = "https://install.orion.dev";

/** Stands where a token is that can't be shown again. */
export const unknownToken = { source: "ost_…", enrolment: "oet_…" } as const;

/** Whether an agent has to be told that its traffic to this hub may go in the clear. */
function isInsecure(hub: string): boolean {
  const { protocol, hostname } = new URL(hub);
  return protocol === "http:" && !/^(?:localhost|.*\.localhost|127\.[\d.]+|\[::1\])$/.test(hostname);
}

const setupFlags = (hub: string, token: string): string =>
  `--api-url ${hub} --token ${token}${isInsecure(hub) ? " --insecure-http" : ""} --yes`;

export const installCommand = `curl -fsSL ${installer} | sudo bash`;

export function setupServerCommand(hub: string, token: string): string {
  return `sudo orion setup --server ${setupFlags(hub, token)}`;
}

/** User data for a machine that is yet to be made (cloudinit.readthedocs.io, module runcmd). */
export function cloudInit(hub: string, token: string): string {
  return [
    "#cloud-config",
    "runcmd:",
    `  - curl -fsSL ${installer} | bash`,
    `  - orion setup --server ${setupFlags(hub, token)}`,
  ].join("\n");
}

/** An agent that is configured by its environment alone. */
export function agentCommand(hub: string, serverId: string, token: string): string {
  return [
    `ORION_ENDPOINT=${hub} \\`,
    `ORION_SERVER_ID=${serverId} \\`,
    `ORION_AGENT_TOKEN=${token} \\`,
    ...(isInsecure(hub) ? ["ORION_INSECURE_HTTP=true \\"] : []),
    "orion agent",
  ].join("\n");
}

/** Members of `/etc/orion/config.json`, which the agent reads again when it changes. */
export function agentConfig(hub: string, serverId: string, token: string): string {
  return JSON.stringify({ apiUrl: hub, serverId, token, ...(isInsecure(hub) ? { insecureHttp: true } : {}) }, null, 2);
}

export function curlLogs(hub: string, token: string): string {
  return [
    `curl ${hub}/api/logs \\`,
    `  -H "Authorization: Bearer ${token}" \\`,
    '  -H "Content-Type: application/json" \\',
    `  -d '{"level":"info","message":"hello from curl"}'`,
  ].join("\n");
}

/** Settings that every OpenTelemetry SDK reads (opentelemetry.io/docs/specs/otel/protocol/exporter). */
export function otlpEnvironment(hub: string, token: string, source: string): string {
  return [
    `OTEL_SERVICE_NAME=${source}`,
    "OTEL_LOGS_EXPORTER=otlp",
    `OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=${hub}/v1/logs`,
    "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=http/protobuf",
    // the value is percent-encoded, as baggage is
    `OTEL_EXPORTER_OTLP_LOGS_HEADERS=authorization=Bearer%20${token}`,
  ].join("\n");
}

/** `.orion/config.json` of an application. */
export function sourceConfig(hub: string, token: string, project: string, source: string): string {
  return JSON.stringify({ token, apiUrl: hub, project, source }, null, 2);
}
