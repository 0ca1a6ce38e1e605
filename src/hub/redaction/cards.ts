/** Numbers of payment cards: in one piece or in the groups that are printed on cards, with a check digit that is right. */
import { type Rule, mark } from "./rule.ts";

/** Thirteen digits and more; or four groups of four, perhaps with three more; or American Express's 4-6-5. */
const numbers =
  /(?<![\dA-Za-z]|\d[.,])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|3[47]\d\d([ -])\d{6}\2\d{5})(?![\dA-Za-z]|[.,]\d)/g;

/** Beginnings and lengths that are given out: Visa, Mastercard, American Express, Diners, Discover, JCB, UnionPay, Maestro. */
const issued =
  /^(?:4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|3(?:0[0-5]|095|[689]\d)\d{11}|(?:6011|64[4-9]\d|65\d\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}|(?:50|5[6-8]|6[379])\d{11,17})$/;

export const cards: Rule = {
  name: "card",
  needles: [],
  sign: "digits",
  redact: (text) =>
    text.replace(numbers, (found) => {
      const digits = found.replace(/[ -]/g, "");
      return issued.test(digits) && isChecked(digits) ? mark("card") : found;
    }),
};

/** ISO/IEC 7812-1 annex B: Luhn's formula. */
function isChecked(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 48;
    const weighed = i % 2 === 0 ? digit : digit * 2;
    sum += weighed > 9 ? weighed - 9 : weighed;
  }
  return sum % 10 === 0;
}
