import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { type Accounts, createAccounts } from "#src/hub/auth/accounts.ts";
import type { DeviceRow, From, SignedInPerson } from "#src/hub/auth/ports.ts";
import { agreeOnSecret, openSecret } from "#src/hub/auth/secret.ts";
import { agreeOn, announceChanges, openCluster } from "#src/hub/store/cluster/cluster.ts";
import { openPostgresAuth } from "#src/hub/store/postgres/auth.ts";
import { openPostgres } from "#src/hub/store/postgres/connection.ts";
import { keep } from "#src/lib/keep.ts";
import { systemClock } from "#src/lib/clock.ts";
import { codeOf } from "#test/hub/kit/authenticator.ts";
import { failureOf } from "#test/kit/failure.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { freshDatabase, havePostgres, startPostgres } from "#test/kit/postgres.ts";
import { until } from "#test/kit/wait.ts";

const log = { info: () => undefined, warn: () => undefined };
const clock = systemClock;
const email = "owner@example.com";
const password = "correct horse battery";

/** What all hubs share beside the database of accounts. */
function createShared() {
  const devices = new Map<string, DeviceRow>();
  const organizations: string[] = [];
  return {
    organizations,
    devices: {
      putDevice: async (row: DeviceRow) => void devices.set(row.userCode, row),
      device: async (userCode: string) => devices.get(userCode),
    },
  };
}

type Hub = AsyncDisposable & { readonly accounts: Accounts };

async function openHub(url: string, folder: string, shared = createShared()): Promise<Hub> {
  const postgres = await openPostgres(url, { clock, log });
  const secret = openSecret(folder);
  try {
    await agreeOnSecret(secret, (value) => agreeOn(postgres, "secret", value));
  } catch (error) {
    await postgres.close();
    throw error;
  }
  const cluster = await openCluster({ postgres, clock, log });
  const accounts = await createAccounts({
    database: openPostgresAuth(postgres),
    secret,
    secure: false,
    oidc: null,
    devices: shared.devices,
    audit: { record: async () => undefined },
    onOrganization: async (id) => void shared.organizations.push(id),
    changed: (id) => keep(announceChanges(postgres, cluster.hubId(), [{ kind: "person", id }]), () => undefined),
    clock,
    log,
  });
  cluster.onChanges((changes) => {
    if (changes === null || changes.some(({ kind }) => kind === "person")) keep(accounts.refresh(), () => undefined);
  });
  return {
    accounts,
    async [Symbol.asyncDispose]() {
      await accounts.close();
      await cluster.close();
      await postgres.close();
    },
  };
}

/** A request with what a browser or a command line sends. */
function from(cookies: readonly string[] = [], token?: string): From {
  const headers = new Headers();
  const pairs = cookies.map((cookie) => cookie.split(";")[0] ?? "").filter((pair) => !pair.endsWith("="));
  if (pairs.length > 0) headers.set("cookie", pairs.join("; "));
  if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
  return { request: new Request("http://localhost/", { headers }), address: "127.0.0.1" };
}

async function signIn({ accounts }: Hub, with_ = password) {
  const attempt = await accounts.signIn(from(), email, with_);
  if (attempt.state !== "signed-in") throw new Error(`not signed in: ${attempt.state}`);
  return { person: attempt.person, from: from(attempt.cookies), cookies: attempt.cookies };
}

const identify = ({ accounts }: Hub, { request }: From): Promise<SignedInPerson | null> => accounts.identify(request);

// a loaded machine takes its time
setDefaultTimeout(60_000);

