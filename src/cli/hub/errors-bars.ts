/** A row of numbers as a row of bars. */

const heights = "▁▂▃▄▅▆▇█";

/** One character a number, the largest as high as can be; a dot for none. */
export function bars(numbers: readonly number[]): string {
  const most = Math.max(...numbers, 1);
  return numbers
    .map((number) => (number <= 0 ? "·" : (heights[Math.ceil((number / most) * heights.length) - 1] ?? "█")))
    .join("");
}
