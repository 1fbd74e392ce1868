// Units that failed: those tried again, and those quarantined, which a button gives new attempts.

import { get } from "./ask.js";
import { exact } from "./format.js";

const SHOWN = 20;

const $ = (id) => document.getElementById(id);

export class Failures {
  constructor() {
    this.secret = "";
    $("retry-all").addEventListener("click", () => this.retry([], $("retry-all")));
  }

  async refresh(status) {
    this.secret = status.csrf;
    this.canRetry = status.canRetry;
    const quarantined = status.stages.reduce((sum, stage) => sum + stage.quarantined, 0);
    $("retry-all").hidden = quarantined === 0 || !this.canRetry;
    if (quarantined + status.failing === 0) return this.show({ failures: [], total: 0 });
    this.show(await get(`/api/failures?per=${SHOWN}`));
  }

  show(list) {
    $("failures-none").hidden = list.failures.length > 0;
    $("failures").replaceChildren(...list.failures.map((failure) => this.line(failure)));
    const more = list.total - list.failures.length;
    $("failures-more").hidden = more <= 0;
    $("failures-more").textContent = `and ${exact(more)} more; bolster status lists them`;
  }

  line(failure) {
    const line = document.createElement("li");
    const where = document.createElement("span");
    where.className = "where";
    const attempts = `${failure.attempts} ${failure.attempts === 1 ? "attempt" : "attempts"}`;
    const state = document.createElement("span");
    state.className = failure.quarantined ? "bad" : "warn";
    state.textContent = failure.quarantined
      ? `quarantined after ${attempts}` : `failed ${attempts}, tried again`;
    where.append(`${failure.stage} · ${failure.shard}  `, state);
    const what = document.createElement("span");
    what.className = "what";
    what.textContent = failure.message;
    line.append(where, what);
    if (failure.quarantined && this.canRetry) {
      const button = document.createElement("button");
      button.className = "action";
      button.textContent = "Try again";
      const unit = { stage: failure.stage, shard: failure.index };
      button.addEventListener("click", () => this.retry([unit], button));
      line.append(button);
    }
    return line;
  }

  async retry(units, button) {
    button.disabled = true;
    const note = $("retry-note");
    note.hidden = false;
    try {
      const reply = await fetch("/api/retry", {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Bolster-CSRF": this.secret },
        body: JSON.stringify({ units }),
      });
      const answer = await reply.json();
      note.textContent = reply.ok
        ? `${answer.units === 1 ? "1 unit gets" : `${exact(answer.units)} units get`} new attempts.`
        : answer.error;
    } catch (error) {
      note.textContent = `not done: ${error.message}`;
    }
    button.disabled = false;
  }
}
