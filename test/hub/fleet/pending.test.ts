import { describe, expect, test } from "bun:test";

import { beat, fleetOn } from "./rig.ts";

describe("a token that is offered", () => {
  test("is good beside the old one, and the old one is dead once it is settled on", async () => {
    const { clock, fleet, register } = fleetOn();
    const { server, token } = await register("web-1");
    const offered = (await fleet.offerToken(server.id)) ?? "";
    expect(fleet.offeredToken(server.id)?.usedAtMs).toBeNull();
    expect(fleet.authenticate(server.id, token)).toBe(true);
    expect(fleet.offeredToken(server.id)?.usedAtMs).toBeNull();
    clock.advance(5);
    expect(fleet.authenticate(server.id, offered)).toBe(true);
    expect(fleet.offeredToken(server.id)?.usedAtMs).toBe(clock.now());
    const kinds = [token, offered, "oat_x"].map((one) => fleet.tokenKind(server.id, one));
    expect(kinds).toEqual(["current", "offered", null]);
    const died: string[] = [];
    fleet.onTokenDead((id) => died.push(id));
    await fleet.settleToken(server.id, "new");
    expect([fleet.authenticate(server.id, token), fleet.authenticate(server.id, offered)]).toEqual([false, true]);
    expect(died).toEqual([server.id]);
  });

  test("is dead when the old one is kept", async () => {
    const { fleet, register } = fleetOn();
    const { server, token } = await register("web-1");
    const offered = (await fleet.offerToken(server.id)) ?? "";
    await fleet.settleToken(server.id, "old");
    expect([fleet.authenticate(server.id, token), fleet.authenticate(server.id, offered)]).toEqual([true, false]);
  });

  test("that could not be ended for good can be ended again", async () => {
    // Before, the second try did nothing and said so to nobody: the token was good again after a restart.
    const { failing, pending, fleet, register } = fleetOn();
    const { server } = await register("web-1");
    await fleet.offerToken(server.id);
    failing.puts = true;
    expect(await fleet.revoke(server.id).catch((error: unknown) => (error as Error).message)).toBe("disk full");
    failing.puts = false;
    expect([await fleet.revoke(server.id), pending.size]).toEqual([true, 0]);
  });

  test("lives through a restart", async () => {
    const { disk, pending, fleet, register } = fleetOn();
    const { server } = await register("web-1");
    const offered = (await fleet.offerToken(server.id)) ?? "";
    const again = fleetOn([...disk.values()], pending);
    await again.fleet.open();
    expect(again.fleet.authenticate(server.id, offered)).toBe(true);
    await again.fleet.close();
  });

  test("ends with every other new token, and with the server", async () => {
    const { fleet, register } = fleetOn();
    const { server } = await register("web-1");
    const ends: readonly (() => Promise<unknown> | undefined)[] = [
      () => fleet.rotate(server.id),
      () => fleet.revoke(server.id),
      () => register("web-1"),
      () => fleet.remove(server.id),
    ];
    for (const end of ends) {
      const offered = (await fleet.offerToken(server.id)) ?? "";
      await end();
      expect(fleet.authenticate(server.id, offered)).toBe(false);
    }
    expect(await fleet.offerToken(server.id)).toBeUndefined();
  });

  test("lets an agent of a revoked server report again", async () => {
    const { fleet, register } = fleetOn();
    const { server } = await register("web-1");
    await fleet.revoke(server.id);
    await fleet.offerToken(server.id);
    fleet.beat(server.id, beat);
    expect(fleet.status(server).status).toBe("connected");
  });
});
