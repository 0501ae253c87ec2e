import { found, type Kubernetes, patiently } from "./kubernetes";
import { objectNames } from "./manifests";
import { literal, type Settings } from "./settings";
import { reportFault, type SignedText } from "./signature";

/** The report of a finished migration as the target's marker keeps it: JSON, byte for byte as it was signed. */
export interface StoredReport extends SignedText {
  /** What is wrong with its signature, in words; undefined where it is as it was signed. */
  readonly fault: string | undefined;
}

/** The report of the finished migration into the settings' database, its signature checked; undefined where none has finished. */
export async function storedReport(kubernetes: Kubernetes, settings: Settings): Promise<StoredReport | undefined> {
  const exists = await kubernetes.control("SELECT to_regclass('naytife_migration.marker') IS NOT NULL");
  if (exists !== "t") return undefined;
  // The report is one line: jsonb prints a line break as an escape. What an earlier version stored has neither checksum nor signature.
  const stored = await kubernetes.control(
    `SELECT concat_ws(E'\\n', report::text, coalesce(to_jsonb(m) ->> 'sha256', '-'), coalesce(to_jsonb(m) ->> 'signature', '-')) FROM naytife_migration.marker m WHERE target_database = ${literal(settings.target.database)}`,
  );
  if (stored === "") return undefined;
  const [text = "", sha256 = "-", signature = "-"] = stored.split("\n");
  const signed = { text, sha256, signature };
  return { ...signed, fault: reportFault(signed, await signingKey(kubernetes, settings)) };
}

/** The key that reports are signed by, in hexadecimal; undefined where there is none yet. */
export async function signingKey(kubernetes: Kubernetes, settings: Settings): Promise<string | undefined> {
  const { namespace } = settings;
  const name = objectNames(settings).signing;
  const held = await found(patiently(() => kubernetes.core.readNamespacedSecret({ name, namespace })));
  const key = held?.data?.key;
  return key === undefined ? undefined : Buffer.from(key, "base64").toString();
}
