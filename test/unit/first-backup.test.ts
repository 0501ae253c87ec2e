import { backupSpec } from "../../components/backups";
import { FirstBackup, type BackupProgress } from "../../migration/engine/first-backup";
import type { BackupObject, ClusterObject } from "../../migration/engine/kubernetes";
import { exampleSettings } from "../migration-settings";

const since = new Date("2026-11-21T22:00:00.500Z");
const healthy: ClusterObject = { spec: {} };
const spec = backupSpec("naytife-postgres", "prefer-standby");

const backup = (name: string, created: string, phase?: string): BackupObject => ({
  metadata: { name, creationTimestamp: `2026-11-21T${created}Z` },
  spec: { cluster: { name: "naytife-postgres" } },
  ...(phase === undefined ? {} : { status: { phase, error: "the store is full" } }),
});

/** A namespace with backups, whose primary says how many segments wait. */
function namespace(backups: BackupObject[], segments = 0) {
  const asked: unknown[] = [];
  const first = new FirstBackup(
    {
      backups: () => Promise.resolve(backups),
      createBackup: (wanted) => {
        asked.push(wanted);
        backups.push(backup("asked", "22:05:00"));
        return Promise.resolve("asked");
      },
      control: () => Promise.resolve(String(segments)),
    },
    exampleSettings,
    spec,
    since,
  );
  return { asked, look: (cluster = healthy): Promise<BackupProgress> => first.look(cluster) };
}

afterEach(() => {
  jest.useRealTimers();
});

test("the data is safe with a backup that was begun after the migration, and no WAL that waits", async () => {
  // Kubernetes' times have no fractions.
  const { look } = namespace([backup("daily", "22:00:00", "completed")]);
  expect(await look()).toEqual({ settled: true, line: "base backup daily completed, all WAL archived" });
});

test("it is not while WAL waits, and the reason is said", async () => {
  const { look } = namespace([backup("daily", "22:00:01", "completed")], 3);
  const failing = {
    spec: {},
    status: { conditions: [{ type: "ContinuousArchiving", status: "False", message: "no store" }] },
  };
  expect(await look(failing)).toEqual({
    settled: false,
    line: "base backup daily completed, 3 WAL segments wait for the archive; archiving fails: no store",
  });
});

test("a backup of before, or one under way, is none yet", async () => {
  const { look, asked } = namespace([backup("before", "21:59:59", "completed"), backup("now", "22:00:02", "running")]);
  expect(await look()).toEqual({ settled: false, line: "base backup now: running" });
  expect(asked).toEqual([]);
});

test("where the schedule's own does not come, one is asked for after a while", async () => {
  jest.useFakeTimers();
  const { look, asked } = namespace([]);
  expect((await look()).line).toBe("no base backup yet");
  expect(asked).toEqual([]);
  jest.advanceTimersByTime(31_000);
  expect((await look()).line).toBe("base backup asked: asked for");
  expect((await look()).line).toBe("base backup asked: new");
  expect(asked).toEqual([spec]);
});

test("one that failed is asked for again, once; then the reason is told", async () => {
  const backups = [backup("daily", "22:00:02", "failed")];
  const { look, asked } = namespace(backups);
  expect((await look()).line).toBe("base backup asked: asked for");
  backups.splice(0, 2, backup("daily", "22:00:02", "failed"), backup("asked", "22:05:00", "failed"));
  await expect(look()).rejects.toThrow(/base backup asked failed: the store is full\n {2}Untouched: .*\n {2}Next: /);
  expect(asked).toHaveLength(1);
});
