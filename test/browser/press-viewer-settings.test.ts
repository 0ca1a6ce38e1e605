import { describePresses } from "./describe-presses.ts";

describePresses("viewer", 390, "settings");
