/** A slice of the kill campaign (`npm run campaign -- kill`): a copy that was begun, one that was finished, and the moments around the switch; the next run finishes it. */
import { migrate, type Told } from "../campaign/kill";
import { slice } from "../campaign/plan";
import { setTheScene, type Scene } from "../campaign/scene";
import { table } from "../campaign/table";
import { sharedCluster, sharedClusterName } from "./cluster";

const seed = Number(process.env.NAYTIFE_CAMPAIGN_SEED ?? 7);
const tell = (line: string) => process.stderr.write(`${line}\n`);
const migrations = slice(seed);
const told: Told[] = [];

let scene: Scene;

beforeAll(async () => {
  tell(`kill campaign, slice of seed ${seed}`);
  scene = await setTheScene("offline", sharedClusterName, await sharedCluster());
}, 300_000);

afterAll(async () => {
  for (const line of table(told.flatMap(({ struck }) => struck))) tell(line);
  await scene.takeDown();
}, 120_000);

test.each(
  migrations.map((kills) => [kills.map(({ victim, at }) => `${victim} at "${at}"`).join(", then "), kills] as const),
)(
  "killed: %s; everything that was acknowledged is moved, once, whole",
  async (_title, kills) => {
    const again = `--slice --seed ${seed} --only ${migrations.indexOf(kills) + 1}`;
    tell(`seed ${seed}; this one alone: npm run campaign -- kill ${again}`);
    const migration = await migrate(scene, kills, tell);
    told.push(migration);
    expect(migration.faults).toEqual([]);
  },
  300_000,
);

test("a crash of the target's server that nothing but unlogged tables tell of: the switch refuses the copy, and the next run copies all anew", () => {
  const place = migrations.findIndex((kills) => kills.some(({ at }) => at === "compared"));
  expect(told[place]?.said).toMatch(
    /cut over: the target's server crashed after the copy was begun[^]*crashed since an earlier run, which empties unlogged tables; all is copied anew/,
  );
});
