// The protocol of docs/serve.md, as far as the page speaks it.

const KEY = "mobileo-token";

export class Refused extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

/** The token: of the address, which then no longer shows it, or what this tab remembers. */
export function rememberedToken() {
  const given = decodeURIComponent(location.hash.slice(1));
  if (given) {
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(KEY);
}

export function rememberToken(token) {
  sessionStorage.setItem(KEY, token);
}

async function call(path, options = {}) {
  const headers = { ...options.headers, Authorization: `Bearer ${sessionStorage.getItem(KEY)}` };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("gone", "The server does not answer; is mobileo-export serve still running?");
  }
  if (answer.ok) return answer;
  const found = await answer.json().catch(() => null);
  throw new Refused(found?.error?.kind ?? "unknown", found?.error?.message ?? `status ${answer.status}`);
}

export async function manifest() {
  return (await call("manifest")).json();
}

/** Run a pipeline; `onEvent` gets each event but the last, which is returned. */
export async function run(pipeline, body, onEvent, signal) {
  const answer = await call(`pipelines/${pipeline}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      part = { done: true };
    }
    if (part.done) throw new Refused("gone", "The server ended in the midst of this; start it again.");
    const lines = (rest + part.value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const event = JSON.parse(line);
      if (event.event === "error") throw new Refused(event.error.kind, event.error.message);
      if (event.event === "done") return event;
      onEvent(event);
    }
  }
}
