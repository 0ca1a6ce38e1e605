/** Reading numbers out of the text of /proc files, strictly: a number is digits only. */

const digits = /^\d{1,20}$/;
const decimal = /^\d{1,20}(\.\d{1,9})?$/;

/**
 * A whole number as the kernel prints one, not negative and at most 64 bits long, or undefined. Above 2^53 it loses its
 * last digits as a JavaScript number, which is harmless for counters.
 */
export function parseCount(text: string | undefined): number | undefined {
  return text !== undefined && digits.test(text) ? Number(text) : undefined;
}

/** A number that is not negative, with or without decimals, or undefined. */
export function parseDecimal(text: string | undefined): number | undefined {
  return text !== undefined && decimal.test(text) ? Number(text) : undefined;
}

/** The words of a line, without the blanks around them. */
export function words(line: string): string[] {
  return line.split(/\s+/).filter((word) => word !== "");
}
