/** Count down to the end of the one view. */

const ANNOUNCED = [
  [300, "5 minutes are left to view this key."],
  [60, "1 minute is left to view this key."],
  [0, "The time to view this key is over. Delete it and generate a new one."],
];

/**
 * Write the remaining time into `element` every second.
 * @param {HTMLElement} element with `data-expires`, an ISO time
 * @param {(sentence: string) => void} announce called when five minutes, one minute and no time are left
 * @returns {() => void} stops the clock
 */
export function countDown(element, announce) {
  const expires = Date.parse(element.dataset.expires);
  const secondsLeft = () => Math.max(0, Math.ceil((expires - Date.now()) / 1000));
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

function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
