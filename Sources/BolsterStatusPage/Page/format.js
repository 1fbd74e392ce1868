// Numbers and times as a person reads them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** 12,800,000 as "12.8 M"; below ten thousand as it is. */
export function count(value) {
  if (value === null || value === undefined) return "–";
  for (const [size, unit] of [[1e12, "T"], [1e9, "B"], [1e6, "M"]]) {
    if (value >= size) return `${(value / size).toPrecision(3)} ${unit}`;
  }
  return value >= 1e4 ? `${(value / 1e3).toPrecision(3)} k` : whole.format(value);
}

export const exact = (value) => whole.format(value);

/** Samples a second; slow captioners make less than one. */
export function rate(value) {
  if (!value) return "0";
  return value < 10 ? value.toPrecision(2) : count(Math.round(value));
}

/** Seconds as "3 d 04 h", "3 h 05 min", "4 min 10 s" or "12 s". */
export function time(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const s = Math.ceil(seconds);
  const two = (n) => String(n).padStart(2, "0");
  if (s >= 86400) return `${Math.floor(s / 86400)} d ${two(Math.floor((s % 86400) / 3600))} h`;
  if (s >= 3600) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
  return s >= 60 ? `${Math.floor(s / 60)} min ${two(s % 60)} s` : `${s} s`;
}

/** Seconds of device time as hours, with as many digits as tell something. */
export function hours(seconds) {
  const h = seconds / 3600;
  if (h >= 100) return exact(h);
  return h >= 1 ? h.toFixed(1) : h.toPrecision(2);
}

export function money(value) {
  return value >= 1000 ? exact(value) : value.toFixed(2);
}

export function percent(fraction) {
  if (fraction >= 1) return "100 %";
  // Rounded down: 100 % is said when all is done, not before.
  return `${(Math.floor(fraction * 1000) / 10).toFixed(1)} %`;
}
