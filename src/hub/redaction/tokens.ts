/** Secrets that are known by how they look, wherever they stand. */
import { tokenPrefixes } from "#src/protocol/access.ts";
import { type Rule, mark } from "./rule.ts";

/**
 * Each pattern is tried where a word begins and takes the whole of it, so that none is tried twice on the same text.
 * The forms are those that their givers document: GitHub's and GitLab's token formats, AWS's unique identifiers, Slack's
 * token types, Stripe's API keys, RFC 7519 (JWT).
 */
const looks: readonly (readonly [name: string, needles: readonly string[], pattern: string])[] = [
  ["orion-token", Object.values(tokenPrefixes).map((prefix) => `<${prefix}`), "o(?:at|st|ak|et)_[\\w-]{20,}"],
  ["github-token", ["<ghp_", "<gho_", "<ghu_", "<ghs_", "<ghr_"], "gh[pousr]_\\w{20,}"],
  ["github-token", ["github_pat_"], "github_pat_\\w{20,}"],
  ["gitlab-token", ["glpat-", "glrt-", "gldt-"], "gl(?:pat|rt|dt)-[\\w.-]{16,}"],
  [
    "slack-token",
    ["xoxa-", "xoxb-", "xoxe-", "xoxe.", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xapp-"],
    "(?:xox[abeoprs]|xapp)[.-][\\w.-]{10,}",
  ],
  ["slack-token", ["hooks.slack.com"], "hooks\\.slack\\.com/(?:services|workflows|triggers)/[\\w/-]+"],
  [
    "stripe-key",
    ["sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"],
    "(?:(?:sk|rk)_(?:live|test)_|whsec_)[\\w+/=]{10,}",
  ],
  ["aws-key", ["<akia", "asia?"], "(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Z0-9])"],
  ["google-key", ["<aiza", "ya29.", "gocspx-"], "(?:AIza[\\w-]{30,}|ya29\\.[\\w-]{20,}|GOCSPX-[\\w-]{20,})"],
  ["openai-key", ["sk-ant", "sk-proj", "sk-svc", "t3blbkfj"], "sk-[\\w-]{32,}"],
  ["npm-token", ["<npm_"], "npm_[A-Za-z0-9]{30,}"],
  [
    "jwt",
    // {"alg, {"typ, {"kid, {"cty, {"enc, {"zip, {"jku, {"x5t, {"iss, {"sub in base64
    ["eyjhb", "eyj0e", "eyjra", "eyjjd", "eyjlb", "eyj6a", "eyjqa", "eyj4n", "eyjpc", "eyjzd"],
    "eyJ[\\w-]{6,}(?:\\.[\\w-]*){2,4}",
  ],
];

export const tokens: readonly Rule[] = [...Map.groupBy(looks, ([name]) => name)].map(([name, same]) => {
  const pattern = new RegExp(`(?<![\\w-])(?:${same.map(([, , one]) => one).join("|")})`, "g");
  return {
    name,
    needles: same.flatMap(([, needles]) => needles),
    redact: (text) => text.replace(pattern, mark(name)),
  };
});

/** `scheme://user:password@host` (RFC 3986 section 3.2.1); with an `@` in the password, up to the last one. */
export const urlPassword: Rule = {
  name: "url-password",
  needles: [],
  sign: "@",
  redact: (text) =>
    text.replace(/(:\/\/[^\s/:@"'<>]*:)([^\s/"'<>]+)(?=@)/g, (whole, before: string, password: string) =>
      password.startsWith("[redacted:") ? whole : before + mark("password"),
    ),
};

/** RFC 6750 and RFC 7617, in headers that are printed without their name. */
export const schemes: Rule = {
  name: "authorization",
  needles: ["bearer", "basic"],
  redact: (text) =>
    text.replace(/\b(bearer|basic)(\s{1,4})([\w.~+/-]{6,}=*)/gi, (whole, scheme: string, gap: string, value: string) =>
      (scheme.toLowerCase() === "basic" ? isUserAndPassword(value) : value.length >= 20 || /\d/.test(value))
        ? scheme + gap + mark("authorization")
        : whole,
    ),
};

function isUserAndPassword(base64: string): boolean {
  return /^[\u0020-\u007e\u00a0-\u00ff]*:[\u0020-\u007e\u00a0-\u00ff]*$/.test(
    Buffer.from(base64, "base64").toString("latin1"),
  );
}
