// Talks to our routes. Every failure is one of three kinds the rest of the viewer knows how to answer: only what is
// offline is asked again by itself.

const PASSING = new Set([408, 425, 429]); // with the faults of a server, what may be answered otherwise after a while

// How long to wait before the next try, after so many failures in a row.
const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const pauseAfter = (failures) => RETRY_MS[Math.min(failures, RETRY_MS.length - 1)];

class SignedOut extends Error {}
class Offline extends Error {}

// Waiting does not change it: a role, a consent, a worklist that is for others, a request that does not fit.
class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

class Server {
  constructor() {
    this.session = null; // { reader, name, role, csrf }
  }

  async open() {
    this.session = await this.json("GET", "/rounds/api/session");
    return this.session;
  }

  async signIn(name, password) {
    const form = new URLSearchParams({ name, password });
    const headers = { Accept: "application/json" };
    const response = await this.reach("/rounds/sign-in", { method: "POST", headers, body: form });
    const answer = await response.json();
    if (!response.ok) throw new Refused(answer.error, response.status);
    this.session = answer;
    return answer;
  }

  claim(worklistId, count, mode) {
    return this.json("POST", `/rounds/api/worklists/${worklistId}/claim`, { count, mode });
  }

  send(worklistId, mode, operations) {
    return this.json("POST", "/rounds/api/readings", { worklist_id: worklistId, mode, operations });
  }

  async pixels(key) {
    return (await this.bytes(`/rounds/pixels/${key}`)).arrayBuffer();
  }

  references(worklistId) {
    return this.json("GET", `/rounds/api/worklists/${worklistId}/references`);
  }

  async reference(key) {
    const response = await this.bytes(`/rounds/references/${key}`);
    const shape = response.headers.get("X-Rounds-Shape").split(",").map(Number);
    const bits = Number(response.headers.get("X-Rounds-Bits"));
    return { shape, bits, pixels: typed(await response.arrayBuffer(), bits) };
  }

  async bytes(path) {
    const session = this.session;
    const response = await this.reach(path, { cache: "no-store" });
    if (response.status === 401 && this.renewedSince(session)) return this.bytes(path);
    if (response.status === 401) throw new SignedOut();
    if (mayPass(response.status)) throw new Offline(`the server answered ${response.status}`);
    if (!response.ok) throw new Refused(`image ${response.status}`, response.status);
    return response;
  }

  async json(method, path, body, renewed = false) {
    const session = this.session;
    const headers = { Accept: "application/json" };
    if (body !== undefined) {
      headers["Content-Type"] = "application/json";
      headers["X-CSRF-Token"] = session?.csrf ?? "";
    }
    const response = await this.reach(path, { method, headers, body: body && JSON.stringify(body) });
    if (response.status === 401 && this.renewedSince(session)) return this.json(method, path, body, renewed);
    if (response.status === 401) throw new SignedOut();
    if (response.status === 403 && body !== undefined && !renewed) {
      const reader = session?.reader;
      await this.open(); // another tab signed in again: its token is ours too, if the reader is the same
      if (this.session.reader !== reader) throw new SignedOut();
      if (this.session.csrf !== session?.csrf) return this.json(method, path, body, true);
    }
    if (mayPass(response.status)) throw new Offline(`the server answered ${response.status}`);
    const answer = await response.json().catch(() => null); // a proxy on the way answers with a page of its own
    if (!response.ok) throw new Refused(answer?.error ?? `the server answered ${response.status}`, response.status);
    if (answer === null) throw new Offline("the answer is not one of our server");
    return answer;
  }

  // A 401 to what was asked before the same reader signed in again says nothing about the session there is now.
  renewedSince(session) {
    return session !== null && this.session !== session && this.session.reader === session.reader;
  }

  async reach(path, options) {
    try {
      return await fetch(path, { credentials: "same-origin", signal: AbortSignal.timeout(20_000), ...options });
    } catch (error) {
      throw new Offline(error.message);
    }
  }
}

function mayPass(status) {
  return status >= 500 || PASSING.has(status);
}

// The server sends little-endian; so does every browser that runs today.
function typed(content, bits) {
  return bits === 16 ? new Uint16Array(content) : new Uint8Array(content);
}
