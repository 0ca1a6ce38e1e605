/** A few counts as bars, as wide as a word. What they say is said in words beside them. */

const [width, height, gap] = [72, 20, 1] as const;

/** Oldest first. A count of one can still be seen beside one of a million. */
export function Bars({ values }: { readonly values: readonly number[] }) {
  return (
    <svg class="bars" viewBox={`0 0 ${width} ${height}`} width={width} height={height} aria-hidden="true">
      <path d={barsPath(values, width, height, gap)} />
    </svg>
  );
}

/** Rectangles side by side on the lower edge. */
export function barsPath(values: readonly number[], wide: number, high: number, space: number): string {
  const most = values.reduce((a, b) => Math.max(a, b), 0);
  const step = wide / Math.max(1, values.length);
  return values
    .map((value, i) => {
      const tall = value === 0 ? 0 : Math.max(1.5, (value / most) * high);
      return tall === 0
        ? ""
        : `M${(i * step).toFixed(2)} ${high}v-${tall.toFixed(2)}h${(step - space).toFixed(2)}V${high}z`;
    })
    .join("");
}
