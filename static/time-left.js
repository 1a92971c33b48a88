/** Count down to the end of the one view. */

const ANNOUNCED = [
  [300, "5 minutes are left to view this key."],
  [60, "1 minute is left to view this key."],
  [0, "The time to view this key is over. Delete it and generate a new one."],
];

const DRIFT = 2000; // milliseconds by which two clocks of the browser differ after a sleep or a correction

/**
 * Write the remaining time into `element` every second.
 * @param {HTMLElement} element with two ISO times of the server: `data-expires`, and `data-now`, when it sent the page
 * @param {(sentence: string) => void} announce called when five minutes, one minute and no time are left
 * @returns {() => void} stops the clock
 */
export function countDown(element, announce) {
  const expires = Date.parse(element.dataset.expires);
  const serverTime = serverClock(Date.parse(element.dataset.now));
  const secondsLeft = () => Math.max(0, Math.ceil((expires - serverTime()) / 1000));
  let before = secondsLeft();
  const tick = () => {
    const now = secondsLeft();
    element.textContent = now > 0 ? `You can view this key once. ${clock(now)} left.` : "The time to view this key is over.";
    const due = ANNOUNCED.filter(([mark]) => now <= mark && mark < before).at(-1);
    if (due) announce(due[1]);
    before = now;
  };
  tick();
  const timer = setInterval(tick, 1000);
  return () => clearInterval(timer);
}

/**
 * Return a function that returns the server's time in milliseconds. The browser's clock may be hours wrong, so this
 * measures only how long ago the server sent the page. The measure stops while the computer sleeps: then ask the server.
 */
function serverClock(sentAt) {
  const drift = () => Date.now() - performance.now();
  let known = { server: sentAt, at: arrival(), drift: drift() };
  let asking = false;
  const ask = async () => {
    asking = true;
    try {
      const reply = await fetch(location.pathname, { method: "HEAD" });
      const server = Date.parse(reply.headers.get("Date"));
      if (server) known = { server, at: performance.now(), drift: drift() };
    } catch {
      // The next tick asks again.
    } finally {
      asking = false;
    }
  };
  return () => {
    if (!asking && Math.abs(drift() - known.drift) > DRIFT) ask();
    return known.server + performance.now() - known.at;
  };
}

/** Return when the page's answer began to arrive, on the clock of `performance.now()`. */
function arrival() {
  return performance.getEntriesByType("navigation")[0]?.responseStart ?? performance.now();
}

function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
