// What disturbs the world, from when to when, and whom: partitions, crashes, lies. Faults are known by their steps'
// records alone, so that kinds of which this page has never heard are shown too.

const LASTING = new Set(["partition", "cut", "silence", "latency", "answer", "lie", "fault"]);
/** These end at a heal, the others when their time is over. */
const HEALED = new Set(["partition", "cut", "silence"]);
const FAULT_KINDS = ["break", "slow", "crash", "lie"];
const LIES = new Set(["answer", "lie"]);

function readFaults(journal) {
  const faults = [];
  const timed = new Set(journal.records.filter(({ what }) => what === "step_ends").map(({ step }) => step));
  const close = (index, is) => {
    for (const fault of faults) if (fault.last === null && is(fault)) fault.last = index;
  };
  journal.records.forEach((record, index) => {
    const { what, action, step, server } = record;
    if (what === "step" && action === "heal") close(index, healedBy(record.detail.heal?.between));
    else if (what === "healed") close(index, healedBy(undefined));
    else if (what === "step_ends") close(index, (fault) => fault.step === step);
    else if (what === "crashed") faults.push(fault(index, { kind: "crash", label: `${server} is down`, servers: [server] }));
    else if (what === "started") close(index, (fault) => fault.kind === "crash" && fault.servers[0] === server);
    else if (what === "step" && (LASTING.has(action) || timed.has(step))) {
      const own = stepFault(record, journal.servers);
      if (action === "answer") close(index, (old) => old.kind === "lie" && old.about === own.about);
      faults.push(fault(index, own));
    }
  });
  close(journal.records.length - 1, () => true);
  return faults;
}

const fault = (first, rest) => ({ first, last: null, step: null, about: null, ...rest });

const healedBy = (pair) => (fault) =>
  HEALED.has(fault.action) && (!pair || pair.every((server) => fault.servers.includes(server)));

function stepFault({ action, step, detail, server }, all) {
  const settings = detail[action] ?? {};
  const kind = LIES.has(action) ? "lie" : action === "latency" ? "slow" : "break";
  const named = kind === "lie" && server ? [server] : namedServers(settings, all);
  const about = action === "answer" ? `${settings.server} ${settings.endpoint} ${settings.about} ${settings.to}` : null;
  return { kind, action, step, about, servers: named.length > 0 ? named : all, label: stepText(action, settings) };
}

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

/** A step in a line. */
function stepText(action, settings) {
  const plain = (value) =>
    Array.isArray(value) ? value.map(plain).join(" ") : typeof value === "object" ? JSON.stringify(value) : String(value);
  const parts = [spaced(action)];
  const { groups, from, to, by, server, count: times, every, ...rest } = settings;
  if (groups) parts.push(groups.map(plain).join(" | "));
  if (from !== undefined && to !== undefined) parts.push(`${plain(from)} → ${plain(to)}`);
  else if (from !== undefined || to !== undefined) parts.push(plain(from ?? to));
  if (by !== undefined || server !== undefined) parts.push(`${plain(by ?? server)}`);
  for (const [key, value] of Object.entries(rest)) parts.push(value === true ? spaced(key) : `${spaced(key)} ${cut(plain(value), 80)}`);
  return printable(parts.join(" "));
}
