/** The commands that a runbook says to look with: test/rules reads what they may do, test/night runs them. */

/** First line of each block: whoever copies it puts the stack's namespace there. */
export const placeholder = "N=naytife-production    # the stack's namespace";

/** Commands of a runbook's section "Diagnosis" as they stand there, without the {@link placeholder}. */
export function diagnosisCommands(runbook: string): readonly string[] {
  const section = /^## Diagnosis$([\s\S]*?)^## /m.exec(runbook)?.[1] ?? "";
  return [...section.matchAll(/^```console\n([\s\S]*?)^```$/gm)]
    .flatMap(([, block = ""]) => block.replaceAll("\\\n", "").split("\n"))
    .filter((line) => line !== "" && line !== placeholder);
}

/** What of a command may do more than look, or is not understood. None: it only reads. */
export function beyondReading(command: string): readonly string[] {
  const simple = simpleCommands(command);
  return simple === undefined ? [command] : simple.filter((words) => !reads(words)).map((words) => words.join(" "));
}

const token =
  /(?<space>\s+)|(?<substitution>\$\()|(?<close>\))|(?<end>\|\|?|&&|;)|'(?<literal>[^']*)'|"(?<quoted>(?:[^"\\`$]|\\.|\$(?!\())*)"|(?<plain>(?:[^\s'"|;&()<>`$\\#]|\$(?!\()|\\.)+)/y;

/** The commands of a line of shell, those in `$(…)` too, as words without their quotes. undefined: there is more in it than is known here, such as a redirection. */
function simpleCommands(line: string): readonly (readonly string[])[] | undefined {
  const commands: string[][] = [];
  const around: { readonly words: string[]; readonly word: string }[] = [];
  let words: string[] = [];
  let word: string | undefined;
  const endWord = () => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  const endCommand = () => {
    endWord();
    if (words.length > 0) commands.push(words);
    words = [];
  };
  for (token.lastIndex = 0; token.lastIndex < line.length;) {
    const found = token.exec(line)?.groups;
    if (found === undefined) return undefined;
    const { space, substitution, close, end, literal, quoted, plain } = found;
    if (space !== undefined) endWord();
    else if (end !== undefined) endCommand();
    else if (substitution !== undefined) {
      around.push({ words, word: word ?? "" });
      words = [];
      word = undefined;
    } else if (close !== undefined) {
      endCommand();
      const outer = around.pop();
      if (outer === undefined) return undefined;
      words = outer.words;
      // Whatever comes out of it: no word that is known.
      word = `${outer.word}$(…)`;
    } else word = `${word ?? ""}${literal ?? quoted ?? plain ?? ""}`;
  }
  endCommand();
  return around.length === 0 ? commands : undefined;
}

/** Programs that print what they are given. */
const filters = ["cut", "grep", "head", "tail", "wc"];

function reads([program = "", ...args]: readonly string[]): boolean {
  const all = args.join(" ");
  switch (program) {
    case "kubectl":
      return kubectlReads(args);
    case "npm":
      return /^run (status|migration -- (status|plan|report)|recover -- window)( |$)/.test(all);
    case "base64":
      return all === "-d";
    case "openssl":
      return all.startsWith("x509 -noout ") && !args.includes("-out");
    // A loop over names; what it does with them is a command of its own.
    case "for":
      return args[1] === "in";
    case "do":
      return reads(args);
    case "done":
      return args.length === 0;
    default:
      return filters.includes(program);
  }
}

function kubectlReads(args: readonly string[]): boolean {
  const [verb = "", ...rest] = args[0] === "-n" ? args.slice(2) : args;
  if (["describe", "get", "logs", "top"].includes(verb)) return true;
  const inside = rest.slice(rest.indexOf("--") + 1);
  return verb === "exec" && rest.includes("--") && readsInPod(inside);
}

function readsInPod([program = "", ...args]: readonly string[]): boolean {
  return ["df", "du", "ls"].includes(program) || (program === "psql" && psqlReads(args));
}

/** psql that is given statements, and nothing but statements that read. Without one it would wait for somebody to type. */
function psqlReads(args: readonly string[]): boolean {
  const statements: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const option = args[at] ?? "";
    if (/^-[Atx]*c$/.test(option)) statements.push(args[++at] ?? "");
    else if (/^-[dU]$/.test(option)) at++;
    else if (!/^-[Atx]+$/.test(option)) return false;
  }
  return statements.length > 0 && statements.every(asks);
}

/** What a SELECT may call: some functions end sessions, switch files, or drop slots. */
const callable = [
  "age",
  "cardinality",
  "count",
  "in",
  "left",
  "mxid_age",
  "now",
  "pg_blocking_pids",
  "pg_control_checkpoint",
  "pg_current_wal_lsn",
  "pg_is_in_recovery",
  "pg_size_pretty",
  "pg_table_size",
  "pg_total_relation_size",
  "pg_wal_lsn_diff",
  "pg_walfile_name",
  "round",
];

function asks(statement: string): boolean {
  if (/^(SHOW \w+|\\d\w* \w+)$/.test(statement)) return true;
  const called = [...statement.matchAll(/([\w"]+)\s*\(/g)].map(([, name = ""]) => name.toLowerCase());
  return (
    /^SELECT [^;\\]+$/.test(statement) &&
    !/\b(INTO|FOR (NO KEY )?(UPDATE|SHARE|KEY))\b/i.test(statement) &&
    called.every((name) => callable.includes(name))
  );
}
