// Talks to our routes. Every failure is one of three kinds the rest of the viewer knows how to answer.

class SignedOut extends Error {}
class Offline extends Error {}
class Refused extends Error {}

class Server {
  constructor() {
    this.session = null; // { reader, name, csrf }
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
    if (!response.ok) throw new Refused(answer.error);
    this.session = answer;
    return answer;
  }

  claim(worklistId, count) {
    return this.json("POST", `/rounds/api/worklists/${worklistId}/claim`, { count });
  }

  send(worklistId, operations) {
    return this.json("POST", "/rounds/api/readings", { worklist_id: worklistId, operations });
  }

  async pixels(key) {
    const response = await this.reach(`/rounds/pixels/${key}`, { cache: "no-store" });
    if (response.status === 401) throw new SignedOut();
    if (!response.ok) throw new Refused(`image ${response.status}`);
    return response.arrayBuffer();
  }

  async json(method, path, body, renewed = false) {
    const headers = { Accept: "application/json" };
    if (body !== undefined) {
      headers["Content-Type"] = "application/json";
      headers["X-CSRF-Token"] = this.session?.csrf ?? "";
    }
    const response = await this.reach(path, { method, headers, body: body && JSON.stringify(body) });
    if (response.status === 401) throw new SignedOut();
    if (response.status === 403 && body !== undefined && !renewed) {
      const reader = this.session?.reader;
      await this.open(); // another tab signed in again: its token is ours too, if the reader is the same
      if (this.session.reader !== reader) throw new SignedOut();
      return this.json(method, path, body, true);
    }
    if (response.status >= 500) throw new Offline(`the server answered ${response.status}`);
    const answer = await response.json();
    if (!response.ok) throw new Refused(answer.error);
    return answer;
  }

  async reach(path, options) {
    try {
      return await fetch(path, { credentials: "same-origin", signal: AbortSignal.timeout(20_000), ...options });
    } catch (error) {
      throw new Offline(error.message);
    }
  }
}
