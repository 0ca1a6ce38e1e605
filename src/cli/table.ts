/** Aligned columns. */

export type Column = {
  readonly title: string;
  /** figures stand at the right edge */
  readonly right?: boolean;
};

/** Lines of a table, indented by two; cells may hold colours and wide characters. No rows: no lines. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return [];
  const table = [columns.map((column) => column.title), ...rows];
  const widths = columns.map((_, i) => Math.max(...table.map((row) => Bun.stringWidth(row[i] ?? ""))));
  return table.map((row) =>
    `  ${columns
      .map((column, i) => {
        const cell = row[i] ?? "";
        const gap = " ".repeat((widths[i] ?? 0) - Bun.stringWidth(cell));
        return column.right === true ? gap + cell : cell + gap;
      })
      .join("  ")}`.trimEnd(),
  );
}
