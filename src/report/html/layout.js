// Where the events of a room stand in a drawing: oldest on top, straight runs together, forks in lanes of their own.
// Order and lanes are found once for the whole run, so that nothing jumps while the cursor moves.

/** So many like events in a straight line become one row. */
const FOLD_FROM = 4;
/** A drawing of more rows is folded further: so many neighbours that look alike, forked and merged as they may be. */
const ROWS_MANY = 60;
const FOLD_ALIKE_FROM = 8;

function layOut(journal, room) {
  const events = [...journal.events.values()].filter((event) => event.room === room);
  const places = new Map(events.map((event) => [event.id, { event, row: 0, lane: 0, parents: [], children: [] }]));
  for (const place of places.values()) {
    for (const prev of place.event.prev) {
      const parent = places.get(prev);
      if (!parent || parent === place) continue;
      place.parents.push(parent);
      parent.children.push(place);
    }
  }
  const order = topological([...places.values()]);
  order.forEach((place, row) => (place.row = row));
  const lanes = assignLanes(order);
  return { order, places, lanes };
}

/** Parents before children, and straight on as long as it goes. */
function topological(places) {
  const missing = new Map(places.map((place) => [place, place.parents.length]));
  const byAge = (a, b) => b.event.index - a.event.index;
  const open = places.filter((place) => place.parents.length === 0).sort(byAge);
  const order = [];
  const done = new Set();
  const emit = (first) => {
    open.push(first);
    while (open.length > 0) {
      const place = open.pop();
      if (done.has(place)) continue;
      done.add(place);
      order.push(place);
      const ready = place.children.filter((child) => {
        missing.set(child, missing.get(child) - 1);
        return missing.get(child) === 0;
      });
      open.push(...ready.sort(byAge));
    }
  };
  if (open.length > 0) emit(open.pop());
  // Up to room version 2 events can be their own ancestors.
  for (const place of places) if (!done.has(place)) emit(place);
  return order;
}

/** Each event goes on in the lane of one parent; what begins a lane takes the first that is free for as long as needed. */
function assignLanes(order) {
  const chains = [];
  for (const place of order) {
    const heirless = place.parents.filter((parent) => parent.row < place.row && parent.heir === undefined);
    const parent = heirless.sort((a, b) => a.chain.first - b.chain.first)[0];
    if (parent) {
      parent.heir = place;
      place.chain = parent.chain;
    } else {
      const above = place.parents.map(({ row }) => row).filter((row) => row < place.row);
      place.chain = { first: above.length > 0 ? Math.max(...above) + 1 : place.row, last: 0 };
      chains.push(place.chain);
    }
    // Edges that merge into another lane run down in this one.
    const below = place.children.map(({ row }) => row);
    place.chain.last = Math.max(place.chain.last, place.row, ...below.map((row) => row - 1));
  }
  const free = [];
  for (const chain of chains.sort((a, b) => a.first - b.first)) {
    let lane = free.findIndex((row) => row < chain.first);
    if (lane < 0) lane = free.length;
    free[lane] = chain.last;
    chain.lane = lane;
  }
  for (const place of order) place.lane = place.chain.lane;
  return Math.max(1, free.length);
}

/**
 * The rows to draw: events that `look` knows, straight runs of like ones folded, and where that is not enough, whatever
 * looks alike. `look` gives what an event looks like as a text and whether it must stay visible, or nothing if it is
 * not to be drawn.
 */
function foldRows(layout, look, unfolded) {
  const shown = layout.order.map((place) => ({ place, look: look(place.event) })).filter(({ look }) => look !== null);
  const straight = foldRuns(shown.map((row) => ({ places: [row.place], look: row.look })), inLine(shown), FOLD_FROM, unfolded);
  if (straight.length <= ROWS_MANY) return straight;
  const alike = straight.map(({ look }, at) =>
    !look.stays && [-2, -1, 1, 2].every((by) => straight[at + by] !== undefined && straight[at + by].look.text === look.text));
  return foldRuns(straight, alike, FOLD_ALIKE_FROM, unfolded);
}

/** For each event whether it has one parent, right before it, and one child, right behind. */
function inLine(shown) {
  const visible = new Set(shown.map(({ place }) => place));
  const links = (list) => list.filter((other) => visible.has(other));
  return shown.map(({ place, look }, at) => {
    const [parents, children] = [links(place.parents), links(place.children)];
    if (look.stays || parents.length !== 1 || children.length !== 1) return false;
    return shown[at - 1]?.place === parents[0] && shown[at + 1]?.place === children[0];
  });
}

/** Makes one row of `from` or more neighbours that may be folded and look alike. */
function foldRuns(rows, mayFold, from, unfolded) {
  const folded = [];
  for (let at = 0; at < rows.length; ) {
    let end = at;
    while (end < rows.length && mayFold[end] && rows[end].look.text === rows[at].look.text) end += 1;
    const run = rows.slice(at, Math.max(end, at + 1));
    const places = run.flatMap(({ places }) => places);
    const key = `${from} ${places[0].event.id}`;
    if (run.length < from) folded.push(...run);
    else if (unfolded.has(key)) folded.push(...run.map((row) => ({ ...row, look: { ...row.look, stays: true } })));
    else folded.push({ places, look: run[0].look, key });
    at += run.length;
  }
  return folded;
}
