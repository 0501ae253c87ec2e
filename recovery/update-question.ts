import type { BackupFailure } from "../backup/failure";
import { refusalToMove } from "./archive-move";
import { type Asked, askedVariable } from "./asked";
import { StoreUnavailable } from "./bucket";
import { type ConfiguredRecovery, refusalOf as refusalOfRecovery } from "./configured-recovery";
import { nothingChanged, RecoveryFailure, words } from "./failure";
import { Objects } from "./objects";
import { everyLocalRun, fateOfFormer, promoted, takeOver } from "./promotion";

/** Why an update with this configuration may not begin; undefined where it may. */
async function refusalOf(asked: Asked): Promise<RecoveryFailure | BackupFailure | undefined> {
  const { stack, settings, values, archive, recovery } = asked;
  const objects = new Objects(settings);
  await objects.kubernetes.reach();
  return (
    (await refusalToTurnBack(objects, asked)) ??
    (archive && (await refusalToMove(objects, stack, values.clusterName, archive))) ??
    (recovery && (await refusalToRecover(objects, recovery)))
  );
}

/** Why a Cluster that is not there may not begin as it is configured; undefined where it may, or where that is not to be known before the update has made the store's objects. */
async function refusalToRecover(objects: Objects, recovery: ConfiguredRecovery): Promise<RecoveryFailure | undefined> {
  try {
    return await refusalOfRecovery(objects, recovery);
  } catch (error) {
    // Before it makes the Cluster, it asks again: source-question.ts.
    if (error instanceof StoreUnavailable) return undefined;
    throw error;
  }
}

/** Why applications may not be turned to the Cluster that the configuration names; undefined where they may. */
async function refusalToTurnBack(objects: Objects, { stack, values }: Asked): Promise<RecoveryFailure | undefined> {
  const current = promoted(await objects.clusters());
  if (current === undefined || current.cluster.metadata.name === values.clusterName) return undefined;
  const { name } = current.cluster.metadata;
  return new RecoveryFailure(
    `Cluster ${name} is the application's database since ${current.since} (npm run recover -- promote), and the stack's configuration says clusterName ${values.clusterName}`,
    nothingChanged,
    [
      `say what holds, and run \`pulumi up\` then (${fateOfFormer(values)}):`,
      ...takeOver(stack, values, current.cluster),
      ...everyLocalRun(stack, values, current.cluster),
      `To go back instead: npm run recover -- promote --as ${values.clusterName} --stack ${stack}`,
    ].join("\n    "),
  );
}

// What `pulumi up` runs before all else: the refusal on stdout.
if (require.main === module) {
  refusalOf(JSON.parse(process.env[askedVariable] ?? "") as Asked)
    .then((refusal) => process.stdout.write(refusal?.message ?? "", () => process.exit(0)))
    .catch((error: unknown) => process.stderr.write(`${words(error)}\n`, () => process.exit(1)));
}
