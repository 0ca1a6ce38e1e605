/** The method docker: the hub sends an image made of its own program to an engine, and runs it as the reference does. */
import { readFileSync } from "node:fs";

import { expect, setDefaultTimeout, test } from "bun:test";

import { sshdMissing, startSshd } from "#test/hub/ssh/sshd.ts";

import { docker, gateway, imageMissing, tryDocker } from "./kit/image.ts";
import { startSshHub, story } from "./kit/ssh-host.ts";

setDefaultTimeout(300_000);

const container = "orion-agent";
const isRoot = process.getuid?.() === 0;

async function cleanUp(): Promise<void> {
  for (const name of [container, `${container}-before`]) await tryDocker("rm", "--force", "--volumes", name);
  await tryDocker("volume", "rm", "--force", container);
}

/** Why it can't be tried here: it would take away an agent that somebody uses on this machine. */
async function missing(): Promise<boolean> {
  if (imageMissing() !== undefined || sshdMissing() !== undefined || !isRoot) return true;
  return process.env["CI"] !== "true" && (await tryDocker("container", "inspect", container)).code === 0;
}

test.skipIf(await missing())(
  "an agent in a container is sent, runs, is replaced with its volume kept, and taken away",
  async () => {
    await using sshd = await startSshd();
    await using hub = await startSshHub(await gateway());
    const auth = { kind: "key", privateKey: readFileSync(sshd.at("user"), "utf8") };
    const server = await hub.addServer({ host: "127.0.0.1", port: sshd.port, user: sshd.user, auth });
    const tag = `orion-agent:${(await hub.call<{ info: { version: string } }>("GET", "/api/openapi.json")).info.version}`;
    try {
      // an image that can't be pulled changes nothing
      const lost = await hub.deploy(server.id, { method: "docker", image: "127.0.0.1:1/none" });
      expect(lost.problem?.message).toStartWith("the image 127.0.0.1:1/none could not be pulled: ");
      expect((await tryDocker("container", "inspect", container)).code).not.toBe(0);

      const job = await hub.deploy(server.id, { method: "docker" });
      expect(story(job)).toStartWith("done\n");
      expect((await hub.server(server.id)).agent.status).toBe("connected");
      const { HostConfig, Config } = JSON.parse(
        await docker("container", "inspect", "--format", "{{json .}}", container),
      ) as {
        HostConfig: { RestartPolicy: { Name: string }; GroupAdd: string[]; Binds: string[]; Privileged: boolean };
        Config: { User: string; Image: string; Env: string[] };
      };
      const socket = "/var/run/docker.sock";
      const group = Bun.spawnSync(["stat", "-c", "%g", socket]).stdout.toString().trim();
      expect([HostConfig.RestartPolicy.Name, HostConfig.GroupAdd, HostConfig.Privileged]).toEqual([
        "unless-stopped",
        [group],
        false,
      ]);
      expect([...HostConfig.Binds].sort()).toEqual(
        [`${container}:/var/lib/orion`, "/proc:/host/proc:ro", `${socket}:${socket}:ro`].sort(),
      );
      expect([Config.User, Config.Image]).toEqual(["1000:1000", tag]);
      expect(Config.Env).toContain("OCORE_PROC_PATH=/host/proc");
      const first = await docker("container", "inspect", "--format", "{{.Id}}", container);

      // one that can't report makes way for the one before
      const volume = await docker("volume", "inspect", "--format", "{{.CreatedAt}}", container);
      const failed = await hub.call<{ id: string }>("POST", `/api/servers/${server.id}/agent/deploy`, {
        method: "docker",
        apiUrl: "http://127.0.0.1:1",
      });
      for (;;) {
        const { steps, state } = await hub.call<{ steps: { state: string }[]; state: string }>(
          "GET",
          `/api/jobs/${failed.id}`,
        );
        if (steps[5]?.state === "running" || state === "failed") break;
        await Bun.sleep(50);
      }
      await hub.call("DELETE", `/api/jobs/${failed.id}`);
      expect((await hub.finished(failed.id)).state).toBe("cancelled");
      expect(await docker("container", "inspect", "--format", "{{.Id}} {{.State.Running}}", container)).toBe(
        `${first} true`,
      );
      expect((await tryDocker("container", "inspect", `${container}-before`)).code).not.toBe(0);

      const again = await hub.deploy(server.id, { method: "docker" });
      expect(story(again)).toStartWith("done\n");
      expect(again.steps[2]?.output).toContain(`the host has the image ${tag} already`);
      expect(await docker("container", "inspect", "--format", "{{.Id}}", container)).not.toBe(first);
      expect(await docker("volume", "inspect", "--format", "{{.CreatedAt}}", container)).toBe(volume);
      expect((await tryDocker("container", "inspect", `${container}-before`)).code).not.toBe(0);
      expect(Bun.spawnSync(["sh", "-c", "ls -d /var/lib/.orion-deploy.*"]).exitCode).not.toBe(0);
    } finally {
      await cleanUp();
      await tryDocker("image", "rm", "--force", tag);
    }
  },
);
