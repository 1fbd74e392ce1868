// One question to the coordinator.

/** The JSON at `path`. Throws with a message for a person. */
export async function get(path) {
  const reply = await fetch(path, { cache: "no-store" });
  if (reply.status === 401) {
    throw new Error("this browser is no longer logged in: open the page with ?token=… again");
  }
  if (!reply.ok) throw new Error(`the coordinator answers ${reply.status}`);
  return reply.json();
}
