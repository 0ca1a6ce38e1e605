/** Shares as they are reported. */

/** A share of 0-100 to a hundredth of a percent: more digits would only fill the wire. */
export function percent(share: number): number {
  return Math.round(Math.min(100, Math.max(0, share)) * 100) / 100;
}
