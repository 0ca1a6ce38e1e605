/** How a server is, in a colour and in words. */
import type { Server } from "#src/protocol/api.ts";

export function statusOf({ agent, latest }: Server): { readonly tone: "good" | "idle" | "bad"; readonly text: string } {
  if (agent.status === "connected") return { tone: "good", text: "connected" };
  if (agent.transport === "ssh") return { tone: "idle", text: "no agent, watched over SSH" };
  return latest === null ? { tone: "idle", text: "waiting for its agent" } : { tone: "bad", text: "disconnected" };
}
