import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import type { Configuration } from "../config";
import { migrationSettings } from "../migration/settings";
import { type Asked, askedVariable } from "./promotion";

/**
 * Nothing is registered while another Cluster was promoted than the one that the stack's configuration names: the update would turn applications back to a
 * database that takes no writes. A preview, which does without Kubernetes, does not ask.
 *
 * @throws pulumi.RunError that says what to do
 */
export async function refuseToTurnBack(config: Configuration): Promise<void> {
  if (pulumi.runtime.isDryRun()) return;
  const { clusterName, backupServerName, recoverFrom, recoverAt, protect, retainOnDelete } = config;
  const asked: Asked = {
    stack: pulumi.getStack(),
    settings: migrationSettings(config),
    values: { clusterName, backupServerName, recoverFrom, recoverAt, protect, retainOnDelete },
  };
  // In a process of its own: the client of Kubernetes would take longer to load, and in every preview, where the program is compiled.
  const question = promisify(execFile)(
    process.execPath,
    ["--require", "./local/typescript.js", "recovery/promotion-question.ts"],
    { cwd: join(__dirname, ".."), env: { ...process.env, [askedVariable]: JSON.stringify(asked) } },
  );
  const refusal = await question.then(
    ({ stdout }) => stdout,
    (error: unknown) => {
      const { stderr = "" } = error as { readonly stderr?: string };
      return stderr.trim() === "" ? String(error) : stderr;
    },
  );
  if (refusal.trim() !== "") throw new pulumi.RunError(refusal.trim());
}
