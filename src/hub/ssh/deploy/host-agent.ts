/** The agent that a host has now: its config file, or the environment of its container. */
import { Fault } from "#src/protocol/fault.ts";
import type { SshSession } from "../port.ts";
import { fullPath } from "./facts.ts";

const readWithinMs = 20_000;
const maxConfigBytes = 1_048_576;

/** What `config.json` holds; its keys stay, also those that nobody knows. */
export type AgentConfig = Readonly<Record<string, unknown>>;

/** Rejects with a Fault `failed` when there is one that is no JSON object: it must not be overwritten. */
export async function readAgentConfig(session: SshSession, signal?: AbortSignal): Promise<AgentConfig> {
  const { code, stdout } = await session.run("[ -e /etc/orion/config.json ] || exit 3; cat /etc/orion/config.json", {
    asRoot: true,
    timeoutMs: readWithinMs,
    maxOutputBytes: maxConfigBytes,
    ...(signal === undefined ? {} : { signal }),
  });
  if (code === 3) return {};
  const value = parsed(stdout);
  if (code === 0 && typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new Fault("failed", "/etc/orion/config.json on the host can't be used: it is no JSON object", {
    hint: "Mend or remove it there",
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // no object either, which is what the caller says
    return undefined;
  }
}

/** Variables of the agent's container, without their prefix; empty: there is none. */
export async function readContainerSettings(session: SshSession, signal?: AbortSignal): Promise<Map<string, string>> {
  const script = `${fullPath}
docker container inspect --format '{{range .Config.Env}}{{println .}}{{end}}' orion-agent 2>/dev/null`;
  const { stdout } = await session.run(script, {
    asRoot: true,
    timeoutMs: readWithinMs,
    ...(signal === undefined ? {} : { signal }),
  });
  const lines = stdout.split("\n").flatMap((line) => {
    const found = /^(?:ORION|OCORE)_([A-Z_]+)=(.*)$/.exec(line);
    return found === null ? [] : [[found[1] ?? "", found[2] ?? ""] as const];
  });
  return new Map(lines);
}

/** Tokens that the host would report with. */
export async function tokensOnHost(session: SshSession): Promise<readonly string[]> {
  const config = await readAgentConfig(session).catch((error: unknown) => {
    // one that can't be read holds no token that an agent could use
    if (error instanceof Fault && error.code === "failed") return {};
    throw error;
  });
  const { token } = config as { readonly token?: unknown };
  const inContainer = (await readContainerSettings(session)).get("AGENT_TOKEN");
  return [typeof token === "string" ? token : undefined, inContainer].filter((one) => one !== undefined);
}
