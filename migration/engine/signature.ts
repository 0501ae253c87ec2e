import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** A report's text, and what the Job wrote beside it in the same transaction. "-" where there is none. */
export interface SignedText {
  readonly text: string;
  readonly sha256: string;
  readonly signature: string;
}

/** HMAC-SHA-256 of a report's text by the namespace's key (hexadecimal), in hexadecimal. The Job's SQL computes the same. */
export function signatureOf(text: string, key: string): string {
  return createHmac("sha256", Buffer.from(key, "hex")).update(text, "utf8").digest("hex");
}

/**
 * What is wrong with a stored report, in words, or undefined if it is as it was signed.
 *
 * The key lies in the same namespace as the database. The signature therefore proves that nobody changed the report who could not also read that Secret:
 * a slip, a hand in the database, a restored copy. It proves nothing against who administers the namespace.
 *
 * @param key undefined where its Secret is gone
 */
export function reportFault({ text, sha256, signature }: SignedText, key: string | undefined): string | undefined {
  if (signature === "-") return "it carries no signature: an earlier version wrote it, or somebody took it away";
  if (createHash("sha256").update(text, "utf8").digest("hex") !== sha256) return "it was changed after it was signed";
  if (key === undefined) return "its checksum fits, but the key that signed it is gone";
  const expected = Buffer.from(signatureOf(text, key));
  const actual = Buffer.from(signature);
  return expected.length === actual.length && timingSafeEqual(expected, actual)
    ? undefined
    : "its signature is not by this namespace's key: it was changed together with its checksum, or the key was replaced";
}
