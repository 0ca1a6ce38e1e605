/** Taking an agent away again: the program and its service, or its container. Config and data stay, as install.sh leaves them. */
import { Fault } from "#src/protocol/fault.ts";
import type { Job } from "#src/protocol/job.ts";
import type { JobPlan } from "../jobs.ts";
import type { OpenSession, SshSession, SshTargets } from "../port.ts";
import { fullPath, programPath } from "./facts.ts";
import { endEarlier, occupied } from "./sending.ts";

export type UninstallWorld = {
  readonly targets: Pick<SshTargets, "targetOf">;
  readonly openSession: OpenSession;
  /** No agent can report as this server any more. */
  readonly revoke: (serverId: string) => Promise<boolean>;
};

export const uninstallSteps = ["connect", "remove", "revoke the token"];

const connectWithinMs = 30_000;
const removeWithinMs = 120_000;

/** Every part can be done twice; it goes on when the connection is cut. */
const script = `
${fullPath}
trap '' HUP PIPE
UNIT=/etc/systemd/system/orion-agent.service
fail() { echo "$1" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
if [ -e "$UNIT" ] && [ -d /run/systemd/system ]; then
  systemctl disable --now --quiet orion-agent || fail "orion-agent did not stop: see journalctl -u orion-agent"
  rm -f "$UNIT" || exit 1
  systemctl daemon-reload
  echo "stopped the service orion-agent and removed it"
fi
if have docker && docker container inspect orion-agent >/dev/null 2>&1; then
  docker rm --force orion-agent >/dev/null || exit 1
  echo "removed the container orion-agent; its volume orion-agent stays"
fi
pid=$(cat /run/orion/agent.lock 2>/dev/null)
case $(readlink "/proc/$pid/exe" 2>/dev/null) in
  ${programPath} | "${programPath} (deleted)") fail "an agent still runs as pid $pid: stop it first" ;;
esac
if [ -e ${programPath} ] && [ -e /etc/systemd/system/orion-hub.service ] && systemctl is-active --quiet orion-hub; then
  echo "${programPath} stays: a hub runs on this host"
elif [ -e ${programPath} ]; then
  rm -f ${programPath} ${programPath}.previous || exit 1
  echo "removed ${programPath}; config stays in /etc/orion"
fi
exit 0
`;

export function createUninstallPlan({ targets, openSession, revoke }: UninstallWorld, { serverId }: Job): JobPlan {
  let session: SshSession | undefined;
  return {
    steps: [
      {
        name: "connect",
        async run({ signal, say }) {
          const target = await targets.targetOf(serverId);
          if (target === null) {
            throw new Fault("conflict", "the server has no SSH details", {
              hint: "Give them with PUT /api/servers/:id/ssh",
            });
          }
          session = await openSession(target, { timeoutMs: connectWithinMs, signal });
          say(`signed in; host key ${session.hostKey}\n`);
          if (!(await endEarlier({ session, view: { say, signal } }, serverId, removeWithinMs))) throw occupied();
        },
      },
      {
        name: "remove",
        async run({ signal, say }) {
          if (session === undefined) throw new Fault("failed", "there is no connection to the host");
          const options = { asRoot: true, timeoutMs: removeWithinMs, signal, onOutput: say };
          const { code, stderr } = await session.run(script, options);
          if (code === 0) return;
          throw new Fault("failed", `the agent could not be removed: ${stderr.trim() || `exit code ${code}`}`, {
            hint: "See the output of this step; it can be done again",
          });
        },
      },
      {
        name: "revoke the token",
        async run({ say }) {
          if (!(await revoke(serverId))) throw new Fault("not-found", "there is no such server any more");
          say("no agent can report as this server any more\n");
        },
      },
    ],
    // what is half removed is removed by doing it again, not put back
    undo: async () => undefined,
    close: () => session?.close(),
  };
}
