import { describePages } from "./describe-pages.ts";

describePages("viewer", 390);
