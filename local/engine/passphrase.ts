/**
 * The passphrase that encrypts a stack's secrets: the user's own, or a random one that is made once for each local backend.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Environment variables that give Pulumi the passphrase.
 * @param backend URL of the backend. Only beside a `file://` backend a passphrase is made and kept (`<backend>.passphrase`, mode 0600).
 * @throws When the backend is a remote one and the user gave no passphrase.
 */
export function passphraseEnvironment(backend: string): Record<string, string> {
  const given = Object.fromEntries(
    ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"].flatMap((name) => {
      const value = process.env[name];
      return value === undefined || value === "" ? [] : [[name, value]];
    }),
  ) as Record<string, string>;
  if (Object.keys(given).length > 0) return given;
  if (!backend.startsWith("file://"))
    throw new Error(
      `The backend ${backend} is shared, so its secrets need a passphrase that you keep. Nothing was touched. ` +
        "Set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE and run again.",
    );
  const file = `${fileURLToPath(backend).replace(/\/+$/, "")}.passphrase`;
  mkdirSync(dirname(file), { recursive: true });
  try {
    writeFileSync(file, randomBytes(32).toString("base64url"), { mode: 0o600, flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  if (readFileSync(file, "utf8").trim() === "")
    throw new Error(
      `The passphrase file ${file} is empty, so the secrets of the stacks beside it cannot be read. Nothing was touched. ` +
        "Restore the file from a backup; if there is no stack in that backend yet, delete it and run again.",
    );
  // By path and not by value, so that it is in no process's environment.
  return { PULUMI_CONFIG_PASSPHRASE_FILE: file };
}
