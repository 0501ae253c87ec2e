import type { V1Job } from "@kubernetes/client-node";
import { type Alias, readAlias, serviceName } from "../engine/alias";
import { humanBytes, type MigrationEvent, Narrator, parseEvent } from "../engine/events";
import { found, Kubernetes, patiently } from "../engine/kubernetes";
import { backup, describeMode, holdsLabel, type Mode, modeLabel, modes, objectNames } from "../engine/manifests";
import { MigrationFailure, nothingChanged } from "../engine/failure";
import { type MigrationRecord, readRecord, type RecordedPhase, type Retention, retention } from "../engine/record";
import type { Settings } from "../engine/settings";

/** How far a migration is. */
export type State = "not begun" | "running" | "stopped" | "done" | "rolled back";

/** A script can go by it. */
export const exitCodes: Readonly<Record<State, number>> = {
  done: 0,
  "not begun": 3,
  running: 4,
  stopped: 5,
  "rolled back": 6,
};

/** What the cluster knows of the migration, beside what the target remembers. */
export interface Traces {
  /** The one Job, whatever it does. */
  readonly job?: { readonly name: string; readonly mode: Mode; readonly active: boolean };
  /** What the Job said, with the time of each line in milliseconds. */
  readonly said: readonly { readonly at: number; readonly event: MigrationEvent }[];
  /** The volume of the dump. */
  readonly volume?: { readonly name: string; readonly size: string; readonly holdsBackup: boolean };
  readonly alias?: Alias;
}

/** The answer of `status`; with --json it is printed as it is. */
export interface Status extends Retention {
  readonly state: State;
  readonly phase?: string;
  /** ISO 8601, of the phase that runs or stopped, or of the end. */
  readonly since?: string;
  readonly run?: string;
  /** The last sign of progress. */
  readonly progress?: string;
  /** Why it stopped. */
  readonly why?: { readonly text: string; readonly untouched: string; readonly next: string };
  readonly source: "open" | "frozen" | "sealed";
  /** Replication slots of an online run may be on the source, and keep its WAL. */
  readonly slots?: true;
  readonly phases: readonly {
    readonly phase: string;
    readonly seconds: number | null;
    readonly detail: string | null;
  }[];
  readonly rows?: number;
  readonly tables?: number;
  readonly warnings?: number;
  readonly dump?: {
    readonly directory?: string;
    readonly bytes?: number;
    readonly volume?: string;
    readonly size?: string;
  };
  readonly job?: Traces["job"];
  /** Where the old host name leads, if it is an alias or is about to be one. */
  readonly alias?: Alias;
}

/** Says how far the migration is. @returns exit code, see {@link exitCodes} */
export async function status(settings: Settings, options: { readonly json: boolean }): Promise<number> {
  const answer = await lookAtStatus(settings);
  process.stdout.write(options.json ? `${JSON.stringify(answer, null, 2)}\n` : describe(answer, settings));
  return exitCodes[answer.state];
}

/** Asks the cluster and the target. @throws MigrationFailure where one of them cannot be asked */
export async function lookAtStatus(settings: Settings): Promise<Status> {
  const kubernetes = new Kubernetes(settings);
  const cluster = await kubernetes.presentCluster();
  if (cluster.status?.currentPrimary === undefined) {
    throw new MigrationFailure(
      `Cluster ${settings.target.cluster} has no primary that could be asked (${cluster.status?.phase ?? "it has only just been made"})`,
      nothingChanged,
      `Wait for it: kubectl -n ${settings.namespace} get cluster.postgresql.cnpg.io ${settings.target.cluster}`,
    );
  }
  const record = await readRecord(kubernetes, settings.target.database);
  return { ...judge(record, await traces(kubernetes, settings)), ...retention(record, settings.retainDays) };
}

async function traces(kubernetes: Kubernetes, settings: Settings): Promise<Traces> {
  const { namespace } = settings;
  const names = objectNames(settings);
  const { core, batch } = kubernetes;
  const job = await found(patiently(() => batch.readNamespacedJob({ name: names.job, namespace })));
  const claim = await found(patiently(() => core.readNamespacedPersistentVolumeClaim({ name: names.dump, namespace })));
  const alias = await readAlias(kubernetes, settings);
  return {
    ...(alias === undefined ? {} : { alias }),
    ...(job === undefined ? {} : { job: { name: names.job, mode: modeOf(job), active: !ended(job) } }),
    said: job === undefined ? [] : await lastWords(kubernetes, namespace, names.job),
    ...(claim === undefined
      ? {}
      : {
          volume: {
            name: names.dump,
            size: claim.spec?.resources?.requests?.storage ?? "?",
            holdsBackup: claim.metadata?.labels?.[holdsLabel] === backup,
          },
        }),
  };
}

