import { run } from "../run";
import {
  bridgeHardwareAddress,
  hostAddress,
  hostLink,
  nodeBridge,
  nodePlans,
  primaryLink,
  serviceCidr,
  type ClusterPlan,
  type NodePlan,
} from "./plan";

/** A network in use on this machine, from an address or a route: `10.213.0.0/24`. */
type Network = string;

function range(network: Network): [number, number] {
  const [address = "", length = "32"] = network.split("/");
  const number = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(length));
  const first = number - (number % size);
  return [first, first + size - 1];
}

export function overlap(one: Network, other: Network): boolean {
  const [first, last] = range(one);
  const [otherFirst, otherLast] = range(other);
  return first <= otherLast && otherFirst <= last;
}

/**
 * The subnet of a new cluster, as the first three numbers of a /24: the requested one if it is free, else the first free of 10.213.0 to 10.213.255.
 * @throws where the requested one is in use, or no one is free.
 */
export function chooseSubnet(inUse: readonly Network[], requested?: string): string {
  const taken = (subnet: string) => inUse.find((network) => overlap(network, `${subnet}.0/24`));
  if (requested !== undefined) {
    const by = taken(requested);
    if (by !== undefined) {
      throw new Error(
        `The subnet ${requested}.0/24 is in use on this machine, by ${by}. Nothing was changed. Name another one, or none.`,
      );
    }
    return requested;
  }
  for (let third = 0; third < 256; third++) {
    const subnet = `10.213.${third}`;
    if (taken(subnet) === undefined) return subnet;
  }
  throw new Error(
    "No /24 of 10.213.0.0/16 is free on this machine. Nothing was changed. Name a free one with --subnet.",
  );
}

/** The networks that the machine has addresses in or routes to; the default route is none. */
export async function networksInUse(): Promise<Network[]> {
  const [addresses, routes] = await Promise.all([
    run("ip", ["-json", "-4", "address", "show"]),
    run("ip", ["-json", "-4", "route", "show", "table", "all"]),
  ]);
  const ofAddresses = (JSON.parse(addresses) as { addr_info?: { local: string; prefixlen: number }[] }[]).flatMap(
    ({ addr_info }) => (addr_info ?? []).map(({ local, prefixlen }) => `${local}/${prefixlen}`),
  );
  const ofRoutes = (JSON.parse(routes) as { dst: string }[]).map(({ dst }) => dst);
  return [...ofAddresses, ...ofRoutes].filter((network) => /^\d/.test(network) && !network.endsWith("/0"));
}

async function ip(lines: readonly string[]): Promise<void> {
  await run("ip", ["-batch", "-"], { input: `${lines.join("\n")}\n` });
}

async function ipInside(init: number, lines: readonly string[]): Promise<void> {
  await run("nsenter", [`--net=/proc/${init}/ns/net`, "ip", "-batch", "-"], { input: `${lines.join("\n")}\n` });
}

async function linksInside(init: number): Promise<Set<string>> {
  const links = await run("nsenter", [`--net=/proc/${init}/ns/net`, "ip", "-json", "link", "show"]);
  return new Set((JSON.parse(links) as { ifname: string }[]).map(({ ifname }) => ifname));
}

/**
 * Joins the machine and the running nodes: the first node's namespace holds a bridge, and each other node and the machine have a cable
 * into it. What is joined already stays. The machine gets one interface and one address, nothing else: no bridge, no rule, no forwarding.
 * @param inits the host's process id of each running node's first process, by node index; the first node's must be among them
 */
export async function connect(plan: ClusterPlan, inits: ReadonlyMap<number, number>): Promise<void> {
  const first = inits.get(1);
  if (first === undefined) return;
  const link = hostLink(plan.name);
  const firstLinks = await linksInside(first);
  // A link that is there may still lack the rest, where we were killed in between: all but its making is repeated.
  // With an address of its own: else it takes the lowest of its ports', another one whenever a lower one joins, and whoever has learnt the
  // earlier address loses the API server until its neighbour entry ages (seen: 68 to 127 s).
  if (!firstLinks.has(nodeBridge))
    await ipInside(first, [`link add ${nodeBridge} address ${bridgeHardwareAddress} type bridge`]);
  if (!firstLinks.has("machine")) await ip([`link add ${link} type veth peer name machine netns ${first}`]);
  await ip([`address replace ${hostAddress(plan)}/24 dev ${link}`, `link set ${link} up`]);
  await ipInside(first, [`link set ${nodeBridge} up`, `link set machine master ${nodeBridge}`, "link set machine up"]);
  const nodes = nodePlans(plan);
  for (const node of nodes) {
    const init = inits.get(node.index);
    if (init === undefined) continue;
    if (node.index !== 1) {
      const port = `node${node.index}`;
      if (!(await linksInside(init)).has("eth0"))
        await ip([`link add ${port} netns ${first} type veth peer name eth0 netns ${init}`]);
      await ipInside(first, [`link set ${port} master ${nodeBridge}`, `link set ${port} up`]);
    }
    await configure(init, node, nodes);
  }
}

/** Addresses and routes of one node; repeating it changes nothing. */
async function configure(init: number, node: NodePlan, nodes: readonly NodePlan[]): Promise<void> {
  const link = primaryLink(node.index);
  const others = nodes.filter(({ index }) => index !== node.index);
  await ipInside(init, [
    `link set ${link} up`,
    `address replace ${node.address}/24 dev ${link}`,
    // Never sent: kube-proxy turns a service's address into a pod's before; but without a route there would be nothing to turn.
    `route replace ${serviceCidr} dev ${link}`,
    ...others.map((other) => `route replace ${other.podCidr} via ${other.address} dev ${link}`),
  ]);
}

/** Removes the machine's end of the cable, in case the kernel has not yet done it with the namespace at the other end. */
export async function disconnect(name: string): Promise<void> {
  const link = hostLink(name);
  const links = JSON.parse(await run("ip", ["-json", "link", "show"])) as { ifname: string }[];
  if (links.some(({ ifname }) => ifname === link)) await run("ip", ["link", "delete", link]).catch(() => undefined);
}
