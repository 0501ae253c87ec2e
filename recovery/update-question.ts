import type { BackupFailure } from "../backup/failure";
import { refusalToMove } from "./archive-move";
import { type Asked, askedVariable } from "./asked";
import { nothingChanged, RecoveryFailure, words } from "./failure";
import { Objects } from "./objects";
import { everyLocalRun, fateOfFormer, promoted, takeOver } from "./promotion";

/** Why an update with this configuration may not begin; undefined where it may. */
async function refusalOf(asked: Asked): Promise<RecoveryFailure | BackupFailure | undefined> {
  const { stack, settings, values, archive } = asked;
  const objects = new Objects(settings);
  await objects.kubernetes.reach();
  const promotion = await refusalToTurnBack(objects, asked);
  return promotion ?? (archive && refusalToMove(objects, stack, values.clusterName, archive));
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
