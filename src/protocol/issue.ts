/** Words for what is wrong with a value: zod/mini carries no messages of its own, it says "Invalid input" for all. */
import type { $ZodIssue } from "zod/v4/core";

const unsaid = "Invalid input";

/** One problem as `path: what it must be`; `root` is the value that was checked. */
export function describeIssue(issue: $ZodIssue, root?: unknown): string {
  const path = issue.path.map(String).join(".");
  const text = issue.message !== unsaid ? issue.message : wordsFor(issue, root);
  return path === "" ? text : `${path}: ${text}`;
}

function wordsFor(issue: $ZodIssue, root: unknown): string {
  // only when the value was handed over can "missing" be told from "wrong"
  const missing = root !== undefined && valueAt(root, issue.path) === undefined;
  const verb = missing ? "missing, must be" : "must be";
  switch (issue.code) {
    case "invalid_type":
      return `${verb} ${article(issue.expected)}`;
    case "invalid_value":
      return issue.values.length === 1
        ? `${verb} ${JSON.stringify(issue.values[0])}`
        : `${verb} one of ${issue.values.map(String).join(", ")}`;
    case "unrecognized_keys":
      return `unknown key ${issue.keys.map((key) => JSON.stringify(key)).join(", ")}`;
    case "invalid_union": {
      if ("options" in issue && Array.isArray(issue.options))
        return `${verb} one of ${issue.options.map(String).join(", ")}`;
      const kinds = issue.errors.map((errors) =>
        errors[0]?.code === "invalid_type" ? article(errors[0].expected) : "",
      );
      return kinds.length > 0 && kinds.every((kind) => kind !== "") ? `${verb} ${kinds.join(" or ")}` : "is not valid";
    }
    case "too_small":
      if (issue.minimum === 1 && issue.origin === "string") return "must not be empty";
      return `must be ${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}${unitOf(issue.origin)}`;
    case "too_big":
      return `must be ${issue.inclusive === false ? "less than" : "at most"} ${issue.maximum}${unitOf(issue.origin)}`;
    case "not_multiple_of":
      return issue.divisor === 1 ? "must be a whole number" : `must be a multiple of ${issue.divisor}`;
    case "invalid_format":
      return issue.format === "datetime"
        ? "must be an RFC 3339 time in UTC, such as 2026-01-31T12:00:00Z"
        : `must be a valid ${issue.format === "regex" ? "value" : issue.format}`;
    default:
      return "is not valid";
  }
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value: unknown = root;
  for (const part of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Reflect.get(value, part);
  }
  return value;
}

function article(type: string): string {
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

function unitOf(origin: string): string {
  if (origin === "string") return " characters long";
  return origin === "array" ? " entries long" : "";
}
