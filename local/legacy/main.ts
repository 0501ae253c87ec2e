/** `npm run legacy -- up|status|write|down`: the legacy database in a cluster, for tests and for the local stack. */
import { appendFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { step } from "../progress";
import { connect, podQuery, readyPod, type Target } from "./cluster";
import { bringUpLegacy, connectionSecret, legacyStatus, takeDownLegacy } from "./legacy";
import { type WalLevel, walLevels } from "./manifests";
import { missing, startWriter, stopWriter, writerEnd, writerLog, type Writer } from "./writer";

const usage = `npm run legacy -- COMMAND [OPTIONS]

  up       bring the legacy database up and seed it; nothing where a seeded one is
             --size 100MB     10MB to 10GB
             --seed 1         same seed and size, same rows
             --streams 2      COPY pipes at a time
             --image docker.io/library/postgres:15
             --wal-level replica    or logical, for an online migration
  status   say how it is
  write    write to it, and log what was acknowledged
             --period 100ms   between the starts of two writes
             --duration 60s   then it ends by itself
             --log FILE       one line a write: time, "ack" and the order's id, or "error" and why
             --url-secret NAME/KEY   where to write to; default: the legacy database itself
  down     take it down, data and password included

  --kubeconfig PATH   default: as kubectl finds it
  --context NAME      default: the kubeconfig's current one
  --namespace naytife
`;

class UsageError extends Error {}

/** Reads `250ms`, `60s`, `5m` or `1h`. @returns milliseconds */
function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  if (!match) throw new UsageError(`"${text}" is no length of time; write for example 100ms, 60s or 5m.`);
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  return Number(match[1]) * (units[match[2] ?? ""] ?? NaN);
}

function wholeNumber(name: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new UsageError(`--${name} must be a whole number, not "${text}".`);
  return Number(text);
}

function walLevelOf(text: string): WalLevel {
  const level = walLevels.find((one) => one === text);
  if (level === undefined) throw new UsageError(`--wal-level must be ${walLevels.join(" or ")}, not "${text}".`);
  return level;
}

async function write(
  target: Target,
  options: { period: string; duration: string; log?: string; urlSecret?: string; image?: string },
) {
  const period = parseDuration(options.period);
  const duration = parseDuration(options.duration);
  const cluster = connect(target);
  const pod = await readyPod(cluster, target.namespace);
  const image =
    options.image ??
    (await cluster.core.readNamespacedPod({ name: pod, namespace: target.namespace })).spec?.containers[0]?.image ??
    "";
  const [secret, key, ...rest] = options.urlSecret?.split("/") ?? Object.values(await connectionSecret(target));
  if (!secret || !key || rest.length > 0) throw new UsageError("--url-secret must be NAME/KEY.");
  const writer: Writer = await startWriter(target, {
    name: `legacy-writer-${Date.now().toString(36)}`,
    image,
    periodMilliseconds: period,
    durationSeconds: duration / 1000,
    url: { secret, key },
  });
  step(`writer ${target.namespace}/${writer.name} runs for ${options.duration}`);
  if (options.log) await writeFile(options.log, "");
  let written = 0;
  const save = async () => {
    const log = await writerLog(writer);
    const lines = log.acknowledged
      .map(({ id, at }) => `${at.toISOString()} ack ${id}`)
      .concat(log.errors.map(({ at, message }) => `${at.toISOString()} error ${message}`))
      .sort();
    if (options.log)
      await appendFile(
        options.log,
        lines
          .slice(written)
          .map((line) => `${line}\n`)
          .join(""),
      );
    written = lines.length;
    return log;
  };
  for (let log = await save(); !log.ended; log = await save()) {
    step(`writer: ${log.acknowledged.length} acknowledged, ${log.errors.length} errors`);
    await Promise.race([sleep(2000), writerEnd(writer)]);
  }
  const log = await stopWriter(writer);
  step(`writer: ended, ${log.acknowledged.length} acknowledged, ${log.errors.length} errors`);
  if (options.urlSecret) return;
  const lost = await missing(log.acknowledged, (sql) => podQuery(cluster, target.namespace, sql));
  if (lost.length > 0)
    throw new Error(
      `${lost.length} acknowledged orders are not in the database: ${lost
        .slice(0, 20)
        .map(({ id }) => id)
        .join(", ")}.`,
    );
  step("writer: every acknowledged order and its payment is there");
}

async function main(): Promise<void> {
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: {
        size: { type: "string", default: "100MB" },
        seed: { type: "string", default: "1" },
        streams: { type: "string", default: "2" },
        image: { type: "string" },
        "wal-level": { type: "string", default: "replica" },
        period: { type: "string", default: "100ms" },
        duration: { type: "string", default: "60s" },
        log: { type: "string" },
        "url-secret": { type: "string" },
        kubeconfig: { type: "string", default: "" },
        context: { type: "string", default: "" },
        namespace: { type: "string", default: "naytife" },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  const { values, positionals } = parsed;
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  const { kubeconfig, context, namespace } = values;
  const target: Target = { kubeconfig, context, namespace };
  if (positionals.length !== 1) throw new UsageError("Say one command.");
  switch (positionals[0]) {
    case "up":
      await bringUpLegacy({
        ...target,
        size: values.size,
        seed: wholeNumber("seed", values.seed),
        streams: wholeNumber("streams", values.streams),
        image: values.image ?? "docker.io/library/postgres:15",
        walLevel: walLevelOf(values["wal-level"]),
      });
      return;
    case "status": {
      const status = await legacyStatus(target);
      process.stdout.write(`${JSON.stringify(status, null, 2)}\n`);
      return;
    }
    case "write":
      await write(target, {
        period: values.period,
        duration: values.duration,
        ...(values.log === undefined ? {} : { log: values.log }),
        ...(values.image === undefined ? {} : { image: values.image }),
        ...(values["url-secret"] === undefined ? {} : { urlSecret: values["url-secret"] }),
      });
      return;
    case "down":
      await takeDownLegacy(target);
      return;
    default:
      throw new UsageError(`There is no command "${positionals[0] ?? ""}".`);
  }
}

main().catch((error: unknown) => {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n\n${usage}`);
    process.exitCode = 2;
  } else {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
});
