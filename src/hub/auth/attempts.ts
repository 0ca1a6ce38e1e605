/** Signing in: password, then perhaps a code. */
import type { TwoFactorSecret } from "#src/protocol/account.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { Clock } from "#src/lib/clock.ts";
import { createCookieReader } from "./cookies.ts";
import { type Engine, lockSeconds } from "./engine.ts";
import { codeOf, faultOf, translated } from "./faults.ts";
import { engineHeaders } from "./headers.ts";
import type { Cookies, From, Named, SignedInPerson } from "./ports.ts";
import type { Records } from "./records.ts";
import { createUsedCodes } from "./used-codes.ts";
import type { Sessions } from "./sessions.ts";

export type Attempt =
  | { readonly state: "signed-in"; readonly person: SignedInPerson; readonly cookies: Cookies }
  | { readonly state: "second-factor"; readonly cookies: Cookies }
  | {
      readonly state: "refused";
      readonly about: Named | null;
      readonly why: string;
      readonly retryAfterSeconds?: number;
      readonly cookies: Cookies;
    };

export type Attempts = ReturnType<typeof createAttempts>;

export function createAttempts(engine: Engine, records: Records, sessions: Sessions, clock: Pick<Clock, "now">) {
  const { api, context } = engine;
  const used = createUsedCodes(context.adapter, clock);
  const cookies = createCookieReader(context.secret);
  const challengeCookie = context.createAuthCookie("two_factor").name;

  /** Headers with no session in them, so that an old one is not mistaken for this attempt's. */
  function bare(from: From, cookie?: string): Headers {
    const headers = engineHeaders(from);
    headers.delete("authorization");
    headers.delete("cookie");
    if (cookie !== undefined) headers.set("cookie", cookie);
    return headers;
  }

  function refused(why: string, about: Named | null = null, retryAfterSeconds?: number): Attempt {
    const wait = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
    return { state: "refused", about, why, ...wait, cookies: [] };
  }

  /** Who holds the session that was just made. A person of no organization has nothing to sign in to. */
  async function arrived(set: Cookies): Promise<Attempt> {
    const token = sessions.tokenIn(set);
    if (token === null) throw new Fault("failed", "better-auth made no session");
    const person = await sessions.read(token);
    if (person !== null) return { state: "signed-in", person, cookies: set };
    await context.internalAdapter.deleteSession(token);
    return refused("you don't belong to any organization of this hub any more");
  }

  /** Whose password was right, by the challenge that was given for it. */
  async function challenged(request: Request): Promise<Named | null> {
    const identifier = cookies.readSigned(request, challengeCookie);
    const challenge = identifier === null ? null : await context.internalAdapter.findVerificationValue(identifier);
    const user = challenge === null ? null : await records.user(challenge.value);
    return user === null ? null : await sessions.named(user);
  }

  async function verify(from: From, code: string): Promise<Cookies> {
    const value = cookies.readRaw(from.request, challengeCookie);
    const headers = bare(from, value === undefined ? undefined : `${challengeCookie}=${value}`);
    const call = { headers, returnHeaders: true as const };
    const answer = isTotp(code)
      ? await api.verifyTOTP({ ...call, body: { code } })
      : await api.verifyBackupCode({ ...call, body: { code: withDash(code) } });
    return answer.headers.getSetCookie();
  }

  return {
    async signIn(from: From, email: string, password: string): Promise<Attempt> {
      let set: Cookies;
      try {
        const call = { body: { email, password }, headers: bare(from), returnHeaders: true as const };
        set = (await api.signInPassword(call)).headers.getSetCookie();
      } catch (error) {
        if (codeOf(error) !== "INVALID_EMAIL_OR_PASSWORD") throw faultOf(error);
        const user = await records.userByEmail(email);
        return refused(
          "the e-mail address or the password is wrong",
          user === null ? null : await sessions.named(user),
        );
      }
      return sessions.tokenIn(set) === null ? { state: "second-factor", cookies: set } : await arrived(set);
    },

    async secondFactor(from: From, code: string): Promise<Attempt> {
      const about = await challenged(from.request);
      let set: Cookies;
      try {
        set = await verify(from, code);
      } catch (error) {
        const fault = faultOf(error);
        if (!(fault instanceof Fault) || !["denied", "unauthenticated", "limited"].includes(fault.code)) throw fault;
        return refused(fault.oneLine, about, fault.code === "limited" ? lockSeconds : undefined);
      }
      const attempt = await arrived(set);
      if (attempt.state !== "signed-in" || !isTotp(code)) return attempt;
      if (await used.take(attempt.person.id, code)) return attempt;
      await context.internalAdapter.deleteSession(sessions.tokenIn(set) ?? "");
      return refused("this code was used already. Wait for the next one and start again with the password", about);
    },

    enable: (from: From, password: string): Promise<TwoFactorSecret> =>
      translated(async () => {
        const answer = await api.enableTwoFactor({ body: { password, method: "totp" }, headers: engineHeaders(from) });
        if (answer.method !== "totp") throw new Fault("failed", "better-auth made no authenticator's secret");
        return { uri: answer.totpURI, backupCodes: answer.backupCodes };
      }),

    async confirm(from: From, caller: SignedInPerson, code: string): Promise<Cookies> {
      if (!isTotp(code)) throw new Fault("invalid", "the authenticator's code has six digits");
      const set = await translated(async () => {
        const call = { body: { code }, headers: engineHeaders(from), returnHeaders: true as const };
        return (await api.verifyTOTP(call)).headers.getSetCookie();
      });
      await used.take(caller.id, code);
      sessions.forget();
      return set;
    },

    async disable(from: From, password: string): Promise<Cookies> {
      const set = await translated(async () => {
        const call = { body: { password }, headers: engineHeaders(from), returnHeaders: true as const };
        return (await api.disableTwoFactor(call)).headers.getSetCookie();
      });
      sessions.forget();
      return set;
    },

    newBackupCodes: (from: From, password: string): Promise<readonly string[]> =>
      translated(async () => {
        const answer = await api.generateBackupCodes({ body: { password }, headers: engineHeaders(from) });
        return answer.backupCodes;
      }),
  };
}

const isTotp = (code: string): boolean => /^\d{6}$/.test(code);

/** Backup codes are shown as `aB3dE-fG6hJ`; people leave dashes out. */
function withDash(code: string): string {
  return /^[A-Za-z0-9]{10}$/.test(code) ? `${code.slice(0, 5)}-${code.slice(5)}` : code;
}
