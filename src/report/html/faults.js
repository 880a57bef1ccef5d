// What disturbs the world, from when to when, and whom. The page's data has it worked out; here it gets its words.

const FAULT_KINDS = ["break", "slow", "crash", "lie"];

function readFaults(journal) {
  return journal.faults.map(({ kind, first, last, servers }) => {
    const record = journal.records[first];
    const label = record.what === "crashed" ? `${record.server} is down` : stepText(record);
    /** To which record it holds on each server that it hits. */
    return { kind, first, last, servers: new Map(servers), label };
  });
}

/** A step in a line. The page's data has it in words; who acts stands before them. */
function stepText({ family, server, words }) {
  if (!server) return printable(words);
  return printable(family === "lie" ? `${server} ${words}` : `${server}: ${words}`);
}
