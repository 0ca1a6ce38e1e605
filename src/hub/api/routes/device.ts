/** Signing a command line in for a person who has a browser elsewhere: RFC 8628. */
import {
  deviceAnswer,
  deviceCode,
  deviceRequest,
  deviceToken,
  deviceTokenRequest,
  deviceView,
} from "#src/protocol/account.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { check, z } from "#src/protocol/schema.ts";
import type { Accounts } from "../account-ports.ts";
import { createTrail } from "../audit.ts";
import { readBody, readJson } from "../body.ts";
import type { Audit } from "../ports.ts";
import { HttpFault } from "../problem.ts";
import { type Route, route } from "../route.ts";
import type { Throttle } from "../throttle.ts";

export type DeviceRoutesWorld = {
  readonly accounts: Accounts;
  readonly audit: Audit;
  readonly throttle: Throttle;
};

const group = "Devices";
/** A form of a few short fields. */
const maxFormBytes = 16 * 1024;
const bodyTypes = ["application/json", "application/x-www-form-urlencoded"];
const codeQuery = z.object({ code: z.string().check(z.minLength(1), z.maxLength(40)) });

export function deviceRoutes({ accounts, audit, throttle }: DeviceRoutesWorld): Route[] {
  const trail = createTrail(audit);

  function answer(verb: "approve" | "deny"): Route {
    return route({
      method: "POST",
      path: `/api/auth/device/${verb}`,
      permission: "session",
      group,
      summary: verb === "approve" ? "Sign the device in as yourself" : "Refuse the device",
      body: deviceAnswer,
      answer: deviceView,
      async handle(call) {
        const { userCode } = await readJson(call.request, deviceAnswer);
        const admitted = throttle.admit("user-code", call.address, call.caller.id);
        const view = await accounts.answerDevice(call, call.caller, userCode, verb === "approve");
        admitted.succeeded();
        const target = { kind: "device", id: null, name: view.hostname ?? view.userCode };
        const details = { purpose: view.purpose, address: view.address };
        await trail(call, verb === "approve" ? "device.approved" : "device.denied", target, details);
        return Response.json(view);
      },
    });
  }

  return [
    route({
      method: "POST",
      path: "/api/auth/device/code",
      permission: "none",
      group,
      summary: "Ask for a code with which somebody can sign this device in (RFC 8628 section 3.1)",
      body: deviceRequest,
      bodyTypes,
      answer: deviceCode,
      async handle(call) {
        const request = await oauth(() => readFields(call.request, deviceRequest));
        // nobody needs many codes, and each takes a row
        throttle.admit("device", call.address);
        const { client_id: clientId, hostname = null, purpose } = request;
        const code = await accounts.requestDevice(call, { clientId, hostname, purpose });
        return Response.json(code, { headers: { "cache-control": "no-store" } });
      },
    }),
    route({
      method: "POST",
      path: "/api/auth/device/token",
      permission: "none",
      group,
      summary: "Ask whether the device has been signed in (RFC 8628 section 3.4)",
      body: deviceTokenRequest,
      bodyTypes,
      answer: deviceToken,
      async handle(call) {
        const request = await oauth(() => readFields(call.request, deviceTokenRequest));
        const answer = await accounts.redeemDevice(call, request.client_id, request.device_code);
        if ("error" in answer) throw new HttpFault(400, answer.description, {}, { error: answer.error });
        const body = { access_token: answer.token, token_type: "Bearer", expires_in: answer.expiresInSeconds };
        return Response.json(body, { headers: { "cache-control": "no-store" } });
      },
    }),
    route({
      method: "GET",
      path: "/api/auth/device",
      permission: "session",
      group,
      summary: "What a device asks for, by its user code",
      query: codeQuery,
      answer: deviceView,
      async handle(call) {
        const admitted = throttle.admit("user-code", call.address, call.caller.id);
        const view = await accounts.device(call.query.code);
        admitted.succeeded();
        return Response.json(view);
      },
    }),
    answer("approve"),
    answer("deny"),
  ];
}

/** Fields of a JSON object or of a form, checked. */
async function readFields<S extends z.core.$ZodType>(request: Request, schema: S): Promise<z.core.output<S>> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/x-www-form-urlencoded\b/i.test(type)) return await readJson(request, schema);
  const text = Buffer.from(await readBody(request, maxFormBytes)).toString("utf8");
  const fields: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of new URLSearchParams(text)) {
    // RFC 6749 section 3.2: parameters without a value count as left out, and none may come twice
    if (value === "") continue;
    if (name in fields) throw new HttpFault(400, `${name} must not come twice`);
    fields[name] = value;
  }
  return check(schema, { ...fields }, "the form");
}

/** Gives what is wrong with a request the code that OAuth clients look for (RFC 6749 section 5.2). */
async function oauth<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const bad = error instanceof Fault ? error.code === "invalid" : error instanceof HttpFault && error.status === 400;
    if (bad) throw new HttpFault(400, reasonOf(error), {}, { error: "invalid_request" });
    throw error;
  }
}