function modeOf(job: V1Job): Mode {
  return modes.find((mode) => mode === job.metadata?.labels?.[modeLabel]) ?? "migrate";
}

function ended(job: V1Job): boolean {
  return (job.status?.conditions ?? []).some(
    ({ type, status: holds }) => (type === "Complete" || type === "Failed") && holds === "True",
  );
}

/** The events of the Job's pod, as far back as its log goes; none where it has not started or is gone. */
async function lastWords(kubernetes: Kubernetes, namespace: string, job: string): Promise<Traces["said"]> {
  const labelSelector = `batch.kubernetes.io/job-name=${job}`;
  const { items } = await patiently(() => kubernetes.core.listNamespacedPod({ namespace, labelSelector }));
  const name = items.find(({ status: now }) => now?.phase !== "Pending")?.metadata?.name;
  if (name === undefined) return [];
  const log = await found(
    kubernetes.core.readNamespacedPodLog({ name, namespace, container: "migration", timestamps: true }),
  );
  return (log ?? "").split("\n").flatMap((line) => {
    const space = line.indexOf(" ");
    const event = parseEvent(line.slice(space + 1));
    return event === undefined ? [] : [{ at: Date.parse(line.slice(0, space)), event }];
  });
}

/** Puts together what the target remembers and what the cluster shows. */
export function judge({ marker, state, phases }: MigrationRecord, { job, said, volume, alias }: Traces): Status {
  const migrating = job?.mode === "migrate";
  const last = phases.at(-1);
  const back = marker?.rolled_back;
  const sealed = (marker !== null && back == null) || state?.source_sealed != null;
  const source = sealed ? "sealed" : state?.source_freeze != null ? "frozen" : "open";
  const common = {
    source,
    ...(state?.publisher == null ? {} : { slots: true as const }),
    phases: phases.map((one) => ({ phase: one.phase, seconds: seconds(one), detail: one.detail })),
    ...(job === undefined ? {} : { job }),
    ...(alias === undefined ? {} : { alias }),
  } as const;
  const where = volume === undefined ? {} : { volume: volume.name, size: volume.size };
  if (marker !== null) {
    const { report } = marker;
    const unfinished = back == null && state?.target_closed != null && job?.active !== true;
    return {
      ...common,
      state: back == null ? "done" : "rolled back",
      since: back ?? marker.completed,
      ...(unfinished ? { why: cutShort } : {}),
      run: marker.run,
      phases: report.phases,
      rows: report.rows,
      tables: report.tables.length,
      warnings: report.warnings.length,
      dump: { directory: report.dump.directory, bytes: report.dump.bytes, ...where },
    };
  }
  const dump =
    state?.dump == null && volume === undefined
      ? {}
      : { dump: { ...(state?.dump == null ? {} : { directory: state.dump }), ...where } };
  if (migrating && job.active) {
    const narrator = new Narrator();
    const lines = said.map(({ at, event }) => narrator.line(event, at));
    const progress = lines.findLast((line) => line !== undefined && line !== "");
    // The dump is made beside other phases, so the latest that began may have ended already.
    const current = said.findLast(
      ({ event: { event, phase } }) =>
        event === "started" && !said.some(({ event: later }) => later.event === "finished" && later.phase === phase),
    );
    const now = current?.event.phase ?? said.at(-1)?.event.phase ?? last?.phase;
    return {
      ...common,
      ...dump,
      state: "running",
      phase: now ?? "start",
      ...(current === undefined ? {} : { since: new Date(current.at).toISOString() }),
      ...(last === undefined ? {} : { run: last.run }),
      ...(progress === undefined ? {} : { progress }),
    };
  }
  if (last === undefined && !migrating) return { ...common, ...dump, state: "not begun" };
  const verdict = migrating ? said.findLast(({ event }) => event.event === "failed")?.event : undefined;
  const stoppedIn = phases.findLast(({ finished }) => finished === null) ?? last;
  return {
    ...common,
    ...dump,
    state: "stopped",
    phase: verdict?.phase ?? stoppedIn?.phase ?? "start",
    ...(stoppedIn === undefined ? {} : { since: stoppedIn.started, run: stoppedIn.run }),
    why: stoppedIn?.failure ?? {
      text: verdict?.text ?? "the Job was killed, or lost its node, before it could say why",
      untouched: verdict?.untouched ?? "The application's database of the target is as it was.",
      next: verdict?.next ?? "Run `pulumi up` again: it does what is left.",
    },
  };
}

/** A rollback closed the new database to clients, and was ended before it could open it again or make the switch. */
const cutShort = {
  text: "a rollback was cut short; the new database is closed to clients, and so is the old one",
  untouched: "Nothing is lost on either side.",
  next: "`npm run migration -- rollback` goes on, or, where it cannot, opens the new database again.",
} as const;

function seconds({ started, finished }: RecordedPhase): number | null {
  return finished === null ? null : Math.round((Date.parse(finished) - Date.parse(started)) / 100) / 10;
}

