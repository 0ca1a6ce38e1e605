/** What a registration leaves behind, whoever asked for it: the answer with the token, and the entry in the trail. */
import type { Registration } from "#src/protocol/project.ts";
import type { Trail } from "../audit.ts";
import type { ProjectView, Servers } from "../ports.ts";
import { jsonText, serverJson } from "./server-view.ts";

export type RegisteringDeps = { readonly servers: Servers; readonly trail: Trail };

/** Registers a host in `project` and answers with the server and its new token. Rejects as `Servers.register` does. */
export async function register(
  { servers, trail }: RegisteringDeps,
  call: Parameters<Trail>[0],
  project: ProjectView,
  { project: _, ...host }: Registration,
  complete: (serverId: string) => Promise<unknown> = async () => undefined,
): Promise<Response> {
  const { server, token, created } = await servers.register({ ...host, projectId: project.id });
  await complete(server.id);
  const action = host.renamedFrom === undefined ? "server.registered" : "server.renamed";
  await trail(
    call,
    action,
    { kind: "server", id: server.id, name: server.hostname },
    {
      project: project.name,
      created,
    },
  );
  return jsonText(serverJson(servers, server, { token }), 201);
}
