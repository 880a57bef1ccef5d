// What disturbs the world, from when to when, and whom: partitions, crashes, lies. Faults are known by their steps'
// records alone, so that kinds of which this page has never heard are shown too.

const LASTING = new Set(["partition", "cut", "silence", "latency", "disturb", "answer", "lie"]);
/** These end at a heal, the others when their time is over. */
const HEALED = new Set(["partition", "cut", "silence"]);
const KINDS = { latency: "slow", disturb: "slow", answer: "lie", lie: "lie" };
const FAULT_KINDS = ["break", "slow", "crash", "lie"];

function readFaults(journal) {
  const faults = [];
  const timed = new Set(journal.records.filter(({ what }) => what === "step_ends").map(({ step }) => step));
  const close = (index, is) => {
    for (const fault of faults) if (fault.last === null && is(fault)) fault.last = index;
  };
  journal.records.forEach((record, index) => {
    const { what, action, step, server } = record;
    if (what === "step" && action === "heal") close(index, healedBy(record.detail.heal?.between));
    else if (what === "healed") close(index, ({ action }) => HEALED.has(action) || action === "disturb");
    else if (what === "step_ends") close(index, (fault) => fault.step === step);
    else if (what === "crashed") faults.push(fault(index, { kind: "crash", label: `${server} is down`, servers: [server] }));
    else if (what === "started") close(index, (fault) => fault.kind === "crash" && fault.servers[0] === server);
    else if (what === "step" && (LASTING.has(action) || timed.has(step))) {
      const own = stepFault(record, journal.servers);
      if (action === "answer") close(index, (old) => old.action === "answer" && isSameQuestion(old.settings, own.settings));
      faults.push(fault(index, own));
    } else {
      const used = faults.find((fault) => fault.last === null && isUse(fault, record, journal));
      if (used && --used.left === 0) used.last = index;
    }
  });
  close(journal.records.length - 1, () => true);
  return faults;
}

const fault = (first, rest) => ({ first, last: null, action: null, step: null, left: Infinity, ...rest });

const healedBy = (pair) => (fault) =>
  HEALED.has(fault.action) && (!pair || pair.every((server) => fault.servers.includes(server)));

const isSameQuestion = (one, other) =>
  ["server", "endpoint", "about", "to"].every((field) => one[field] === other[field]);

function stepFault(record, all) {
  const { action, step, detail } = record;
  const settings = detail[action] ?? {};
  const kind = KINDS[action] ?? "break";
  const named = kind === "lie" && settings.server ? [settings.server] : namedServers(settings, all);
  // Told answers say nothing when they are given, so each question counts.
  const left = (settings.times ?? Infinity) + (action === "answer" ? (settings.skip ?? 0) : 0);
  return { kind, action, step, settings, left, servers: named.length > 0 ? named : all, label: stepText(record) };
}

/** Whether a record is one of the times for which a fault lasts, if it is for some times only. */
function isUse({ action, settings, servers }, record, journal) {
  const fits = (endpoint) => endpoint === undefined || endpoint === journal.requests.get(record.id)?.endpoint;
  switch (record.what) {
    case "disturbed":
      return action === "disturb" && servers.includes(record.server) && fits(settings.endpoint) && nameOf(settings.how) === record.how;
    case "lied":
      return action === "lie" && settings.server === record.server && fits(settings.endpoint);
    case "arrived":
      return action === "answer" && settings.server === record.server && fits(settings.endpoint);
    default:
      return false;
  }
}

const nameOf = (how) => (how && typeof how === "object" ? Object.keys(how)[0] : how);

/** The servers that a step speaks of; a partition leaves out only those that form one more group. */
function namedServers(settings, all) {
  if (settings.groups) return all;
  const texts = [];
  const collect = (value) => {
    if (typeof value === "string") texts.push(value);
    else if (Array.isArray(value)) value.forEach(collect);
  };
  Object.values(settings).forEach(collect);
  return all.filter((server) => texts.includes(server));
}

/** A step in a line. The page's data has it in words; who acts stands before them. */
function stepText({ action, server, words }) {
  if (!server) return printable(words);
  return printable(action === "lie" || action === "answer" ? `${server} ${words}` : `${server}: ${words}`);
}
