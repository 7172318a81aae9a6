// A browser for one reader: visits a page, presses its buttons, and says what is on the screen.
//
//   node browser.js BUNDLE
//
// Each line of standard input is a JSON object, and each is answered by the screen once it is still:
//
//   {"visit": "http://..."}                                  load the page anew, as served from there
//   {"open": ["PhoneNumbers"], "props": {"pageSize": 99}}    show these components, side by side
//   {"press": "More", "times": 3}                            press the first such button, as often as it is there
//   {"spoil": "..."}                                         send this in place of the next cursor
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { Window } from 'happy-dom';

// happy-dom's, and no more of it: Node has a real fetch and real timers.
const OF_THE_WINDOW = ['document', 'location', 'navigator', 'HTMLElement', 'HTMLIFrameElement'];
// Turns of the event loop with nothing under way, after which nothing comes of itself: React renders within one.
const QUIET_TURNS = 3;
// Turns of a millisecond each; the gateway gives up on a request after ten seconds.
const PATIENCE = 30_000;

const bundle = pathToFileURL(process.argv[2]);
let visits = 0;
let show;
// Requests whose answer has not come to its end.
let pending = 0;
let spoilt = null;

// What React or a client complains about.
const complaints = [];
console.error = console.warn = (...words) => complaints.push(words.join(' '));

globalThis.window = globalThis;
const nodesFetch = globalThis.fetch;
globalThis.fetch = async (url, options) => {
  pending += 1;
  try {
    const response = await nodesFetch(new URL(url, location.href), { ...options, body: spoil(options.body) });
    const answer = await response.text();
    note(JSON.parse(answer));
    return new Response(answer, response);
  } finally {
    pending -= 1;
  }
};

// The lists' rows as they came, which a client that has one already may not show again.
let received;

function note({ data }) {
  const lists = Object.values(data ?? {}).filter((list) => list?.edges);
  received.push(...lists.flatMap(({ edges }) => edges.map(({ node }) => node.id)));
}

function spoil(body) {
  const request = JSON.parse(body);
  if (spoilt && request.variables.after) {
    request.variables.after = spoilt;
    spoilt = null;
  }
  return JSON.stringify(request);
}

async function visit(url) {
  const window = new Window({ url });
  for (const name of OF_THE_WINDOW) Object.defineProperty(globalThis, name, { value: window[name], configurable: true });
  const root = document.body.appendChild(document.createElement('main'));
  received = [];
  visits += 1;
  // By another name, so that its modules run anew: nothing is left of the visit before.
  const page = await import(`${bundle}?${visits}`);
  show = (names, props) => page.show(root, names, props);
}

async function still() {
  for (let turns = 0, quiet = 0; quiet < QUIET_TURNS; turns += 1) {
    if (turns > PATIENCE) throw new Error(`the page stays busy: ${document.body.innerHTML.slice(-2000)}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
    quiet = pending || document.querySelector('[aria-busy=true]') ? 0 : quiet + 1;
  }
}

const all = (selector) => [...document.querySelectorAll(selector)];
const texts = (selector) => all(selector).map((element) => element.textContent);
const button = (label) => all('button').find((found) => found.textContent === label);

async function press(label, times) {
  if (!button(label)) throw new Error(`no button says ${label}`);
  for (let presses = 0; presses < times && button(label); presses += 1) {
    button(label).click();
    await still();
  }
}

async function act({ visit: url, open, props, press: label, times, spoil: cursor }) {
  if (url) await visit(url);
  if (open) show(open, props);
  if (label) await press(label, times);
  if (cursor) spoilt = cursor;
  await still();
}

for await (const line of createInterface({ input: process.stdin })) {
  await act(JSON.parse(line)).catch((error) => complaints.push(error.message));
  const screen = {
    headings: texts('h3'),
    items: texts('li'),
    buttons: texts('button'),
    alerts: texts('[role=alert]'),
    received,
    complaints: complaints.splice(0),
  };
  process.stdout.write(`${JSON.stringify(screen)}\n`);
}
