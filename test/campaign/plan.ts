/** What a kill campaign does: from a seed to who is killed, and when. Pure: the same seed, the same plan. */
import type { Settings } from "../../migration/engine/settings";

/** Which kind of migration is killed. */
export type Mode = NonNullable<Settings["mode"]>;

/** The moments of a run that a kill is planned at, in the order of an offline one. */
const boundaries = [
  /** The Job is made, and not let go yet. */
  "begin",
  "preflight",
  "publish",
  "freeze",
  "copy",
  "index",
  "dump",
  "verify",
  "dump done",
  "catch up",
  "prove",
  "cut over",
  /** Before the switch: the Job stands between two statements, and goes on when the target answers; what happens to the target meanwhile it cannot see. */
  "compared",
  /** In the transaction that switches, before it commits. */
  "switch",
  /** After it has committed, before anything else. */
  "switched",
  /** The Job has said that it is done. */
  "end",
] as const;
export type Boundary = (typeof boundaries)[number];

/** The phases that a run can be hit in: its moments, but that the dump's end begins none. */
export const phases = boundaries.filter((at) => at !== "dump done");

const onlineAlone: readonly Boundary[] = ["publish", "catch up", "prove"];

/** The moments of such a run. */
export function moments(mode: Mode): readonly Boundary[] {
  return boundaries.filter((at) => mode === "online" || !onlineAlone.includes(at));
}

/** From which moment to which a victim can make a difference. */
const within = {
  /** All that runs in the Job's container, by SIGKILL. */
  "the Job's program": ["preflight", "switched"],
  /** Without grace, as for a node that is lost. */
  "the Job's pod": ["preflight", "switched"],
  /** Asked to stop. */
  "the Job's pod, politely": ["preflight", "switched"],
  "the Job": ["begin", "end"],
  "the engine": ["begin", "end"],
  "the engine, by Ctrl-C": ["begin", "end"],
  /** Who started the engine is gone, nobody reads what it says, and the next one is started beside it. */
  "the Pulumi process": ["begin", "end"],
  /** Ours, ended by the source's server. */
  "the sessions on the source": ["copy", "cut over"],
  /** Packets to and from the source's server are lost. */
  "the source's network": ["preflight", "cut over"],
  /** Its connections are reset, and new ones refused, as by a firewall that was restarted. */
  "the source's connections": ["preflight", "cut over"],
  "the dump's disk": ["preflight", "dump done"],
  "the target's disk": ["preflight", "switch"],
  /** The postmaster, by SIGKILL. */
  "the target's server": ["begin", "end"],
  "the target's pod": ["begin", "end"],
  /** At one blow, as for a node that both are on. */
  "the Job's program and the target's server": ["preflight", "switched"],
} as const satisfies Readonly<Record<string, readonly [Boundary, Boundary]>>;
export type Victim = keyof typeof within;

export const victims = Object.keys(within) as Victim[];

export interface Kill {
  readonly victim: Victim;
  readonly at: Boundary;
  /** Milliseconds from that moment. */
  readonly after: number;
  /** How long a network is cut or a disk is full, in milliseconds. */
  readonly lasts: number;
}

/** Of one migration: each of these in a run of its own, then a run that is left alone. */
export type Kills = readonly Kill[];

/** Whether `victim` can make a difference at that moment. */
export function matters(victim: Victim, at: Boundary): boolean {
  const [from, to] = within[victim].map((moment) => boundaries.indexOf(moment));
  return boundaries.indexOf(at) >= from! && boundaries.indexOf(at) <= to!;
}

/** Who may be hit without the run being the worse for it: the Job goes on by itself, or waits, or had no connection at that moment. */
const survivable: readonly Victim[] = [
  "the engine",
  "the engine, by Ctrl-C",
  "the Pulumi process",
  "the source's network",
  "the source's connections",
  "the dump's disk",
  "the target's disk",
];

/** How many migrations it takes to kill at every moment once. */
export const opening = { offline: 6, online: 8 } as const;

/**
 * The first migrations have two or three kills each: every moment once, no victim again before all were. Afterwards it is up to six each, whoever and whenever,
 * at random points behind the moments too.
 *
 * @param seed a whole number
 * @param count how many migrations
 */
