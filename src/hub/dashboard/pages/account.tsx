/** What a person has here: name, password, second factor, sessions, and keys. */
import { Page } from "../parts/page.tsx";
import { Keys } from "./account/keys.tsx";
import { Password } from "./account/password.tsx";
import { Profile } from "./account/profile.tsx";
import { Sessions } from "./account/sessions.tsx";
import { TwoFactor } from "./account/two-factor.tsx";

export function AccountPage() {
  return (
    <Page title="Account">
      <Profile />
      <Password />
      <TwoFactor />
      <Sessions />
      <Keys />
    </Page>
  );
}
