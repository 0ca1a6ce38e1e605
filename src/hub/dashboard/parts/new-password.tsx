/** The field of a password to be. Its rule is that of protocol/access.ts: length counts (NIST SP 800-63B). */
import { Field } from "./form.tsx";

export function NewPassword({
  label = "Password",
  name = "password",
}: {
  readonly label?: string;
  readonly name?: string;
}) {
  return (
    <Field
      label={label}
      name={name}
      type="password"
      autoComplete="new-password"
      required
      minLength={12}
      maxLength={128}
      hint="12 characters at least"
    />
  );
}