describe.skipIf(!havePostgres)("accounts of several hubs on one database (needs PostgreSQL)", () => {
  test("the setup link of any hub is good on any, once", async () => {
    await using database = await freshDatabase();
    await using folder = temporaryFolder();
    const shared = createShared();
    // all at once, on an empty database
    const hubs = await Promise.all([1, 2, 3].map(() => openHub(database.url, folder.path, shared)));
    const [one, two, three] = hubs;
    if (one === undefined || two === undefined || three === undefined) throw new Error("no hubs");
    const token = one.accounts.setupToken();
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(hubs.map(({ accounts }) => accounts.setupToken())).toEqual([token, token, token]);
    const owner = (n: number) => ({ token: token ?? "", email: `${n}@example.com`, password });
    const tries = await Promise.allSettled(hubs.map(({ accounts }, n) => accounts.setup(from(), owner(n))));
    const refused = tries.filter((end) => end.status === "rejected").map(({ reason }): unknown => reason);
    expect(refused).toMatchObject([{ code: "conflict" }, { code: "conflict" }]);
    await until(() => hubs.every(({ accounts }) => accounts.setupToken() === null), "all to know of the owner");
    expect(hubs.map(({ accounts }) => accounts.methods().setup)).toEqual([false, false, false]);
    await until(() => new Set(hubs.map(({ accounts }) => accounts.soleOrganization())).size === 1);
    expect(one.accounts.soleOrganization()).toBe(shared.organizations[0] ?? "");
    expect(shared.organizations).toHaveLength(1);
    expect(await three.accounts.people()).toHaveLength(1);
    // a hub that comes later has nothing to set up
    await using late = await openHub(database.url, folder.path, shared);
    expect(late.accounts.setupToken()).toBeNull();
    // Before, the link was the secret's alone: whoever had read it once could take over the next database with it
    await using next = await freshDatabase();
    await using empty = await openHub(next.url, folder.path, shared);
    expect(await failureOf(empty.accounts.setup(from(), owner(9)))).toMatchObject({ code: "denied" });
    for (const hub of hubs) await hub[Symbol.asyncDispose]();
  });

  test("a session is good on all, and ends on all at once", async () => {
    await using database = await freshDatabase();
    await using folder = temporaryFolder();
    await using one = await openHub(database.url, folder.path);
    await using two = await openHub(database.url, folder.path);
    await one.accounts.createOwner({ email, password });
    const first = await signIn(two);
    expect(await identify(one, first.from)).toEqual(first.person);
    expect((await two.accounts.sessions(first.person)).sessions).toHaveLength(1);
    await one.accounts.signOut(first.from);
    expect(await identify(one, first.from)).toBeNull();
    await until(async () => (await identify(two, first.from)) === null, "the session to end on the other hub");

    const second = await signIn(one);
    const third = await signIn(two);
    expect(await identify(two, second.from)).toEqual(second.person);
    await one.accounts.changePassword(second.from, second.person, password, "another good password");
    await until(async () => (await identify(two, third.from)) === null, "other sessions to end");
    expect(await two.accounts.signIn(from(), email, password)).toMatchObject({ state: "refused" });
    expect((await signIn(two, "another good password")).person.email).toBe(email);
  });

  test("a device asks one hub, is approved on another, and comes for its session on the other", async () => {
    await using database = await freshDatabase();
    await using folder = temporaryFolder();
    const shared = createShared();
    await using one = await openHub(database.url, folder.path, shared);
    await using two = await openHub(database.url, folder.path, shared);
    await one.accounts.createOwner({ email, password });
    const owner = await signIn(two);
    const wish = { clientId: "orion-cli", hostname: "web-1", purpose: "login" as const };
    const asked = await one.accounts.requestDevice(from(), wish);
    expect((await two.accounts.device(asked.user_code)).hostname).toBe("web-1");
    const answers = await Promise.allSettled(
      [one, two].map((hub) => hub.accounts.answerDevice(owner.from, owner.person, asked.user_code, true)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect((await one.accounts.device(asked.user_code)).status).toBe("approved");
    const redeemed = await two.accounts.redeemDevice(from(), "orion-cli", asked.device_code);
    if (!("token" in redeemed)) throw new Error(redeemed.error);
    expect(await identify(one, from([], redeemed.token))).toMatchObject({ email, role: "owner" });
  });

  test("a code of an authenticator that was used on one hub is used on all", async () => {
    await using database = await freshDatabase();
    await using folder = temporaryFolder();
    await using one = await openHub(database.url, folder.path);
    await using two = await openHub(database.url, folder.path);
    await one.accounts.createOwner({ email, password });
    const owner = await signIn(one);
    const { uri } = await one.accounts.enableTwoFactor(owner.from, password);
    await one.accounts.confirmTwoFactor(owner.from, owner.person, codeOf(uri, Date.now() - 30_000));
    const challenge = async (hub: Hub) => {
      const attempt = await hub.accounts.signIn(from(), email, password);
      if (attempt.state !== "second-factor") throw new Error(attempt.state);
      return from(attempt.cookies);
    };
    const challenges = [await challenge(one), await challenge(two)];
    const code = codeOf(uri);
    const attempts = await Promise.all(
      [two, one].map((hub, n) => hub.accounts.secondFactor(challenges[n] ?? from(), code)),
    );
    expect(attempts.map(({ state }) => state).sort()).toEqual(["refused", "signed-in"]);
  });

  test("an organization keeps an owner, though two go at once on two hubs", async () => {
    await using database = await freshDatabase();
    await using folder = temporaryFolder();
    await using one = await openHub(database.url, folder.path);
    await using two = await openHub(database.url, folder.path);
    await one.accounts.createOwner({ email, password });
    const other = await two.accounts.createOwner({ email: "other@example.com", password });
    const owner = (await signIn(one)).person;
    const ends = await Promise.allSettled([
      one.accounts.changeRole(owner, owner.id, "viewer"),
      two.accounts.changeRole(owner, other.id, "viewer"),
    ]);
    expect(ends.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const { members } = await one.accounts.organization(owner);
    expect(members.map(({ role }) => role).sort()).toEqual(["owner", "viewer"]);
  });

  test("a hub with another secret is told to take the others' one", async () => {
    await using database = await freshDatabase();
    await using folder = temporaryFolder();
    await using other = temporaryFolder();
    await using one = await openHub(database.url, folder.path);
    expect(one.accounts.setupToken()).not.toBeNull();
    expect(await failureOf(openHub(database.url, other.path))).toMatchObject({
      code: "failed",
      message: "this hub's secret is not the one that the hubs of its database have",
    });
    const [kept] = await database.query("SELECT value FROM hub_agreements");
    expect(JSON.stringify(kept)).not.toContain((await Bun.file(folder.at("secret")).text()).trim());
  });

  test("a database that is away is a passing state", async () => {
    await using server = await startPostgres();
    await using database = await server.freshDatabase();
    await using folder = temporaryFolder();
    await using hub = await openHub(database.url, folder.path);
    await hub.accounts.createOwner({ email, password });
    const owner = await signIn(hub);
    await server.stop();
    const [signedIn, renamed] = await Promise.all([
      failureOf(hub.accounts.signIn(from(), email, password)),
      failureOf(hub.accounts.renameOrganization(owner.person, "Other")),
    ]);
    expect([signedIn, renamed]).toMatchObject([{ code: "unavailable" }, { code: "unavailable" }]);
    await server.start();
    expect(await identify(hub, owner.from)).toEqual(owner.person);
  });
});
