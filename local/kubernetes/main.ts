import { parseArgs } from "node:util";
import { down, killNode, kubeconfig, startNode, up } from "./cluster";
import { describe, status } from "./status";

const usage = `npm run kubernetes -- COMMAND [--name NAME]

  up [--nodes N] [--subnet 10.213.7]   brings the embedded cluster up, or does nothing where it runs
  down                                 takes it down and removes everything that it was
  status                               nodes, programs, versions, addresses, and where the images are from
  kubeconfig                           prints the path of its kubeconfig
  kill-node --node N                   kills one node as a power cut would
  start-node --node N                  starts it again

NAME is "local" unless given.`;

function number(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new Error(`--${option} takes a number, not "${text}". Nothing was changed.`);
  return Number(text);
}

async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      name: { type: "string" },
      nodes: { type: "string" },
      node: { type: "string" },
      subnet: { type: "string" },
    },
  });
  const cluster = values.name === undefined ? {} : { name: values.name };
  const node = number(values.node, "node") ?? 0;
  switch (positionals.join(" ")) {
    case "up": {
      const nodes = number(values.nodes, "nodes");
      const options = {
        ...cluster,
        ...(nodes === undefined ? {} : { nodes }),
        ...(values.subnet === undefined ? {} : { subnet: values.subnet }),
      };
      for (const [key, value] of Object.entries(await up(options))) process.stdout.write(`${key}\t${value}\n`);
      return;
    }
    case "down":
      return down(cluster);
    case "status": {
      const state = await status(cluster);
      process.stdout.write(
        `${state === undefined ? `There is no cluster "${values.name ?? "local"}".` : describe(state)}\n`,
      );
      return;
    }
    case "kubeconfig":
      process.stdout.write(`${await kubeconfig(cluster)}\n`);
      return;
    case "kill-node":
      return killNode({ ...cluster, node });
    case "start-node":
      return startNode({ ...cluster, node });
    default:
      throw new Error(usage);
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
