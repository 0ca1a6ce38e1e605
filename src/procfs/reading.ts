/** What asking a host for a figure can come to. */

/**
 * `value`: it was read. `absent`: this host has no such thing, or not yet, and nothing is wrong.
 * `failed`: it should have been there; `why` says what happened, `todo` what a person can do.
 */
export type Reading<T> =
  | { readonly kind: "value"; readonly value: T }
  | { readonly kind: "absent" }
  | { readonly kind: "failed"; readonly why: string; readonly todo: string };

/** A reading that succeeded. */
export function value<T>(of: T): Reading<T> {
  return { kind: "value", value: of };
}

/** A reading of something that this host does not have. */
export const absent: Reading<never> = { kind: "absent" };

/** A reading that failed. `why` must not change while the cause stays the same: it is logged on change. */
export function failed(why: string, todo: string): Reading<never> {
  return { kind: "failed", why, todo };
}