/** A status in words. */
export function describe(answer: Status, settings: Settings): string {
  const { source, target, namespace } = settings;
  const from = `${source.host}:${source.port}/${source.database}`;
  const lines = [`${headline(answer)} (${from} → Cluster ${target.cluster}, database ${target.database})`];
  const line = (what: string, text: string | undefined) => {
    if (text !== undefined) lines.push(`  ${what.padEnd(10)} ${text}`);
  };
  line("run", answer.run);
  line("progress", answer.progress);
  line("why", answer.why?.text);
  line("untouched", answer.why?.untouched);
  line("next", answer.why?.next ?? nextStep(answer));
  line(
    "moved",
    answer.rows === undefined
      ? undefined
      : `${answer.rows} rows in ${answer.tables ?? 0} tables, equal on both sides; ${answer.warnings ?? 0} warnings (npm run migration -- report)`,
  );
  line("way back", wayBackWords(answer));
  line("source", sourceWords(answer, namespace));
  if (answer.slots === true) line("WAL", slotWords(answer));
  line("old name", aliasWords(answer, settings));
  line("dump", dumpWords(answer.dump));
  if (answer.job !== undefined && answer.job.mode !== "migrate") {
    line(
      "Job",
      `${describeMode[answer.job.mode]} ${answer.job.active ? "is running" : "has ended"} (Job ${answer.job.name})`,
    );
  }
  for (const { phase, seconds: took, detail } of answer.phases) {
    line(
      phase,
      `${took === null ? "not finished" : `${took} s`}${detail === null || detail === "" ? "" : `, ${detail}`}`,
    );
  }
  return `${lines.join("\n")}\n`;
}

function headline({ state, phase, since, job }: Status): string {
  const at = since === undefined ? "" : ` since ${since}`;
  switch (state) {
    case "not begun":
      return "not begun";
    case "running":
      return `running: ${phase ?? ""}${at}, Job ${job?.name ?? ""}`;
    case "stopped":
      return `stopped in ${phase ?? ""}${at.replace("since", "begun")}`;
    case "done":
      return `done at ${since ?? ""}`;
    case "rolled back":
      return `rolled back at ${since ?? ""}: the old database is in use, the new one closed`;
  }
}

function nextStep({ state, job }: Status): string | undefined {
  if (state === "not begun")
    return "`npm run migration -- plan` looks at both sides and changes neither; `pulumi up` moves the data.";
  if (state === "running") return `wait, or follow it: \`pulumi up\`, or kubectl logs -f job/${job?.name ?? ""}`;
  return undefined;
}

function wayBackWords({ retainedUntil, retainEnded }: Status): string | undefined {
  if (retainEnded !== undefined) return `none: it was ended at ${retainEnded}`;
  if (retainedUntil === undefined) return undefined;
  return `npm run migration -- rollback; kept until ${retainedUntil}, then npm run migration -- finish ends it`;
}

function sourceWords({ source, state, retainEnded }: Status, namespace: string): string {
  if (retainEnded !== undefined) return "left sealed; npm run migration -- finish says how to delete it";
  const release = `docs/migration.md, "Letting the source go", opens it`;
  switch (source) {
    case "open":
      return "open: it takes writes";
    case "frozen":
      return `frozen: read-only${state === "stopped" ? `; the next run goes on, or ${release}` : ""}`;
    case "sealed":
      return state === "done"
        ? `sealed: it stands in namespace ${namespace} as it was at the freeze and takes no connections; ${release}`
        : `sealed: it takes no connections; the next run goes on, or ${release}`;
  }
}

function slotWords({ state, job }: Status): string {
  const what = "replication slots naytife_migration and naytife_migration_proof keep the source's WAL";
  if (state === "running" && job?.active === true) return `${what} until the end of the run`;
  return `${what}, which fills its disk: the next run drops them, or docs/migration.md, "Online", does`;
}

function aliasWords({ alias, job }: Status, settings: Settings): string | undefined {
  if (alias === undefined) return undefined;
  const name = serviceName(settings);
  const leads =
    alias.leads === "target"
      ? `${name} leads to the pooler, ${alias.source} to the old database`
      : `${name} leads to the old database`;
  if (!alias.held) return leads;
  return `${leads}; clients wait there${job?.active === true ? "" : ", and nothing runs that would let them go on: run `pulumi up` again, now"}`;
}

function dumpWords(dump: Status["dump"]): string | undefined {
  if (dump === undefined) return undefined;
  const { directory, bytes, volume, size } = dump;
  const what = directory ?? "none that is whole";
  const where = volume === undefined ? "its volume is gone" : `volume ${volume} (${size ?? "?"})`;
  return `${what}${bytes === undefined ? "" : `, ${humanBytes(bytes)}`}, ${where}`;
}
