/** Device authorization (RFC 8628): better-auth keeps the codes, the hub's store where they were asked for and why. */
import { timestamp } from "#src/lib/clock.ts";
import { type DeviceCode, type DeviceView, devicePurposes } from "#src/protocol/account.ts";
import { Fault } from "#src/protocol/fault.ts";
import { type Engine, devicePollSeconds, deviceSeconds } from "./engine.ts";
import { codeOf, translated } from "./faults.ts";
import { engineHeaders } from "./headers.ts";
import type { DeviceRecords, From, SignedInPerson } from "./ports.ts";
import { plainUserCode, shownUserCode } from "./user-code.ts";

/** RFC 8628 section 3.5: `slow_down` adds five seconds, for this and all later polls. */
const slowDownMs = 5000;
/** Codes that wait for an answer, of everybody: each is a row, and asking for one needs no account. */
const maxWaiting = 10_000;

export type DeviceAnswer =
  | { readonly token: string; readonly expiresInSeconds: number }
  | { readonly error: string; readonly description: string };

/** What a device asks for. */
export type DeviceWish = {
  readonly clientId: string;
  readonly hostname: string | null;
  readonly purpose: DeviceView["purpose"];
};

/** What better-auth keeps of a code. */
type CodeRow = {
  readonly id: string;
  readonly userCode: string;
  readonly status: string;
  readonly expiresAt: Date;
  readonly pollingInterval?: number | null;
  readonly organizationId?: string | null;
};

const descriptions: Readonly<Record<string, string>> = {
  authorization_pending: "nobody has answered yet",
  slow_down: `poll less often: add ${slowDownMs / 1000} seconds to the interval`,
  access_denied: "the request was refused",
  expired_token: "the code has expired; start again",
  invalid_grant: "there is no such device code",
};

export type DevicesWorld = {
  readonly engine: Engine;
  readonly records: DeviceRecords;
  readonly origin: () => string;
};

export type Devices = ReturnType<typeof createDevices>;

export function createDevices({ engine, records, origin }: DevicesWorld) {
  const { api, context } = engine;
  const model = "deviceCode";

  const find = (field: "userCode" | "deviceCode", value: string) =>
    context.adapter.findOne<CodeRow>({ model, where: [{ field, value }] });

  async function update(id: string, values: Readonly<Record<string, unknown>>): Promise<void> {
    await context.adapter.update({ model, where: [{ field: "id", value: id }], update: values });
  }

  /** @throws {Fault} `not-found` */
  async function view(typed: string): Promise<DeviceView> {
    const userCode = plainUserCode(typed);
    const row = await find("userCode", userCode);
    const kept = await records.device(userCode);
    if (row === null || kept === undefined || row.expiresAt <= new Date()) {
      throw new Fault("not-found", "there is no such code, or it has expired", {
        hint: "Check it, or start again on the device",
      });
    }
    return {
      userCode: shownUserCode(userCode),
      hostname: kept.hostname,
      address: kept.address,
      purpose: devicePurposes.find((purpose) => purpose === kept.purpose) ?? "login",
      requestedAt: timestamp(kept.createdAtMs),
      expiresAt: timestamp(row.expiresAt.valueOf()),
      status: row.status === "approved" || row.status === "denied" ? row.status : "pending",
    };
  }

  return {
    view,

    async request(from: From, device: DeviceWish): Promise<DeviceCode> {
      if ((await context.adapter.count({ model })) >= maxWaiting) {
        throw new Fault("unavailable", "too many devices wait to be signed in", { hint: "Try again in a few minutes" });
      }
      const made = await api.deviceCode({ body: { client_id: device.clientId } });
      const now = Date.now();
      await records.putDevice({
        userCode: made.user_code,
        hostname: device.hostname,
        address: from.address,
        purpose: device.purpose,
        createdAtMs: now,
        expiresAtMs: now + deviceSeconds * 1000,
      });
      const userCode = shownUserCode(made.user_code);
      const uri = `${origin()}/device`;
      return {
        device_code: made.device_code,
        user_code: userCode,
        verification_uri: uri,
        verification_uri_complete: `${uri}?code=${userCode}`,
        expires_in: deviceSeconds,
        interval: devicePollSeconds,
      };
    },

    async redeem(from: From, clientId: string, deviceCode: string): Promise<DeviceAnswer> {
      const row = await find("deviceCode", deviceCode);
      try {
        const made = await api.deviceToken({
          body: {
            grant_type: "urn:ietf:params:oauth:grant-type:device_code",
            device_code: deviceCode,
            client_id: clientId,
          },
          headers: anonymous(from),
        });
        const { access_token: token, expires_in: expiresInSeconds } = made;
        if (typeof row?.organizationId === "string") {
          await context.internalAdapter.updateSession(token, { activeOrganizationId: row.organizationId });
        }
        return { token, expiresInSeconds };
      } catch (error) {
        const code = codeOf(error);
        const description = code === undefined ? undefined : descriptions[code];
        if (code === undefined || description === undefined) throw error;
        if (code === "slow_down" && row !== null) {
          await update(row.id, { pollingInterval: (row.pollingInterval ?? 0) + slowDownMs });
        }
        return { error: code, description };
      }
    },

    /** @throws {Fault} `not-found`; `conflict`: answered already, or opened by somebody else */
    async answer(from: From, caller: SignedInPerson, typed: string, approve: boolean): Promise<DeviceView> {
      const shown = await view(typed);
      if (shown.status !== "pending") throw new Fault("conflict", `this request was ${shown.status} already`);
      const userCode = plainUserCode(typed);
      const headers = engineHeaders(from);
      try {
        await api.deviceVerify({ query: { user_code: userCode }, headers });
        const row = await find("userCode", userCode);
        if (approve && row !== null) await update(row.id, { organizationId: caller.organizationId });
        const body = { userCode };
        await translated(() => (approve ? api.deviceApprove({ body, headers }) : api.deviceDeny({ body, headers })));
      } catch (error) {
        const taken = codeOf(error) === "access_denied" || codeOf(error) === "invalid_request";
        if (taken) throw new Fault("conflict", "somebody else is answering this request", { cause: error });
        throw error;
      }
      return { ...shown, status: approve ? "approved" : "denied" };
    },
  };
}

/** A device is nobody yet, whatever it sends along. */
function anonymous(from: From): Headers {
  const headers = engineHeaders(from);
  headers.delete("cookie");
  headers.delete("authorization");
  return headers;
}
