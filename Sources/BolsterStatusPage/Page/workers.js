// The table of workers: sorted, searched and paged by the coordinator, which may have ten thousand.

import { get } from "./ask.js";
import { exact, rate, time } from "./format.js";

const PER_PAGE = 25;
const SILENT_AFTER = 20;

const $ = (id) => document.getElementById(id);

export class Workers {
  constructor() {
    this.page = 1;
    this.sort = "rate";
    this.descending = true;
    this.search = "";
    this.pages = 1;
    $("previous").addEventListener("click", () => this.turn(-1));
    $("next").addEventListener("click", () => this.turn(1));
    $("search").addEventListener("input", () => {
      this.search = $("search").value;
      this.page = 1;
      this.load();
    });
    for (const button of $("columns").querySelectorAll("button")) {
      button.addEventListener("click", () => this.order(button.dataset.sort));
    }
  }

  turn(step) {
    this.page = Math.min(this.pages, Math.max(1, this.page + step));
    this.load();
  }

  order(sort) {
    this.descending = this.sort === sort ? !this.descending : sort === "rate" || sort === "silent";
    this.sort = sort;
    this.page = 1;
    this.load();
  }

  async refresh(status) {
    this.summarize(status.workers);
    this.refused(status);
    await this.load();
  }

  // Devices that compute wrongly are named; of what else was refused, the counts.
  refused(status) {
    const devices = $("refused-devices");
    devices.hidden = status.refusedDevices.length === 0;
    devices.replaceChildren(...status.refusedDevices.map((device) => {
      const line = document.createElement("li");
      const where = document.createElement("span");
      where.className = "where";
      const state = document.createElement("span");
      state.className = "bad";
      state.textContent = `answers wrongly, gets no leases of ${device.stage} (${time(device.ago)} ago)`;
      where.append(`${device.worker} · ${device.device} of ${device.host}  `, state);
      const what = document.createElement("span");
      what.className = "what";
      what.textContent = device.message;
      line.append(where, what);
      return line;
    }));
    const counts = status.refused.map((one) => `${exact(one.count)} ${one.kind.replaceAll("_", " ")}`);
    $("refused").hidden = counts.length === 0;
    $("refused").textContent = `Refused since this coordinator's start: ${counts.join(", ")}.`;
  }

  summarize(summary) {
    const told = summary.bottlenecks.reduce((sum, step) => sum + step.workers, 0);
    const place = $("bottlenecks");
    place.hidden = told === 0;
    const parts = summary.bottlenecks.filter((step) => step.workers > 0).map((step) => {
      const part = document.createElement("span");
      const share = document.createElement("b");
      share.textContent = `${Math.round((100 * step.workers) / told)} %`;
      part.append(share, ` held up by ${step.step}`);
      return part;
    });
    if (summary.silent > 0) {
      const part = document.createElement("span");
      part.className = "warn";
      part.textContent = `${exact(summary.silent)} silent`;
      parts.push(part);
      place.hidden = false;
    }
    place.replaceChildren(...parts);
  }

  async load() {
    const query = new URLSearchParams({
      page: this.page, per: PER_PAGE, sort: this.sort, order: this.descending ? "descending" : "ascending",
      search: this.search,
    });
    this.show(await get(`/api/workers?${query}`));
  }

  show(list) {
    this.page = list.page;
    this.pages = list.pages;
    for (const header of $("columns").children) {
      const sort = header.firstElementChild.dataset.sort;
      if (sort === this.sort) header.setAttribute("aria-sort", this.descending ? "descending" : "ascending");
      else header.removeAttribute("aria-sort");
    }
    const rows = list.workers.map((worker) => this.row(worker));
    if (rows.length === 0) rows.push(this.nothing(list.total));
    $("workers").replaceChildren(...rows);
    $("pager").hidden = list.pages < 2;
    const pages = `${exact(list.page)} of ${exact(list.pages)}`;
    $("page-of").textContent = `${pages} · ${exact(list.matching)} workers`;
    $("previous").disabled = list.page <= 1;
    $("next").disabled = list.page >= list.pages;
  }

  row(worker) {
    const row = document.createElement("tr");
    const cell = (text, className) => {
      const made = document.createElement("td");
      made.textContent = text;
      if (className) made.className = className;
      row.append(made);
    };
    cell(worker.name, "name");
    cell(worker.host, "wide");
    cell(worker.device, "wide");
    cell(worker.stages.length > 0 ? [...new Set(worker.stages)].join(", ") : "waits");
    cell(rate(worker.rate), "number");
    cell(worker.bottleneck ?? "–");
    cell(time(worker.silent), worker.silent > SILENT_AFTER ? "number warn" : "number");
    return row;
  }

  nothing(total) {
    const row = document.createElement("tr");
    const cell = document.createElement("td");
    cell.className = "nothing";
    cell.colSpan = 7;
    cell.textContent = total === 0 ? "No worker has come yet." : "No worker matches.";
    row.append(cell);
    return row;
  }
}
