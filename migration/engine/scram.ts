import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";

/**
 * A password's SCRAM-SHA-256 verifier as PostgreSQL stores it (RFC 5803, RFC 7677), so that the password itself never stands in an SQL statement.
 * The password must be ASCII: nothing is normalised.
 *
 * @param iterations 4096 is PostgreSQL's own default.
 */
export function scramVerifier(password: string, salt: Buffer = randomBytes(16), iterations = 4096): string {
  const salted = pbkdf2Sync(password, salt, iterations, 32, "sha256");
  const clientKey = createHmac("sha256", salted).update("Client Key").digest();
  const storedKey = createHash("sha256").update(clientKey).digest("base64");
  const serverKey = createHmac("sha256", salted).update("Server Key").digest("base64");
  return `SCRAM-SHA-256$${iterations}:${salt.toString("base64")}$${storedKey}:${serverKey}`;
}
