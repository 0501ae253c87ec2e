import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { objectStoreSpec } from "../components/backups";
import { archiveFolder } from "../components/names";
import { destinationPath } from "../components/oci-bucket";
import type { Configuration } from "../config";
import { archiveDescription } from "../descriptions";
import { migrationSettings } from "../migration/settings";
import type { ArchiveMove } from "./archive-move";
import { type Asked, askedVariable } from "./asked";
import { configuredRecovery } from "./settings";

/**
 * Nothing is registered where the update would turn applications back to a database that takes no writes, since another Cluster was promoted than the one that the
 * stack's configuration names; where it would let the Cluster that is there archive among what another one has archived; or where it would begin a lost one with what is
 * older than that one's own archive, or is not there. A preview, which does without
 * Kubernetes, does not ask.
 *
 * @throws pulumi.RunError that says what to do
 */
export async function refuseHarmfulUpdate(config: Configuration): Promise<void> {
  if (pulumi.runtime.isDryRun()) return;
  const { clusterName, backupServerName, recoverFrom, recoverAt, protect, retainOnDelete } = config;
  const archive = configuredArchive(config);
  const recovery = configuredRecovery(config, pulumi.getStack());
  const asked: Asked = {
    stack: pulumi.getStack(),
    settings: migrationSettings(config),
    values: { clusterName, backupServerName, recoverFrom, recoverAt, protect, retainOnDelete },
    ...(archive && { archive }),
    ...(recovery && { recovery }),
  };
  // In a process of its own: the client of Kubernetes would take longer to load, and in every preview, where the program is compiled.
  const question = promisify(execFile)(
    process.execPath,
    ["--require", "./local/typescript.js", "recovery/update-question.ts"],
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

function configuredArchive(config: Configuration): ArchiveMove | undefined {
  if (config.backupStore === "none") return undefined;
  const path = destinationPath(config.backupBucket, config.backupPrefix || config.environment);
  const bucket = {
    destinationPath: path,
    endpointUrl: config.backupEndpointUrl,
    region: config.backupRegion,
    credentialsSecret: config.backupCredentialsSecret,
  };
  return {
    serverName: archiveFolder(config),
    destinationPath: path,
    ...(config.backupStore === "existing" && {
      // Of plain values, as this address is.
      store: objectStoreSpec({ bucket, ...archiveDescription(config) }) as NonNullable<ArchiveMove["store"]>,
    }),
    listing: { image: config.backupSidecarImage, seconds: config.recoveryWait },
  };
}
