/** A hub that runs as a service on a host, and a way to ask it from there. */
import type { Host } from "#test/kit/host.ts";

/** Makes its first owner and a key, as its operator does. @returns the beginning of a signed-in curl command */
export async function foundHub(host: Host): Promise<string> {
  const asHub = "runuser -u orion -- orion hub";
  await host.run(`${asHub} admin create --email owner@example.com --password-file -`, "correct horse battery\n");
  const key = await host.run(`${asHub} token key --name tests`);
  return `curl -fsS -H 'Authorization: Bearer ${key}'`;
}
