/** A slice of the kill campaign (`npm run campaign -- kill`): every moment of a migration once, each time another victim, and the next run finishes it. */
import { migrate } from "../campaign/kill";
import { opening, plan } from "../campaign/plan";
import { setTheScene, type Scene } from "../campaign/scene";
import { sharedCluster, sharedClusterName } from "./cluster";

const seed = Number(process.env.NAYTIFE_CAMPAIGN_SEED ?? 7);
const tell = (line: string) => process.stderr.write(`${line}\n`);

let scene: Scene;

beforeAll(async () => {
  tell(`kill campaign, seed ${seed}`);
  scene = await setTheScene(sharedClusterName, await sharedCluster());
}, 300_000);

afterAll(() => scene.takeDown(), 120_000);

test.each(
  plan(seed, opening).map(
    (kills) => [kills.map(({ victim, at }) => `${victim} at "${at}"`).join(", then "), kills] as const,
  ),
)(
  "killed: %s; everything that was acknowledged is moved, once, whole",
  async (_title, kills) => {
    expect(await migrate(scene, kills, tell)).toEqual([]);
  },
  240_000,
);