export function plan(seed: number, count: number, mode: Mode): Kills[] {
  const random = randomNumbers(seed);
  const all = everyMoment(random, mode, opening[mode], () => inTurn(random, mode));
  while (all.length < count) all.push(anyKills(random, mode));
  return all.slice(0, count);
}

/**
 * What the next run goes on from, in two migrations: a copy that was begun, and one that was finished; then the moments around the switch. Between the comparison
 * and the switch it is the target's server, which empties what is unlogged; else whoever ends the run.
 *
 * @param seed a whole number
 */
export function slice(seed: number): Kills[] {
  const random = randomNumbers(seed);
  const moment = (at: Boundary): Kill => {
    const able = victims.filter((victim) => matters(victim, at) && !survivable.includes(victim));
    const victim = at === "compared" ? "the target's server" : one(able, random);
    return { victim, at, after: 0, lasts: 0 };
  };
  const early = one<Boundary>(["freeze", "copy", "index"], random);
  const late = one<Boundary>(["dump", "verify", "cut over"], random);
  return [
    [moment(early), moment("compared"), moment("switched")],
    [moment(late), moment("switch"), moment("end")],
  ];
}

/** For each moment one who matters then, if there is one; nobody again before all were. */
function inTurn(random: () => number, mode: Mode): Victim[] {
  let left: readonly Victim[] = [];
  return moments(mode).map((at) => {
    if (left.length === 0) left = victims;
    const able = left.filter((each) => matters(each, at));
    const victim = one(able.length > 0 ? able : left, random);
    left = left.filter((each) => each !== victim);
    return victim;
  });
}

/** @param victimsInTurn one for each moment; asked again where they will not do */
function everyMoment(
  random: () => number,
  mode: Mode,
  migrations: number,
  victimsInTurn: () => readonly Victim[],
): Kills[] {
  for (;;) {
    const who = victimsInTurn();
    const all = moments(mode).map((at, index): Kill => {
      return { victim: who[index]!, at, after: 0, lasts: 2000 + Math.floor(random() * 3000) };
    });
    if (!all.every(({ victim, at }) => matters(victim, at)) || all.filter(mayEndWell).length > migrations) continue;
    const dealt = shuffled(all, random);
    const each = Array.from({ length: migrations }, (_, n) => inOrder(dealt.filter((_, i) => i % migrations === n)));
    if (each.every(possible)) return each;
  }
}

function anyKills(random: () => number, mode: Mode): Kills {
  const kills = Array.from({ length: 3 + Math.floor(random() * 4) }, (): Kill => {
    const at = one(moments(mode), random);
    const victim = one(
      victims.filter((each) => matters(each, at)),
      random,
    );
    // Now and then longer than a connection is waited for.
    const lasts = random() < 0.1 ? 20_000 : 1000 + Math.floor(random() * 4000);
    return { victim, at, after: Math.floor(random() * 2000), lasts };
  });
  const [last] = kills.filter(mayEndWell);
  return inOrder(kills.filter((kill) => kill === last || !mayEndWell(kill)));
}

/** Where a run may come to its end all the same, there is nothing left to kill in a later one. */
function possible(kills: Kills): boolean {
  return kills.slice(0, -1).every((kill) => !mayEndWell(kill));
}

function mayEndWell({ victim, at }: Kill): boolean {
  // Before the Job's pod has started, the target may be back in time.
  const backInTime = at === "begin" && (victim === "the target's server" || victim === "the target's pod");
  // What follows the source comes again.
  const followsOn = at === "catch up" && victim === "the sessions on the source";
  return at === "switched" || at === "end" || backInTime || followsOn || survivable.includes(victim);
}

function inOrder(kills: Kills): Kills {
  const place = (kill: Kill) => (mayEndWell(kill) ? boundaries.length : 0) + boundaries.indexOf(kill.at);
  return [...kills].sort((a, b) => place(a) - place(b));
}

function one<Item>(items: readonly Item[], random: () => number): Item {
  return items[Math.floor(random() * items.length)]!;
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  return items
    .map((item) => ({ item, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

/** Numbers from 0 to below 1 that follow from the seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
