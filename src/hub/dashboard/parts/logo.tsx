/** Three stars of Orion's belt. */
export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M9 22 16 16 23 10" />
      <circle cx="9" cy="22" r="3.2" />
      <circle class="mid" cx="16" cy="16" r="3.2" />
      <circle cx="23" cy="10" r="3.2" />
    </svg>
  );
}
