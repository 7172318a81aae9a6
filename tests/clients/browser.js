// A small browser: it visits a page, presses buttons, and reports the screen.
//
//   node browser.js BUNDLE
//
// Each line of standard input is a JSON object. For each, it prints the screen once the page is idle:
//
//   {"visit": "http://..."}                                  load the page again, as if served from there
//   {"open": ["PhoneNumbers"], "props": {"pageSize": 99}}    show these components, side by side
//   {"press": "More", "times": 3}                            press the first such button, while it exists
//   {"type": "206555"}                                       replace the text of the search box
//   {"spoil": "..."}                                         send this instead of the next cursor
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { Window } from 'happy-dom';

// The globals that come from happy-dom. Node has a real fetch and real timers.
const WINDOW_GLOBALS = ['document', 'location', 'navigator', 'HTMLElement', 'HTMLIFrameElement', 'HTMLInputElement'];
// The page is idle after this many ticks without a pending request. React renders within one tick.
const IDLE_TICKS = 3;
// The most ticks to wait, of 1 ms each. The gateway ends a request after 10 s.
const MAX_TICKS = 30_000;

const bundle = pathToFileURL(process.argv[2]);
let visits = 0;
let show;
// The number of requests whose response is not complete.
let pending = 0;
let spoilt = null;

// Warnings and errors from React and the client.
const complaints = [];
console.error = console.warn = (...words) => complaints.push(words.join(' '));

globalThis.window = globalThis;
const nodesFetch = globalThis.fetch;
globalThis.fetch = async (url, options) => {
  pending += 1;
  try {
    const response = await nodesFetch(new URL(url, location.href), { ...options, body: spoil(options.body) });
    const text = await response.text();
    recordRows(JSON.parse(text));
    return new Response(text, response);
  } finally {
    pending -= 1;
  }
};

// The ids of all rows received, with repeats. A client shows a row that it has already only once.
let received;

function recordRows({ data }) {
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
  for (const name of WINDOW_GLOBALS) Object.defineProperty(globalThis, name, { value: window[name], configurable: true });
  const root = document.body.appendChild(document.createElement('main'));
  received = [];
  visits += 1;
  // Import it under another name, so that its modules run again and no state of the last visit is left.
  const page = await import(`${bundle}?${visits}`);
  show = (names, props) => page.show(root, names, props);
}

async function untilIdle() {
  for (let ticks = 0, idle = 0; idle < IDLE_TICKS; ticks += 1) {
    if (ticks > MAX_TICKS) throw new Error(`the page stays busy: ${document.body.innerHTML.slice(-2000)}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
    idle = pending || document.querySelector('[aria-busy=true]') ? 0 : idle + 1;
  }
}

const all = (selector) => [...document.querySelectorAll(selector)];
const texts = (selector) => all(selector).map((element) => element.textContent);
const button = (label) => all('button').find((found) => found.textContent === label);

async function press(label, times) {
  if (!button(label)) throw new Error(`there is no button ${label}`);
  for (let presses = 0; presses < times && button(label); presses += 1) {
    button(label).click();
    await untilIdle();
  }
}

function type(text) {
  const box = document.querySelector('input[type=search]');
  // React replaces the setter of the element, and takes no notice of a text that is set by it.
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(box, text);
  box.dispatchEvent(new box.ownerDocument.defaultView.Event('input', { bubbles: true }));
}

async function act({ visit: url, open, props, press: label, times, type: text, spoil: cursor }) {
  if (url) await visit(url);
  if (open) show(open, props);
  if (label) await press(label, times);
  if (text !== undefined) type(text);
  if (cursor) spoilt = cursor;
  await untilIdle();
}

for await (const line of createInterface({ input: process.stdin })) {
  await act(JSON.parse(line)).catch((error) => complaints.push(error.message));
  const screen = {
    headings: texts('h3'),
    items: texts('li'),
    rows: texts('tbody td:first-child'),
    buttons: texts('button'),
    alerts: texts('[role=alert]'),
    received,
    complaints: complaints.splice(0),
  };
  process.stdout.write(`${JSON.stringify(screen)}\n`);
}
