/** A line of a few numbers, as wide as a word. What it says is said in words beside it. */

const [width, height] = [64, 18];

/** `most`: what the top stands for; null: the largest number. A null among the values is a gap. */
export function Sparkline({
  values,
  most,
}: {
  readonly values: readonly (number | null)[];
  readonly most: number | null;
}) {
  const top = most ?? values.reduce<number>((largest, value) => Math.max(largest, value ?? 0), 0);
  return (
    <svg class="spark" viewBox={`0 0 ${width} ${height}`} width={width} height={height} aria-hidden="true">
      <path d={pathOf(values, top)} />
    </svg>
  );
}

/** Lines through neighbours; a value between gaps is a dot. */
export function pathOf(values: readonly (number | null)[], top: number): string {
  const step = width / Math.max(1, values.length - 1);
  let path = "";
  let drawing = false;
  values.forEach((value, i) => {
    if (value === null) {
      drawing = false;
      return;
    }
    const share = top > 0 ? Math.min(1, value / top) : 0;
    const [x, y] = [(i * step).toFixed(1), (height - 1 - share * (height - 2)).toFixed(1)];
    path += drawing ? `L${x} ${y}` : values[i + 1] === null || i === values.length - 1 ? `M${x} ${y}h.1` : `M${x} ${y}`;
    drawing = true;
  });
  return path;
}
