import { describePresses } from "./describe-presses.ts";

describePresses("owner", 1440, "settings");
