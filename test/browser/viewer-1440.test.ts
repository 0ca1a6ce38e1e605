import { describePages } from "./describe-pages.ts";

describePages("viewer", 1440);
