import { describePages } from "./describe-pages.ts";

describePages("owner", 390);
