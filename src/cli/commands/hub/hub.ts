/** `orion hub`: the hub in the foreground. */
import { systemClock } from "#src/lib/clock.ts";

import { command } from "../../command.ts";
import { exitCodes } from "../../exit.ts";
import { createForegroundLog } from "../../foreground.ts";
import { printJson } from "../../output.ts";
import type { Session } from "../../session.ts";
import { untilSignal } from "../../signals.ts";
import { dataDirFlag } from "./folder.ts";

/** What systemd waits for a start by itself, in milliseconds (systemd-system.conf(5), DefaultTimeoutStartSec). */
const usualStartMs = 90_000;

export const hub = command({
  args: {
    port: { type: "string", valueHint: "port", description: "port to listen on (8420)" },
    host: { type: "string", valueHint: "address", description: "address to listen on (127.0.0.1)" },
    ...dataDirFlag,
    "public-url": { type: "string", valueHint: "url", description: "the address that people and agents use" },
    "tls-cert": { type: "string", valueHint: "file", description: "PEM file of the certificate with its chain" },
    "tls-key": {
      type: "string",
      valueHint: "file",
      description: "PEM file of its key; both are read again when renewed",
    },
    "trust-proxy": {
      type: "string",
      valueHint: "proxies",
      description: "proxies with TLS that stand before the hub: how many, or their addresses (10.0.0.0/8)",
    },
    "insecure-http": { type: "boolean", description: "listen beyond this machine without TLS" },
    "admin-email": { type: "string", valueHint: "email", description: "the first owner, made at the first start" },
    "admin-password-file": { type: "string", valueHint: "file", description: "file with the first owner's password" },
  },
  about: [
    "Serves until SIGTERM or Ctrl-C. Settings also come from ORION_HUB_* variables and hub.json.",
    "While nobody has an account it prints a one-time link to make the first one.",
  ].join("\n"),
  async run({ args, session }) {
    const [{ createHub, longestCopyMs }, { readHubSettings }] = await Promise.all([
      import("#src/hub/hub.ts"),
      import("#src/hub/settings.ts"),
    ]);
    const given = {
      port: args.port,
      host: args.host,
      dataDir: args["data-dir"],
      publicUrl: args["public-url"],
      tlsCert: args["tls-cert"],
      tlsKey: args["tls-key"],
      trustProxy: args["trust-proxy"],
      insecureHttp: args["insecure-http"] === true ? true : undefined,
      adminEmail: args["admin-email"],
      adminPasswordFile: args["admin-password-file"],
    };
    const flags = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    const settings = readHubSettings(flags, session.environment.variables, session.dir);
    const log = createForegroundLog();
    const running = createHub(settings, { clock: systemClock, log });
    const stopped = untilSignal(log.error);
    // a new version may have to copy its databases first, which is one long step
    await tellSystemd(session, `EXTEND_TIMEOUT_USEC=${(usualStartMs + longestCopyMs(settings.dataDir)) * 1000}`);
    const { url, port } = await running.start();
    if (session.json) await printJson({ url, port, pid: process.pid });
    await tellSystemd(session, "READY=1", `STATUS=serves ${url}`);
    await stopped;
    await tellSystemd(session, "STOPPING=1");
    await running.stop();
    return exitCodes.done;
  },
});

/** As sd_notify(3) does, when systemd started us and waits for it. */
async function tellSystemd({ environment }: Session, ...lines: readonly string[]): Promise<void> {
  const address = environment.variables["NOTIFY_SOCKET"];
  if (address === undefined || address === "") return;
  const { sendDatagram } = await import("#src/lib/libc.ts");
  // a lost message is not worth a word: systemd says that the start took too long
  sendDatagram(address, lines.join("\n"));
}
